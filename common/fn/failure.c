/*
 * How a failure looks on the wire: {"success": false, "error": "text"} with the status of its row
 * in base/err.h.
 */
#include "fn/failure.h"

#include "base/task.h"
#include "fn/answer.h"
#include "fn/internal.h"
#include "fn/request.h"
#include "json/write.h"

enum err
fn_outcome(struct task *task, const struct fn_outcome *table, const char *outcome)
{
    for (; table->name != NULL; table++)
        if (outcome != NULL && strcmp(table->name, outcome) == 0)
            return fail_set(&task->fail, table->err, "%s", table->text);
    return ERR_OK;
}

void
fn_write_failure(struct fn_req *req, struct fn_res *res, enum err e)
{
    struct json_writer *w = fn_json(res, err_info(e)->http_status);

    jw_open(w);
    jw_bool_at(w, "success", false);
    jw_text_at(w, "error", fail_text(&req->task->fail, e));
    jw_close(w);
    if (e == ERR_METHOD) {
        struct buf allow;

        buf_init_arena(&allow, req->task->arena, 64);
        fn_methods_text(req->spec->methods, ", ", &allow);
        buf_add_text(&allow, ", OPTIONS");
        fn_header_set(req, res, "Allow", allow.ptr);
    }
    if (e == ERR_MEDIA_TYPE) /* RFC 9110, 12.5.3 */
        fn_header_set(req, res, "Accept-Encoding", "identity");
    if (err_info(e)->retryable) {
        const int after_s = req->task->fail.retry_after_s > 0 ? req->task->fail.retry_after_s : 1;

        fn_header_set(req, res, "Retry-After", arena_printf(req->task->arena, "%d", after_s));
    }
}

/* The request needed more memory than its cap.  Nothing can be taken from its arena any more, so
 * this answer is made elsewhere. */
struct str
fn_out_of_memory_answer(void)
{
    static const char body[] = "{\"success\":false,\"error\":\"Request needs too much memory\"}";
    static char block[512];
    const int len = snprintf(block, sizeof block,
                             "Status: 500 Internal Server Error\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: %zu\r\n"
                             "Access-Control-Allow-Origin: *\r\n"
                             "Access-Control-Expose-Headers: *\r\n\r\n%s",
                             sizeof body - 1, body);

    return (struct str){block, (size_t)len};
}
