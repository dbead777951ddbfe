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
    if (e == ERR_METHOD)
        fn_allow(req, res);
    if (e == ERR_MEDIA_TYPE && fn_is_coded(req)) /* RFC 9110, 12.5.3: for no other reason */
        fn_header_set(req, res, "Accept-Encoding", "identity");
    else if (e == ERR_MEDIA_TYPE)
        fn_header_set(req, res, "Accept", "application/json");
    if (err_info(e)->retryable) {
        const int after_s = req->task->fail.retry_after_s > 0 ? req->task->fail.retry_after_s : 1;

        fn_header_set(req, res, "Retry-After", arena_printf(req->task->arena, "%d", after_s));
    }
}

struct str
fn_out_of_memory_answer(const struct task *task, char spare[FN_SPARE_BYTES])
{
    static const char body[] = "{\"success\":false,\"error\":\"Request needs too much memory\"}";
    const int len = snprintf(spare, FN_SPARE_BYTES,
                             "Status: 500 Internal Server Error\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: %zu\r\n"
                             "X-Request-Id: %s\r\n" FN_EVERY_ANSWER "\r\n%s",
                             sizeof body - 1, task->id, body);

    MUST(len > 0 && len < FN_SPARE_BYTES);
    return (struct str){spare, (size_t)len};
}
