/* Resend's API (https://resend.com/docs/api-reference/emails/send-email). */
#include "mail/internal.h"

#include "base/buf.h"
#include "json/tree.h"
#include "json/write.h"
#include "net/call.h"

#define SPECIALS   "()<>[]:;@\\,.\"" /* what a name is quoted for (RFC 5322, 3.2.3) */
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
    .kind = SETTING_SERVICE,
    .fallback = "https://api.resend.com",
    .meaning = "base URL of Resend's API",
};

static void
put_sender(struct task *task, struct json_writer *w, const char *key, const struct mail_sender *who)
{
    struct buf text;

    buf_init_arena(&text, task->arena, 4 * MAIL_NAME_MAX);
    if (strpbrk(who->name, SPECIALS) != NULL)
        mail_put_quoted(&text, who->name);
    else
        buf_add_text(&text, who->name);
    buf_printf(&text, who->name[0] == '\0' ? "%.*s" : " <%.*s>", (int)who->address.len,
               who->address.ptr);
    jw_text_at(w, key, text.ptr);
}

static struct str
resend_body(struct task *task, const struct mail_message *m, const struct mail_senders *by)
{
    struct buf *out = ARENA_NEW(task->arena, struct buf);
    struct json_writer w;

    buf_init_arena(out, task->arena, MAIL_BYTES_MAX);
    jw_init(&w, out);
    jw_open(&w);
    put_sender(task, &w, "from", &by->from);
    if (by->answered)
        put_sender(task, &w, "reply_to", &by->reply_to);
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

/* Whether a refusal speaks of our side: key, domain, sender. */
static bool
is_about_us(const struct json *doc)
{
    static const char *const names[] = {"invalid_from_address", "invalid_idempotency_key",
                                        "invalid_access", "invalid_region"};
    static const char *const words[] = {"`from`", "from address", "domain", "API key"};
    const struct str name = json_text(json_get(doc, "name"));
    const struct str text = json_text(json_get(doc, "message"));

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(name, names[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (text.len > 0 && memmem(text.ptr, text.len, words[i], strlen(words[i])) != NULL)
            return true;
    return false;
}

/* Whether the same mail will be refused again: its recipient or its words.  What is said about our
 * settings (404 and 405 the URL, 401 and 403 key and domain, others by their words) is true for all
 * mails until somebody mends it. */
static bool
is_final(int status, const struct json *doc)
{
    return status == 413 || ((status == 400 || status == 422) && !is_about_us(doc));
}

static enum err
refused(struct task *task, const struct http_answer *answer, const struct json *doc)
{
    const struct str text = json_text(json_get(doc, "message"));
    const enum err e = fail_detail(
        &task->fail, is_final(answer->status, doc) ? ERR_PROVIDER : ERR_UPSTREAM, "resend: %d %.*s",
        answer->status, (int)MIN(text.len, (size_t)200), text.ptr == NULL ? "" : text.ptr);

    if (answer->status == 429 || answer->status == 503)
        task->fail.retry_after_s = answer->retry_after_s;
    return e;
}

enum err
mail_send_resend(struct task *task, const struct mail_message *m, const struct mail_senders *by,
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
        .body = resend_body(task, m, by),
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
    if (answer.status < 200 || answer.status > 299)
        return refused(task, &answer, doc);
    const struct str id = json_text(json_get(doc, "id"));
    *ret_id = id.len > 0 ? arena_copy(task->arena, id) : m->message_id;
    return ERR_OK;
}
