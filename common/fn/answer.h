/*
 * answer: what a handler answers with.
 *
 * A handler writes one answer and returns ERR_OK; what it wrote before a failure is forgotten.
 * Thread rule: the coroutine of the request.
 */
#ifndef FFX_FN_ANSWER_H
#define FFX_FN_ANSWER_H

#include "base/buf.h"
#include "fn/request.h"
#include "json/write.h"

struct fn_header {
    struct header header;
    struct fn_header *next;
};

struct fn_res {
    int status;
    const char *content_type;
    struct buf body;
    struct json_writer json;
    struct fn_header *headers, **headers_tail; /* in the order in which they were set */
    /* fn/stream.h: body is the chunk that is filled, and begins with `head_bytes` of headers. */
    bool streamed, sent;
    size_t head_bytes, sent_bytes;
};

/* Start a JSON answer; write with the jw_ calls, the runtime closes nothing for you. */
struct json_writer *fn_json(struct fn_res *res, int status);
/* A whole body made elsewhere; content_type must be a literal or live in the arena (NULL: nothing is
 * said of it). */
void fn_body(struct fn_res *res, int status, const char *content_type, struct str body);
/* A response header; the value is checked for CR and LF. */
void fn_header_set(struct fn_req *req, struct fn_res *res, const char *name, const char *value);
/* Which version of a thing is answered: ETag with `version` (visible ASCII without quotes).  True
 * when the client has it (If-None-Match of GET and HEAD, RFC 9110, 13.1.2): the answer is 304 then,
 * and the handler is done. */
NODISCARD bool fn_etag(struct fn_req *req, struct fn_res *res, const char *version);

#endif
