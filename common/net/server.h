/*
 * server: FastCGI on our own sockets.
 *
 * We accept, watch and close connections; libfcgi parses.  Each readable connection gets a
 * coroutine that reads one whole request — parameters and the body to its end — and only then
 * calls `serve`.  A connection whose body was not read to its end is closed, never reused: the
 * rest of a body would be parsed as the next request (forged requests).
 *
 * Thread rule: loop's thread.
 */
#ifndef FFX_NET_SERVER_H
#define FFX_NET_SERVER_H

#include "base/task.h"
#include "net/request.h"

struct server {
    int listen_fd;
    size_t body_max;     /* of all bodies; goes on top of memory_max */
    size_t memory_max;   /* arena cap per request */
    int read_timeout_ms; /* for a request to arrive completely */
    /* All but the body is there: how long may that be?  A larger one is drained (up to a cap) and
     * reported as too_large.  At most body_max. */
    size_t (*body_limit)(struct task *task, struct net_request *http);
    /* Serve a complete request, whose task has its arena and perhaps an id; returns the answer as
     * one block of bytes (CGI headers and body) in that arena.  `too_large`: the body was over
     * its limit and is empty.  What was sent with server_send before is the answer; then the block
     * is empty and ends it, and any other, or one whose ptr is NULL, cuts it.
     * Meanwhile task->gone says when the peer has left, and task->until_gone is woken then. */
    struct str (*serve)(struct task *task, const struct net_request *http, bool too_large);
};

/* Send a part of the answer, CGI headers first, suspending while the peer does not take it; false:
 * it has left, or took nothing for 10 s.  Inside of `serve`. */
NODISCARD bool server_send(const struct net_request *http, struct str part);

/* Start accepting. */
void server_start(const struct server *server);
/* Take what waits in the backlog, stop accepting, and call `done` when no connection is left.
 * Kept connections are served until nginx closes them: closing one under a request that is on
 * its way would lose that request. */
void server_drain(void (*done)(void));
size_t server_connections(void);

#endif
