/* A mail to the operator's own server. */
#include "mail/internal.h"

#include "base/buf.h"
#include "base/text.h"
#include "base/url.h"
#include "mail/mime.h"
#include "mail/send.h"
#include "net/smtp.h"

static bool
starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The name behind smtp:// or smtps://, if one of them stands there. */
static const char *
host_of(const char *text)
{
    return text + (starts_with(text, "smtps://") ? 8 : starts_with(text, "smtp://") ? 7 : 0);
}

static const char *
check_host(const char *text)
{
    return host_ok(str_of(host_of(text)))
               ? NULL
               : "must be a host name or an address, IPv6 in brackets; its port is SMTP_PORT";
}

struct setting cfg_smtp_host = {
    .env = "SMTP_HOST",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "mail server, also as smtp://… or smtps://…; empty (and no RESEND_API_KEY): mails "
               "only go to the log",
    .check = check_host,
};

struct setting cfg_smtp_port = {
    .env = "SMTP_PORT",
    .kind = SETTING_INT,
    .fallback = "587",
    .meaning = "port of the mail server; 465 means TLS from the start, others STARTTLS",
    .min = 1,
    .max = 65535,
};

struct setting cfg_smtp_user = {
    .env = "SMTP_USER",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "login at the mail server; empty: none",
    .with = &cfg_smtp_pass,
};

struct setting cfg_smtp_pass = {
    .env = "SMTP_PASS",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "password at the mail server",
    .secret = true,
    .with = &cfg_smtp_user,
};

enum err
mail_send_smtp(struct task *task, const struct mail_message *m, const struct mail_senders *by,
               const char **ret_id)
{
    const char *host = setting_text(&cfg_smtp_host);
    const int port = (int)setting_int(&cfg_smtp_port);
    bool tls = port == 465;
    struct buf message;
    struct smtp_answer answer;

    if (host_of(host) != host)
        tls = starts_with(host, "smtps://");
    host = host_of(host);
    buf_init_arena(&message, task->arena, MAIL_BYTES_MAX);
    mail_build(&message, m, &by->from, by->answered ? &by->reply_to : NULL);
    if (message.overflow)
        return fail_detail(&task->fail, ERR_INVALID, "the mail is too large");
    const char *user = setting_text(&cfg_smtp_user);
    const struct smtp_request mail = {
        .url = arena_printf(task->arena, "%s://%s:%d/%s", tls ? "smtps" : "smtp", host, port,
                            mail_domain(task->arena)),
        .user = user[0] == '\0' ? NULL : user,
        .password = setting_text(&cfg_smtp_pass),
        .from =
            arena_printf(task->arena, "<%.*s>", (int)by->from.address.len, by->from.address.ptr),
        .to = arena_printf(task->arena, "<%s>", m->to),
        .message = buf_str(&message),
        .plain_allowed = host_is_loopback(str_of(host)),
        .timeout_ms = MAIL_TIMEOUT_MS,
    };
    TRY(smtp_send(task, &mail, &answer));
    *ret_id = arena_copy(task->arena, str_of(answer.reply));
    return ERR_OK;
}
