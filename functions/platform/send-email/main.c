/*
 * send-email: one mail with words of the caller's own.
 * It is written to the outbox first and tried at once; what does not go out now is left to
 * send-outbox. The service role writes to anybody, a user to the own address.
 */
#include "base/log.h"
#include "base/number.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/failure.h"
#include "fn/spec.h"
#include "json/tree.h"
#include "json/write.h"
#include "mail/message.h"
#include "mail/send.h"

/* Columns of platform.send_email. */
enum { COL_OUTCOME, COL_ID, COL_ATTEMPT, COL_MESSAGE_ID, COL_CREATED_S };

static struct db_stmt begin = {
    .sql = "SELECT * FROM platform.send_email($1::uuid, $2, $3, $4, $5, $6)", .kind = DB_WRITE};
static struct db_stmt sent = {.sql = "SELECT outcome FROM platform.outbox_sent($1::uuid, $2)",
                              .kind = DB_WRITE};
static struct db_stmt failed = {
    .sql =
        "SELECT outcome FROM platform.outbox_failed($1::uuid, $2::int, $3, $4::boolean, $5::int)",
    .kind = DB_WRITE};

static const char *
read_text(struct fn_req *req, const char *field)
{
    const struct json *v = json_get(req->json, field);

    return v != NULL && json_type(v) == JSON_STRING ? arena_copy(req->task->arena, json_text(v))
                                                    : "";
}

static enum err
parse(struct fn_req *req, struct mail_message *ret)
{
    ret->to = read_text(req, "to");
    ret->subject = read_text(req, "subject");
    ret->html = read_text(req, "html");
    ret->text = read_text(req, "text");
    if (ret->to[0] == '\0' || ret->subject[0] == '\0' || ret->html[0] == '\0')
        return fail_set(&req->task->fail, ERR_INVALID,
                        "Missing required fields: to, subject, html");
    return mail_check(req->task, ret);
}

static enum err
enqueue(struct fn_req *req, struct mail_message *m, struct db_row *ret)
{
    static const struct fn_outcome refusals[] = {
        {"unauthorized", ERR_FORBIDDEN, "Unauthorized"},
        {NULL, ERR_OK, NULL},
    };
    const bool service = strcmp(req->caller.role, "service_role") == 0;

    TRY(db_one(req->task, &begin,
               DB_PARAMS(service ? NULL : req->caller.user_id, m->to, m->subject, m->html, m->text,
                         mail_domain(req->task->arena)),
               ret));
    TRY(fn_outcome(req->task, refusals, db_text(ret, COL_OUTCOME)));
    m->message_id = db_text(ret, COL_MESSAGE_ID);
    MUST(number_i64(db_str(ret, COL_CREATED_S), &m->date_s));
    return ERR_OK;
}

/* The mail is safe in the outbox: whatever happens from here on is no failure of this request. */
static bool
try_now(struct fn_req *req, const struct mail_message *m, const struct db_row *queued,
        const char **ret_id)
{
    const char *id = db_text(queued, COL_ID);
    struct db_row row;
    enum err e = mail_send(req->task, m, ret_id);

    if (e == ERR_OK) {
        e = db_one(req->task, &sent, DB_PARAMS(id, *ret_id), &row);
    } else {
        const char *why = arena_copy(req->task->arena, str_of(fail_reason(&req->task->fail, e)));
        const char *wait_s = arena_printf(req->task->arena, "%d", req->task->fail.retry_after_s);
        const bool final = e == ERR_PROVIDER || e == ERR_INVALID;

        log_event(LOG_WARN, "mail_failed", req->task->id, why, LOG_TEXT("id", id));
        *ret_id = NULL;
        e = db_one(
            req->task, &failed,
            DB_PARAMS(id, db_text(queued, COL_ATTEMPT), why, final ? "true" : "false", wait_s),
            &row);
    }
    if (e != ERR_OK) /* its lease ends by itself */
        log_event(LOG_WARN, "mail_unrecorded", req->task->id, req->task->fail.detail,
                  LOG_TEXT("id", id));
    req->task->fail = (struct fail){0};
    return *ret_id != NULL;
}

static enum err
send_email(struct fn_req *req, struct fn_res *res)
{
    struct mail_message message = {0};
    struct db_row queued;
    const char *id = NULL;

    TRY(parse(req, &message));
    TRY(enqueue(req, &message, &queued));
    const bool gone = try_now(req, &message, &queued, &id);

    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    jw_bool_at(w, "success", true);
    jw_text_at(w, "id", gone ? id : db_text(&queued, COL_ID));
    jw_text_at(w, "message",
               gone ? "Email sent successfully"
                    : "Email queued; it is sent as soon as the mail server takes it");
    jw_close(w);
    return ERR_OK;
}

static const struct fn_input_doc inputs[] = {
    {"to", "string", true, "one address; a user's own, for a user"},
    {"subject", "string", true, "one line"},
    {"html", "string", true, "the body"},
    {"text", "string", false, "the body for readers without HTML"},
    {NULL, NULL, false, NULL},
};

static const struct fn_answer_doc answers[] = {
    {200, "id and message; the id begins with dev- when no mail provider is configured"},
    {400, "Missing required fields: to, subject, html; Invalid to or subject"},
    {401, "no valid token"},
    {403, "Unauthorized: a user writes to the own confirmed address only"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, mail_settings, NULL};

static const struct fn_route routes[] = {
    {
        .methods = FN_POST,
        .path = "",
        .who = FN_USER | FN_SERVICE,
        .body = FN_BODY_JSON,
        .body_max = 256 * 1024,
        .rate_calls = 10,
        .rate_window_s = 60,
        .inputs = inputs,
        .answers = answers,
        .handle = send_email,
    },
    {0},
};

static const struct fn_spec spec = {
    .app = "platform",
    .name = "send-email",
    .summary = "Send one mail",
    .route = "/functions/v1/send-email",
    .routes = routes,
    .memory_max = (size_t)16 * 1024 * 1024,
    .timeout_ms = 30000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
