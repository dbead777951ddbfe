#include "mail/mail.h"

#include "base/log.h"
#include "base/setting.h"
#include "base/text.h"
#include "net/call.h"
#include "net/header.h"

#define SEND_TIMEOUT_MS 20000
#define ANSWER_MAX      ((size_t)64 * 1024)
#define MESSAGE_MAX     ((size_t)4 * 1024 * 1024)
#define SUBJECT_MAX     ((size_t)998)

const char *
mail_domain(struct arena *a)
{
    if (config_text(CFG_MAIL_DOMAIN)[0] != '\0')
        return config_text(CFG_MAIL_DOMAIN);
    return arena_copy(a, mail_host_of(config_str(CFG_SUPABASE_URL)));
}

enum err
mail_check(struct fn_req *req, const struct mail_message *m)
{
    const struct str subject = str_of(m->subject);
    const struct str id = str_of(m->message_id);

    if (!mail_address_ok(str_of(m->to)))
        return fail_set(&req->fail, ERR_INVALID, "Invalid to. Must be one e-mail address");
    if (subject.len > SUBJECT_MAX || !header_value_ok(subject) || !utf8_ok(subject))
        return fail_set(&req->fail, ERR_INVALID, "Invalid subject. Must be one line");
    if (!utf8_ok(str_of(m->html)) || (m->text != NULL && !utf8_ok(str_of(m->text))))
        return fail_set(&req->fail, ERR_INVALID, "Invalid html or text. Must be UTF-8");
    if (id.ptr != NULL && !mail_address_ok(id)) /* a Message-ID has the form of an address */
        return fail_detail(&req->fail, ERR_INVALID, "wrong Message-ID, see MAIL_DOMAIN");
    return ERR_OK;
}

static enum err
read_sender(struct fn_req *req, struct mail_sender *ret)
{
    struct str text = config_str(CFG_SMTP_FROM);

    if (text.len == 0)
        text = str_of(arena_printf(req->arena, "FlashFundX <no-reply@%s>",
                                   mail_domain(req->arena)));
    if (mail_sender_read(text, ret))
        return ERR_OK;
    return fail_detail(&req->fail, ERR_INVALID, "SMTP_FROM is no address");
}

/* ---- Resend ---- */

static struct str
resend_body(struct fn_req *req, const struct mail_message *m, const struct mail_sender *from)
{
    struct buf *out = ARENA_NEW(req->arena, struct buf);
    struct json_writer w;

    buf_init_arena(out, req->arena, MESSAGE_MAX);
    jw_init(&w, out);
    jw_open(&w);
    jw_text_at(&w, "from", from->name.len == 0
                               ? arena_copy(req->arena, from->address)
                               : arena_printf(req->arena, "%.*s <%.*s>", (int)from->name.len,
                                              from->name.ptr, (int)from->address.len,
                                              from->address.ptr));
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
    jw_text_at(&w, "Message-ID", arena_printf(req->arena, "<%s>", m->message_id));
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
send_resend(struct fn_req *req, const struct mail_message *m, const struct mail_sender *from,
            const char **ret_id)
{
    const char *const headers[] = {
        arena_printf(req->arena, "Authorization: Bearer %s", config_text(CFG_RESEND_API_KEY)),
        arena_printf(req->arena, "Idempotency-Key: %s", m->message_id),
        "Content-Type: application/json", NULL};
    const struct http_request call = {
        .method = "POST",
        .url = arena_printf(req->arena, "%s/emails", config_text(CFG_RESEND_API_URL)),
        .headers = headers,
        .body = resend_body(req, m, from),
        .timeout_ms = SEND_TIMEOUT_MS,
        .answer_max = ANSWER_MAX,
    };
    struct http_answer answer;
    const struct json *doc = NULL;
    struct fail unread = {0};

    if (call.body.len == 0)
        return fail_detail(&req->fail, ERR_INVALID, "the mail is too large");
    TRY(http_call(req, &call, &answer));
    if (json_parse(req->arena, &unread, answer.body, &doc) != ERR_OK)
        doc = NULL;
    if (answer.status < 200 || answer.status > 299) {
        const struct str text = json_text(json_get(doc, "message"));

        return fail_detail(&req->fail, is_final(answer.status) ? ERR_PROVIDER : ERR_UPSTREAM,
                           "resend: %d %.*s", answer.status, (int)MIN(text.len, (size_t)200),
                           text.ptr == NULL ? "" : text.ptr);
    }
    const struct str id = json_text(json_get(doc, "id"));
    *ret_id = id.len > 0 ? arena_copy(req->arena, id) : m->message_id;
    return ERR_OK;
}

/* ---- SMTP ---- */

static bool
starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Without TLS only to this machine. */
static bool
is_loopback(struct str host)
{
    return str_is(host, "localhost") || str_is(host, "[::1]") ||
           (host.len > 4 && memcmp(host.ptr, "127.", 4) == 0 &&
            strspn(host.ptr, "0123456789.") >= host.len);
}

static enum err
send_smtp(struct fn_req *req, const struct mail_message *m, const struct mail_sender *from,
          const char **ret_id)
{
    const char *host = config_text(CFG_SMTP_HOST);
    const int port = (int)config_int(CFG_SMTP_PORT);
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
    buf_init_arena(&message, req->arena, MESSAGE_MAX);
    mail_build(&message, m, from);
    if (message.overflow)
        return fail_detail(&req->fail, ERR_INVALID, "the mail is too large");
    const char *user = config_text(CFG_SMTP_USER);
    const struct smtp_request mail = {
        .url = arena_printf(req->arena, "%s://%s:%d/%s", tls ? "smtps" : "smtp", host, port,
                            mail_domain(req->arena)),
        .user = user[0] == '\0' ? NULL : user,
        .password = config_text(CFG_SMTP_PASS),
        .from = arena_printf(req->arena, "<%.*s>", (int)from->address.len, from->address.ptr),
        .to = arena_printf(req->arena, "<%s>", m->to),
        .message = buf_str(&message),
        .plain_allowed = is_loopback(str_of(host)),
        .timeout_ms = SEND_TIMEOUT_MS,
    };
    TRY(smtp_send(req, &mail, &answer));
    *ret_id = arena_copy(req->arena, str_of(answer.reply));
    return ERR_OK;
}

/* ---- nowhere ---- */

static enum err
spool(struct fn_req *req, const struct mail_message *m, const char **ret_id)
{
    *ret_id = arena_printf(req->arena, "dev-%.*s", (int)strcspn(m->message_id, "@"), m->message_id);
    log_event(LOG_INFO, "mail_spooled", req->id, NULL, LOG_TEXT("message_id", m->message_id),
              LOG_NUM("bytes", (int64_t)strlen(m->html)));
    return ERR_OK;
}

enum err
mail_send(struct fn_req *req, const struct mail_message *m, const char **ret_id)
{
    struct mail_sender from;

    TRY(mail_check(req, m));
    TRY(read_sender(req, &from));
    if (config_text(CFG_RESEND_API_KEY)[0] != '\0')
        return send_resend(req, m, &from, ret_id);
    if (config_text(CFG_SMTP_HOST)[0] != '\0')
        return send_smtp(req, m, &from, ret_id);
    return spool(req, m, ret_id);
}
