#include "mail/send.h"

#include "base/clock.h"
#include "base/log.h"
#include "fn/settings.h"
#include "mail/internal.h"

/* For the caller to write down what came of a mail: one that is gone and not written down would be
 * sent again. */
#define RECORD_MS 3000

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

const char *
mail_domain(struct arena *a)
{
    if (setting_text(&cfg_mail_domain)[0] != '\0')
        return setting_text(&cfg_mail_domain);
    return arena_copy(a, mail_host_of(setting_str(&cfg_supabase_url)));
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

/* Nowhere: into the log. */
static enum err
spool(struct task *task, const struct mail_message *m, const char **ret_id)
{
    *ret_id =
        arena_printf(task->arena, "dev-%.*s", (int)strcspn(m->message_id, "@"), m->message_id);
    log_event(LOG_INFO, "mail_spooled", task->id, NULL, LOG_TEXT("message_id", m->message_id),
              LOG_NUM("bytes", (int64_t)strlen(m->html)));
    return ERR_OK;
}

static enum err
send(struct task *task, const struct mail_message *m, const char **ret_id)
{
    struct mail_sender from;

    TRY(mail_check(task, m));
    TRY(read_sender(task, &from));
    if (setting_text(&cfg_resend_api_key)[0] != '\0')
        return mail_send_resend(task, m, &from, ret_id);
    if (setting_text(&cfg_smtp_host)[0] != '\0')
        return mail_send_smtp(task, m, &from, ret_id);
    return spool(task, m, ret_id);
}

enum err
mail_send(struct task *task, const struct mail_message *m, const char **ret_id)
{
    MUST(m->message_id != NULL && m->subject != NULL && m->html != NULL);
    const enum err e = send(task, m, ret_id);
    task->deadline_ms = MAX(task->deadline_ms, clock_ms() + RECORD_MS);
    return e;
}
