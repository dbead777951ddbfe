/*
 * The chunk is res->body, which begins with the head of the answer.  fn_stream_end is the way back
 * into the runtime.
 */
#include "fn/stream.h"

#include "base/clock.h"
#include "fn/internal.h"
#include "net/server.h"

void
fn_stream_begin(struct fn_req *req, struct fn_res *res, int status, const char *content_type)
{
    fn_body(res, status, content_type, STR(""));
    res->streamed = true;
    const struct str head = fn_compose(req, res);
    buf_reserve(&res->body, FN_STREAM_CHUNK);
    buf_add_str(&res->body, head);
    res->head_bytes = head.len;
}

enum err
fn_stream_flush(struct fn_req *req, struct fn_res *res)
{
    if (res->body.len == 0)
        return ERR_OK;
    if (!server_send(req->http, buf_str(&res->body)))
        return fail_detail(&req->task->fail, ERR_HUP, "the client took no more of it");
    res->sent_bytes += res->body.len - res->head_bytes;
    res->head_bytes = 0;
    res->sent = true;
    buf_clear(&res->body);
    req->task->deadline_ms = clock_ms() + req->spec->timeout_ms;
    return ERR_OK;
}

enum err
fn_stream_add(struct fn_req *req, struct fn_res *res, struct str part)
{
    MUST(res->streamed);
    if (str_is(req->http->method, "HEAD"))
        return ERR_OK;
    while (part.len > 0) {
        const size_t room = FN_STREAM_CHUNK - MIN(res->body.len, FN_STREAM_CHUNK);

        buf_add(&res->body, part.ptr, MIN(part.len, room));
        if (part.len < room)
            return ERR_OK;
        part.ptr += room;
        part.len -= room;
        TRY(fn_stream_flush(req, res));
    }
    return ERR_OK;
}

bool
fn_stream_end(struct fn_req *req, struct fn_res *res, enum err *e, struct str *ret_block)
{
    if (*e == ERR_OK)
        *e = fn_stream_flush(req, res);
    if (!res->sent && *e != ERR_OK && *e != ERR_HUP) {
        res->streamed = false; /* an answer like any other */
        return false;
    }
    *ret_block = *e == ERR_OK ? STR("") : STR_NONE;
    return true;
}
