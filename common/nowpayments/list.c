#include "nowpayments/list.h"

#include "base/buf.h"
#include "base/encode.h"
#include "json/tree.h"
#include "json/write.h"
#include "nowpayments/internal.h"

#define BODY_MAX 4096

bool
np_has_login(void)
{
    return setting_text(&cfg_nowpayments_email)[0] != '\0' &&
           setting_text(&cfg_nowpayments_password)[0] != '\0';
}

enum err
np_login(struct task *task, const char **ret_token)
{
    struct buf body;
    struct json_writer w;

    buf_init_arena(&body, task->arena, BODY_MAX);
    jw_init(&w, &body);
    jw_open(&w);
    jw_text_at(&w, "email", setting_text(&cfg_nowpayments_email));
    jw_text_at(&w, "password", setting_text(&cfg_nowpayments_password));
    jw_close(&w);
    if (body.overflow)
        return fail_detail(&task->fail, ERR_INTERNAL, "login over %d bytes", BODY_MAX);

    const struct np_call call = {"POST", "/auth", buf_str(&body), true, NULL};
    struct str raw;
    const struct json *answer;
    TRY(np_do_call(task, &call, &raw, &answer));
    const struct str token = json_text(json_get(answer, "token"));
    if (token.len == 0 || token.len > 2048 || memchr(token.ptr, '\n', token.len) != NULL ||
        memchr(token.ptr, '\r', token.len) != NULL)
        return np_unreadable(task, &call, "no token");
    *ret_token = arena_copy(task->arena, token);
    return ERR_OK;
}

enum err
np_list_payments(struct task *task, const char *token, const char *date_from, int page,
                 const char **ret_ids, size_t *ret_count)
{
    struct buf path, ids;
    struct json_writer w;

    MUST(token != NULL && date_from != NULL && page >= 0);
    if (!np_read_allowed())
        return fail_detail(&task->fail, ERR_UPSTREAM, "local rate limit");
    buf_init_arena(&path, task->arena, 256);
    buf_printf(&path,
               "/payment/?limit=%d&page=%d&sortBy=created_at&orderBy=asc&dateFrom=", NP_PAGE_SIZE,
               page);
    percent_encode(&path, str_of(date_from));

    const struct np_call call = {"GET", path.ptr, STR_NONE, true, token};
    struct str raw;
    const struct json *answer;
    TRY(np_do_call(task, &call, &raw, &answer));
    const struct json *data = json_get(answer, "data");
    if (data == NULL || json_type(data) != JSON_ARRAY)
        return np_unreadable(task, &call, "no data");
    buf_init_arena(&ids, task->arena, BODY_MAX);
    jw_init(&w, &ids);
    jw_open_array(&w);
    for (const struct json *item = json_first(data); item != NULL; item = json_next(item)) {
        const char *id;
        if (np_read_id(task, item, "payment_id", &id) != ERR_OK || id == NULL)
            return np_unreadable(task, &call, "a payment without id");
        jw_text(&w, id);
    }
    jw_close_array(&w);
    if (ids.overflow)
        return np_unreadable(task, &call, "too many payments");
    *ret_ids = buf_str(&ids).ptr;
    *ret_count = json_count(data);
    return ERR_OK;
}
