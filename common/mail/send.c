#include "mail/mail.h"

#include "base/log.h"
#include "base/setting.h"
#include "base/text.h"
#include "net/call.h"
#include "net/smtp.h"
#include "net/url.h"
#include "fn/spec.h"
#include "net/header.h"

static struct setting cfg_resend_api_key = {
    .env = "RESEND_API_KEY",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "key of resend.com; when set, mails go there and not to SMTP_HOST",
    .secret = true,
};

static struct setting cfg_resend_api_url = {
    .env = "RESEND_API_URL",
    .kind = SETTING_URL,
    .fallback = "https://api.resend.com",
    .meaning = "base URL of Resend's API",
};

static struct setting cfg_smtp_host = {
    .env = "SMTP_HOST",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "mail server, also as smtp://… or smtps://…; empty (and no RESEND_API_KEY): mails "
               "only go to the log",
};

static struct setting cfg_smtp_port = {
    .env = "SMTP_PORT",
    .kind = SETTING_INT,
    .fallback = "587",
    .meaning = "port of the mail server; 465 means TLS from the start, others STARTTLS",
    .min = 1,
    .max = 65535,
};

static struct setting cfg_smtp_user = {
    .env = "SMTP_USER",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "login at the mail server; empty: none",
};

static struct setting cfg_smtp_pass = {
    .env = "SMTP_PASS",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "password at the mail server",
    .secret = true,
};

static struct setting cfg_smtp_from = {
    .env = "SMTP_FROM",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning =
        "sender of all mails: address, or Name <address>; default MAIL_NAME <no-reply@MAIL_DOMAIN>",
};

static struct setting cfg_mail_name = {
    .env = "MAIL_NAME",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "name in the default sender",
};

static struct setting cfg_mail_domain = {
    .env = "MAIL_DOMAIN",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "domain in Message-IDs and in the default sender; default: the host of SUPABASE_URL",
};

struct setting *const mail_settings[] = {&cfg_resend_api_key,
                                         &cfg_resend_api_url,
                                         &cfg_smtp_host,
                                         &cfg_smtp_port,
                                         &cfg_smtp_user,
                                         &cfg_smtp_pass,
                                         &cfg_smtp_from,
                                         &cfg_mail_name,
                                         &cfg_mail_domain,
                                         &cfg_supabase_url,
                                         NULL};

#define SEND_TIMEOUT_MS 20000
#define ANSWER_MAX      ((size_t)64 * 1024)
#define MESSAGE_MAX     ((size_t)4 * 1024 * 1024)
#define SUBJECT_MAX     ((size_t)998)

const char *
mail_domain(struct arena *a)
{
    if (setting_text(&cfg_mail_domain)[0] != '\0')
        return setting_text(&cfg_mail_domain);
    return arena_copy(a, mail_host_of(setting_str(&cfg_supabase_url)));
}

enum err
mail_check(struct task *task, const struct mail_message *m)
{
    const struct str subject = str_of(m->subject);
    const struct str id = str_of(m->message_id);

    if (!mail_address_ok(str_of(m->to)))
        return fail_set(&task->fail, ERR_INVALID, "Invalid to. Must be one e-mail address");
    if (subject.len > SUBJECT_MAX || !header_value_ok(subject) || !utf8_ok(subject))
        return fail_set(&task->fail, ERR_INVALID, "Invalid subject. Must be one line");
    if (!utf8_ok(str_of(m->html)) || (m->text != NULL && !utf8_ok(str_of(m->text))))
        return fail_set(&task->fail, ERR_INVALID, "Invalid html or text. Must be UTF-8");
    if (id.ptr != NULL && !mail_address_ok(id)) /* a Message-ID has the form of an address */
        return fail_detail(&task->fail, ERR_INVALID, "wrong Message-ID, see MAIL_DOMAIN");
    return ERR_OK;
}

static enum err
read_sender(struct task *task, struct mail_sender *ret)
{
    struct str text = setting_str(&cfg_smtp_from);

    if (text.len == 0)
        text = str_of(arena_printf(task->arena, "%s <no-reply@%s>", setting_text(&cfg_mail_name),
                                   mail_domain(task->arena)));
    if (mail_sender_read(text, ret))
        return ERR_OK;
    return fail_detail(&task->fail, ERR_INVALID, "SMTP_FROM is no address");
}

/* ---- Resend ---- */

static struct str
resend_body(struct task *task, const struct mail_message *m, const struct mail_sender *from)
{
    struct buf *out = ARENA_NEW(task->arena, struct buf);
    struct json_writer w;

    buf_init_arena(out, task->arena, MESSAGE_MAX);
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

static enum err
send_resend(struct task *task, const struct mail_message *m, const struct mail_sender *from,
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
        .timeout_ms = SEND_TIMEOUT_MS,
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

/* ---- SMTP ---- */

static bool
starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static enum err
send_smtp(struct task *task, const struct mail_message *m, const struct mail_sender *from,
          const char **ret_id)
{
    const char *host = setting_text(&cfg_smtp_host);
    const int port = (int)setting_int(&cfg_smtp_port);
    bool tls = port == 465;
    struct buf message;
    struct smtp_answer answer;

    if (starts_with(host, "smtps://")) {
        tls = true;
        host += 8;
    } else if (starts_with(host, "smtp://")) {
        tls = false;
        host += 7;
    }
    buf_init_arena(&message, task->arena, MESSAGE_MAX);
    mail_build(&message, m, from);
    if (message.overflow)
        return fail_detail(&task->fail, ERR_INVALID, "the mail is too large");
    const char *user = setting_text(&cfg_smtp_user);
    const struct smtp_request mail = {
        .url = arena_printf(task->arena, "%s://%s:%d/%s", tls ? "smtps" : "smtp", host, port,
                            mail_domain(task->arena)),
        .user = user[0] == '\0' ? NULL : user,
        .password = setting_text(&cfg_smtp_pass),
        .from = arena_printf(task->arena, "<%.*s>", (int)from->address.len, from->address.ptr),
        .to = arena_printf(task->arena, "<%s>", m->to),
        .message = buf_str(&message),
        .plain_allowed = host_is_loopback(str_of(host)),
        .timeout_ms = SEND_TIMEOUT_MS,
    };
    TRY(smtp_send(task, &mail, &answer));
    *ret_id = arena_copy(task->arena, str_of(answer.reply));
    return ERR_OK;
}

/* ---- nowhere ---- */

static enum err
spool(struct task *task, const struct mail_message *m, const char **ret_id)
{
    *ret_id =
        arena_printf(task->arena, "dev-%.*s", (int)strcspn(m->message_id, "@"), m->message_id);
    log_event(LOG_INFO, "mail_spooled", task->id, NULL, LOG_TEXT("message_id", m->message_id),
              LOG_NUM("bytes", (int64_t)strlen(m->html)));
    return ERR_OK;
}

enum err
mail_send(struct task *task, const struct mail_message *m, const char **ret_id)
{
    struct mail_sender from;

    TRY(mail_check(task, m));
    TRY(read_sender(task, &from));
    if (setting_text(&cfg_resend_api_key)[0] != '\0')
        return send_resend(task, m, &from, ret_id);
    if (setting_text(&cfg_smtp_host)[0] != '\0')
        return send_smtp(task, m, &from, ret_id);
    return spool(task, m, ret_id);
}
