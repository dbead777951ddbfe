#include "mail/send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/url.h"
#include "fn/settings.h"
#include "mail/internal.h"

/* For the caller to write down what came of a mail: one that is gone and not written down would be
 * sent again. */
#define RECORD_MS 3000

static const char *
check_sender(const char *text)
{
    struct mail_sender sender;

    if (mail_sender_read(str_of(text), &sender)) {
        const char *end = sender.address.ptr + sender.address.len;
        const char *domain = (const char *)memchr(sender.address.ptr, '@', sender.address.len) + 1;

        if (host_name_ok((struct str){domain, (size_t)(end - domain)}))
            return NULL;
    }
    return "must be an address, or Name <address>";
}

static const char *
check_name(const char *text)
{
    if (strlen(text) > MAIL_NAME_MAX)
        return "must be shorter";
    return strchr(text, '<') != NULL && strchr(text, '@') != NULL
               ? "must be a name alone, without an address"
               : NULL;
}

static const char *
check_domain(const char *text)
{
    return host_name_ok(str_of(text)) ? NULL : "must be a domain name";
}

static struct setting cfg_smtp_from = {
    .env = "SMTP_FROM",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning =
        "sender of all mails: address, or Name <address>; default MAIL_NAME <no-reply@MAIL_DOMAIN>",
    .check = check_sender,
};

static struct setting cfg_mail_reply_to = {
    .env = "MAIL_REPLY_TO",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "where answers to mails go: address, or Name <address>; default: to the sender",
    .check = check_sender,
};

static struct setting cfg_mail_name = {
    .env = "MAIL_NAME",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "name in the default sender",
    .check = check_name,
};

static struct setting cfg_mail_domain = {
    .env = "MAIL_DOMAIN",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "domain in Message-IDs and in the default sender; default: the host of SUPABASE_URL",
    .check = check_domain,
};

static struct setting cfg_mail_folder = {
    .env = "MAIL_FOLDER",
    .kind = SETTING_FOLDER,
    .fallback = "",
    .meaning = "for development: where mails go, one file each, when there is no mail provider",
};

struct setting *const mail_settings[] = {&cfg_resend_api_key,
                                         &cfg_resend_api_url,
                                         &cfg_smtp_host,
                                         &cfg_smtp_port,
                                         &cfg_smtp_user,
                                         &cfg_smtp_pass,
                                         &cfg_smtp_from,
                                         &cfg_mail_reply_to,
                                         &cfg_mail_name,
                                         &cfg_mail_domain,
                                         &cfg_mail_folder,
                                         &cfg_supabase_url,
                                         NULL};

const char *
mail_domain(struct arena *a)
{
    if (setting_text(&cfg_mail_domain)[0] != '\0')
        return setting_text(&cfg_mail_domain);
    return arena_copy(a, mail_host_of(setting_str(&cfg_supabase_url)));
}

/* MAIL_NAME is a name whatever stands in it: no quotes of the operator's are needed. */
static bool
default_sender(struct task *task, struct mail_sender *ret)
{
    struct buf text;

    buf_init_arena(&text, task->arena, 4 * MAIL_NAME_MAX);
    if (setting_text(&cfg_mail_name)[0] != '\0')
        mail_put_quoted(&text, setting_text(&cfg_mail_name));
    buf_printf(&text, " <no-reply@%s>", mail_domain(task->arena));
    return mail_sender_read(buf_str(&text), ret);
}

static enum err
read_senders(struct task *task, struct mail_senders *ret)
{
    const struct str from = setting_str(&cfg_smtp_from), reply = setting_str(&cfg_mail_reply_to);

    *ret = (struct mail_senders){.answered = reply.len > 0};
    if (from.len > 0 ? !mail_sender_read(from, &ret->from) : !default_sender(task, &ret->from))
        return fail_detail(&task->fail, ERR_INTERNAL, "MAIL_NAME and MAIL_DOMAIN make no sender");
    if (ret->answered && !mail_sender_read(reply, &ret->reply_to))
        return fail_detail(&task->fail, ERR_INTERNAL, "MAIL_REPLY_TO is no address");
    return ERR_OK;
}

/* For a developer to read (./deploy.sh mail); the words are in no log. */
static enum err
write_file(struct task *task, const struct mail_message *m, const char *id)
{
    const char *name = arena_printf(task->arena, "%s/%s", setting_text(&cfg_mail_folder), id);
    const char *words = m->text != NULL && m->text[0] != '\0' ? m->text : m->html;
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return fail_detail(&task->fail, ERR_UPSTREAM, "cannot write %s: %s", name, strerror(errno));
    const bool written = dprintf(fd, "To: %s\nSubject: %s\n\n%s", m->to, m->subject, words) > 0;
    return close(fd) == 0 && written
               ? ERR_OK
               : fail_detail(&task->fail, ERR_UPSTREAM, "cannot write %s", name);
}

/* Nowhere: into a file, and into the log that it is there. */
static enum err
spool(struct task *task, const struct mail_message *m, const char **ret_id)
{
    *ret_id =
        arena_printf(task->arena, "dev-%.*s", (int)strcspn(m->message_id, "@"), m->message_id);
    if (setting_text(&cfg_mail_folder)[0] != '\0')
        TRY(write_file(task, m, *ret_id));
    log_event(LOG_INFO, "mail_spooled", task->id, NULL, LOG_TEXT("message_id", m->message_id),
              LOG_NUM("bytes", (int64_t)strlen(m->html)));
    return ERR_OK;
}

static enum err
send(struct task *task, const struct mail_message *m, const char **ret_id)
{
    struct mail_senders *by = ARENA_NEW(task->arena, struct mail_senders);

    TRY(mail_check(task, m));
    TRY(read_senders(task, by));
    if (setting_text(&cfg_resend_api_key)[0] != '\0')
        return mail_send_resend(task, m, by, ret_id);
    if (setting_text(&cfg_smtp_host)[0] != '\0')
        return mail_send_smtp(task, m, by, ret_id);
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
