/*
 * send-outbox: sends the mails that are due, one after the other; no route, only a schedule.
 * Claim, send, record: dying in between sends the same message again, by its Message-ID, when the
 * lease of the claim has run out.  Then a few old mails by send-email lose their words.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "base/setting.h"
#include "crypto/sealed.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/settings.h"
#include "fn/spec.h"
#include "json/tree.h"
#include "loop/wait.h"
#include "mail/message.h"
#include "mail/send.h"
#include "mail/template.h"

#define RUN_MS         8000 /* no further mail is begun after this; one may take 20 s */
#define RECORD_TRIES   3
#define RECORD_WAIT_MS 300
#define WORDS_MAX      ((size_t)1024 * 1024)

/* Columns of platform.outbox_claim. */
enum {
    COL_ID,
    COL_ATTEMPT,
    COL_KIND,
    COL_MESSAGE_ID,
    COL_CREATED_S,
    COL_RECIPIENT,
    COL_SUBJECT,
    COL_HTML,
    COL_PLAIN,
    COL_VARIABLES,
};

static struct db_stmt claim = {.sql = "SELECT * FROM platform.outbox_claim(1, $1, $2)",
                               .kind = DB_WRITE};
static struct db_stmt sent = {.sql = "SELECT outcome FROM platform.outbox_sent($1::uuid, $2)",
                              .kind = DB_WRITE};
static struct db_stmt failed = {
    .sql =
        "SELECT outcome FROM platform.outbox_failed($1::uuid, $2::int, $3, $4::boolean, $5::int)",
    .kind = DB_WRITE};

static struct db_stmt forget = {.sql = "SELECT forgotten FROM platform.forget_mail_words(200)",
                                .kind = DB_WRITE};

static const char *
render(struct task *task, const struct db_row *mail, int column, const struct json *variables,
       enum mail_escape escape)
{
    struct buf out;

    if (db_text(mail, column) == NULL || variables == NULL)
        return db_text(mail, column);
    buf_init_arena(&out, task->arena, WORDS_MAX);
    mail_render(&out, db_str(mail, column), variables, escape);
    return out.overflow ? NULL : out.ptr;
}

static enum err
send_claimed(struct task *task, const struct db_row *mail, const char **ret_provider_id)
{
    const struct json *variables = NULL;
    int64_t created_s = 0;

    if (db_text(mail, COL_VARIABLES) != NULL) {
        struct str words;
        const char *sealed = sealed_open(task->arena, db_str(mail, COL_VARIABLES), &words);

        if (sealed != NULL)
            return fail_detail(&task->fail, ERR_INTERNAL, "%s", sealed);
        TRY(json_parse(task->arena, &task->fail, words, &variables));
    }
    MUST(number_i64(db_str(mail, COL_CREATED_S), &created_s));
    const struct mail_message message = {
        .message_id = db_text(mail, COL_MESSAGE_ID),
        .to = db_text(mail, COL_RECIPIENT),
        .subject = render(task, mail, COL_SUBJECT, variables, MAIL_SUBJECT),
        .html = render(task, mail, COL_HTML, variables, MAIL_HTML),
        .text = render(task, mail, COL_PLAIN, variables, MAIL_PLAIN),
        .date_s = created_s,
    };
    if (message.subject == NULL || message.html == NULL)
        return fail_detail(&task->fail, ERR_INVALID, "the mail is too large");
    return mail_send(task, &message, ret_provider_id);
}

/* A mail that was sent must not be sent again for a database that was away for a moment. */
static enum err
record(struct task *task, struct db_stmt *stmt, const char *const *params, size_t count,
       struct db_row *ret)
{
    enum err e = db_one(task, stmt, params, count, ret);

    for (int i = 1; e != ERR_OK && i < RECORD_TRIES; i++) {
        co_sleep_ms(RECORD_WAIT_MS * i);
        e = db_one(task, stmt, params, count, ret);
    }
    return e;
}

static enum err
record_failure(struct task *task, const struct db_row *mail, enum err e)
{
    const char *why = arena_copy(task->arena, str_of(fail_reason(&task->fail, e)));
    const char *wait_s = arena_printf(task->arena, "%d", task->fail.retry_after_s);
    const bool final = e == ERR_PROVIDER || e == ERR_INVALID;
    struct db_row row;

    task->fail = (struct fail){0};
    TRY(record(task, &failed,
               DB_PARAMS(db_text(mail, COL_ID), db_text(mail, COL_ATTEMPT), why,
                         final ? "true" : "false", wait_s),
               &row));
    const bool dead = strcmp(db_text(&row, 0), "dead") == 0;
    log_event(dead ? LOG_ERROR : LOG_WARN, dead ? "mail_dead" : "mail_failed", task->id, why,
              LOG_TEXT("id", db_text(mail, COL_ID)), LOG_TEXT("kind", db_text(mail, COL_KIND)),
              LOG_TEXT("try", db_text(mail, COL_ATTEMPT)));
    return ERR_OK;
}

static enum err
send_due(struct task *task)
{
    const int64_t until_ms = clock_ms() + RUN_MS;
    const char *domain = mail_domain(task->arena);
    const char *dashboard =
        arena_printf(task->arena, "%s/dashboard", setting_text(&cfg_frontend_url));

    while (clock_ms() < until_ms) {
        const char *provider_id;
        struct db_result *result;
        struct db_row row;

        TRY(db_query(task, &claim, DB_PARAMS(domain, dashboard), &result));
        if (db_rows(result) == 0)
            return ERR_OK;
        const struct db_row mail = db_row(result, 0);
        const enum err e = send_claimed(task, &mail, &provider_id);
        if (e != ERR_OK) {
            TRY(record_failure(task, &mail, e));
            continue;
        }
        TRY(record(task, &sent, DB_PARAMS(db_text(&mail, COL_ID), provider_id), &row));
        log_event(LOG_INFO, "mail_sent", task->id, NULL, LOG_TEXT("id", db_text(&mail, COL_ID)),
                  LOG_TEXT("kind", db_text(&mail, COL_KIND)),
                  LOG_TEXT("try", db_text(&mail, COL_ATTEMPT)),
                  LOG_TEXT("provider_id", provider_id));
    }
    return ERR_OK;
}

static enum err
send_outbox(struct task *task)
{
    struct db_row row;

    TRY(send_due(task));
    TRY(db_one(task, &forget, DB_NO_PARAMS, &row));
    if (strcmp(db_text(&row, 0), "0") != 0)
        log_event(LOG_INFO, "mail_words_forgotten", task->id, NULL,
                  LOG_TEXT("mails", db_text(&row, 0)));
    return ERR_OK;
}

static struct setting *const own[] = {&cfg_frontend_url, &cfg_credential_keys, NULL};
static struct setting *const *const settings[] = {mail_settings, own, NULL};

static const struct fn_spec spec = {
    .app = "platform",
    .name = "send-outbox",
    .summary = "Send the mails of the outbox",
    .memory_max = (size_t)64 * 1024 * 1024,
    .timeout_ms = 30000,
    .settings = settings,
    .every_ms = 1000,
    .run = send_outbox,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
