/* Resend's API (https://resend.com/docs/api-reference/emails/send-email). */
#include "mail/internal.h"

#include "base/buf.h"
#include "json/tree.h"
#include "json/write.h"
#include "net/call.h"

#define ANSWER_MAX ((size_t)64 * 1024)

struct setting cfg_resend_api_key = {
    .env = "RESEND_API_KEY",
    .kind = SETTING_WORD,
    .fallback = "",
    .meaning = "key of resend.com; when set, mails go there and not to SMTP_HOST",
    .secret = true,
};

struct setting cfg_resend_api_url = {
    .env = "RESEND_API_URL",
    .kind = SETTING_URL,
    .fallback = "https://api.resend.com",
    .meaning = "base URL of Resend's API",
};

static struct str
resend_body(struct task *task, const struct mail_message *m, const struct mail_sender *from)
{
    struct buf *out = ARENA_NEW(task->arena, struct buf);
    struct json_writer w;

    buf_init_arena(out, task->arena, MAIL_BYTES_MAX);
    jw_init(&w, out);
    jw_open(&w);
    jw_text_at(&w, "from",
               from->name.len == 0
                   ? arena_copy(task->arena, from->address)
                   : arena_printf(task->arena, "%.*s <%.*s>", (int)from->name.len, from->name.ptr,
                                  (int)from->address.len, from->address.ptr));
    jw_key(&w, "to");
    jw_open_array(&w);
    jw_text(&w, m->to);
    jw_close_array(&w);
    jw_text_at(&w, "subject", m->subject);
    jw_text_at(&w, "html", m->html);
    if (m->text != NULL && m->text[0] != '\0')
        jw_text_at(&w, "text", m->text);
    jw_key(&w, "headers");
    jw_open(&w);
    jw_text_at(&w, "Message-ID", arena_printf(task->arena, "<%s>", m->message_id));
    jw_close(&w);
    jw_close(&w);
    return out->overflow ? STR_NONE : buf_str(out);
}

/* Whether the same mail will be refused again.  401 and 403 are about our key or domain, and true
 * for all mails until somebody mends it. */
static bool
is_final(int status)
{
    return status >= 400 && status <= 499 && status != 401 && status != 403 && status != 408 &&
           status != 409 && status != 429;
}

enum err
mail_send_resend(struct task *task, const struct mail_message *m, const struct mail_sender *from,
                 const char **ret_id)
{
    const char *const headers[] = {
        arena_printf(task->arena, "Authorization: Bearer %s", setting_text(&cfg_resend_api_key)),
        arena_printf(task->arena, "Idempotency-Key: %s", m->message_id),
        "Content-Type: application/json", NULL};
    const struct http_request call = {
        .method = "POST",
        .url = arena_printf(task->arena, "%s/emails", setting_text(&cfg_resend_api_url)),
        .headers = headers,
        .body = resend_body(task, m, from),
        .timeout_ms = MAIL_TIMEOUT_MS,
        .answer_max = ANSWER_MAX,
    };
    struct http_answer answer;
    const struct json *doc = NULL;
    struct fail unread = {0};

    if (call.body.len == 0)
        return fail_detail(&task->fail, ERR_INVALID, "the mail is too large");
    TRY(http_call(task, &call, &answer));
    if (json_parse(task->arena, &unread, answer.body, &doc) != ERR_OK)
        doc = NULL;
    if (answer.status < 200 || answer.status > 299) {
        const struct str text = json_text(json_get(doc, "message"));

        return fail_detail(&task->fail, is_final(answer.status) ? ERR_PROVIDER : ERR_UPSTREAM,
                           "resend: %d %.*s", answer.status, (int)MIN(text.len, (size_t)200),
                           text.ptr == NULL ? "" : text.ptr);
    }
    const struct str id = json_text(json_get(doc, "id"));
    *ret_id = id.len > 0 ? arena_copy(task->arena, id) : m->message_id;
    return ERR_OK;
}
