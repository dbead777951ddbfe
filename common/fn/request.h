/*
 * request: what a handler knows about the request it serves.
 * Plain data, filled by the runtime before the handler starts; all of it lives in the task's arena.
 */
#ifndef FFX_FN_REQUEST_H
#define FFX_FN_REQUEST_H

#include "base/task.h"
#include "crypto/jws.h"
#include "net/request.h"

struct fn_match;
struct fn_spec;
struct json;

struct fn_req {
    struct task *task;
    const struct net_request *http;
    const struct fn_spec *spec;
    const struct fn_match *match; /* the route, and what its pattern stands for */
    int64_t started_us;           /* monotonic */
    struct caller caller;
    struct str credential;   /* the token or key by which the caller is known; len 0: none */
    const struct json *json; /* the body, when the spec says it is JSON */
};

/* The value of a header, or an empty str with ptr NULL.  `name` in lower case. */
struct str fn_header(const struct fn_req *req, const char *name);

/* What stands in the path for ":name" of the route's pattern, decoded, as sent otherwise; ptr NULL
 * when the pattern has none of this name. */
struct str fn_param(const struct fn_req *req, const char *name);
/* What stands in the path for the star at the pattern's end. */
struct str fn_tail(const struct fn_req *req);

#endif
