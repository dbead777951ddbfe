/*
 * request: an HTTP request as it came in.
 *
 * Plain data, filled by the server before it is served.  All text lives in the task's arena.
 */
#ifndef FFX_NET_REQUEST_H
#define FFX_NET_REQUEST_H

#include "base/prelude.h"

struct header {
    struct str name; /* lower case with '-', e.g. "x-client-info" */
    struct str value;
};

struct net_peer;

struct net_request {
    struct str method;
    struct str path;  /* behind the route, decoded: "" or "/live" */
    struct str uri;   /* path and query as the client wrote them */
    struct str query; /* as the client wrote it */
    struct str content_type;
    struct str remote_addr;
    struct str body; /* complete, NUL-terminated behind its end */
    const struct header *headers;
    size_t header_count;
    const void *served_as; /* what body_limit found out, for serve (server.h) */
    struct net_peer *peer; /* who asked: the server's */
};

#endif
