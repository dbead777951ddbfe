/*
 * fcgi_server: FastCGI on our own sockets; the only module that includes fcgiapp.h.
 *
 * We accept, watch and close connections; libfcgi parses.  Each readable connection gets a
 * coroutine that reads one whole request — parameters and the body to its end — and only then
 * calls `serve`.  A connection whose body was not read to its end is closed, never reused: the
 * rest of a body would be parsed as the next request (forged requests).
 *
 * libfcgi reads through its OS layer (OS_Read of fcgios.h); this module supplies that layer, so
 * that a half-sent request suspends its coroutine and not the process.
 *
 * Thread rule: loop's thread.
 */
#ifndef FFX_FCGI_SERVER_H
#define FFX_FCGI_SERVER_H

#include "fn/request.h"

struct fcgi_server {
    int listen_fd;
    size_t body_max;      /* larger bodies are drained (up to a cap) and reported as too_large */
    size_t memory_max;    /* arena cap per request */
    int read_timeout_ms;  /* for a request to arrive completely */
    /* Serve a complete request; returns the answer as one block of bytes (CGI headers and body)
     * in the request's arena.  `too_large`: the body was over body_max and is empty. */
    struct str (*serve)(struct fn_req *req, bool too_large);
};

/* Start accepting. */
void fcgi_server_start(const struct fcgi_server *server);
/* Take what waits in the backlog, stop accepting, and call `done` when no connection is left.
 * Kept connections are served until nginx closes them: closing one under a request that is on
 * its way would lose that request. */
void fcgi_server_drain(void (*done)(void));
size_t fcgi_server_connections(void);

#endif
