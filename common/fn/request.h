/*
 * request: what a handler knows about the request it serves.
 *
 * Plain data, filled by the runtime (fcgi_server, fn) before the handler starts.  All text lives
 * in the request's arena.  A scheduled run has no HTTP part: method and path are empty.
 */
#ifndef FFX_REQUEST_H
#define FFX_REQUEST_H

#include "base/arena.h"
#include "base/prelude.h"
#include "base/err.h"

struct fn_spec;
struct json;

struct header {
    struct str name; /* lower case with '-', e.g. "x-nowpayments-sig" */
    struct str value;
};

/* Who calls.  `role` is "anon", "authenticated", "service_role" or "" (no valid token asked). */
struct caller {
    char user_id[37]; /* claim sub; empty for the anon and service keys */
    char role[24];
    const char *email;      /* claim email or NULL */
    struct str claims_json; /* the token's payload as sent: request.jwt.claims in SQL */
};

struct fn_req {
    struct arena *arena;
    struct fail fail;
    const struct fn_spec *spec;
    int64_t started_us;  /* monotonic */
    int64_t deadline_ms; /* monotonic; every wait inside the request ends here at the latest */
    char id[33];         /* request id: nginx's $request_id, or made here */

    struct str method;
    struct str path; /* behind the route: "" or "/live" */
    struct str query;
    struct str content_type;
    struct str remote_addr;
    struct str body; /* complete, NUL-terminated behind its end */
    const struct header *headers;
    size_t header_count;

    struct caller caller;
    const struct json *json; /* the body, when the spec says it is JSON */
};

/* The value of a header, or an empty str with ptr NULL.  `name` in lower case. */
struct str fn_header(const struct fn_req *req, const char *name);

#endif
