/*
 * payment-webhook: signed callbacks (IPN) of NOWPayments.
 *
 * The signature decides whether it is genuine; one SQL function stores the event and applies it,
 * durably, before we answer.  When that fails, say because somebody holds the order for long, the
 * event is only stored, and process-events applies it later: NOWPayments waits 3 s for its answer.
 * While the database is away the disk keeps it (spool.h).  Only what could not even be kept answers
 * 503, so that NOWPayments sends it again.  A genuine one that cannot be read (callback.h) is kept
 * as it came, for a human, and never applied.
 */
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/prelude.h"
#include "base/setting.h"
#include "callback.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/limit.h"
#include "fn/spec.h"
#include "gate.h"
#include "json/tree.h"
#include "json/write.h"
#include "nowpayments/canonical.h"
#include "nowpayments/ipn.h"
#include "shared/event.h"
#include "spool.h"

#define SIGNATURE_HEADER "x-nowpayments-sig"

/* Together below the provider's 3 s; the role's limits (lock 100 ms, statement 1.5 s) are
 * inside. */
#define WAIT_MS  1000 /* for other callbacks of the same order */
#define APPLY_MS 1700
#define STORE_MS 2800

#define SQLSTATE_LOCKED "55P03"

static struct db_stmt record_events = {.sql = "SELECT backend.apply_payment_events($1)"};

static struct db_stmt record_event = {.sql = "SELECT backend.apply_payment_event(" EVENT_SQL ")",
                                      .kind = DB_GROUPED,
                                      .packed = true,
                                      .group = &record_events};

static struct db_stmt store_event = {
    .sql = "SELECT outcome FROM backend.store_payment_event(" EVENT_SQL ", $18)", .kind = DB_WRITE};

static struct db_stmt store_unapplied = {
    .sql = "SELECT outcome FROM backend.store_unapplied_callback($1, $2, $3, $4, $5, $6)",
    .kind = DB_WRITE};

/* What anybody may cost with signatures that are none: so much work per address and minute beyond
 * what every callback gets.  A genuine one needs none of it: those have two kilobytes, and their
 * signature is known before any number has to be printed as JavaScript does. */
#define COSTLY_CALLS    600
#define COSTLY_WINDOW_S 60
#define CHEAP_BYTES     ((size_t)8 * 1024)

/* Whether it may be one at all: the cheapest of refusals. */
static bool
begins_object(struct str text)
{
    size_t at = 0;

    while (at < text.len && memchr(" \t\r\n", text.ptr[at], 4) != NULL)
        at++;
    return at < text.len && text.ptr[at] == '{';
}

static enum err
forged(struct fn_req *req)
{
    return fail_set(&req->task->fail, ERR_UNAUTHENTICATED, "Invalid signature");
}

static enum err
take_costly(struct fn_req *req)
{
    uint8_t network[LIMIT_NETWORK_BYTES];

    return limit_check(req->task, limit_network(req->http->remote_addr, network), 0, COSTLY_CALLS,
                       COSTLY_WINDOW_S);
}

static enum np_ipn_key
verify_forms(struct fn_req *req, const struct json *doc, int effort)
{
    return np_ipn_verify_forms(req->task->arena, req->http->body, doc,
                               fn_header(req, SIGNATURE_HEADER),
                               setting_str(&cfg_nowpayments_ipn_secret),
                               setting_str(&cfg_nowpayments_ipn_secret_previous), effort);
}

/* Not proven by the body as it came: what the other forms say, cheap answers first. */
static enum err
verify_unproven(struct fn_req *req, struct str text, bool may_be_form, const struct json **ret,
                enum np_ipn_key *ret_key)
{
    int effort = 0;

    if (text.len > CHEAP_BYTES) {
        if (!may_be_form)
            return forged(req);
        TRY(take_costly(req));
        effort = NP_IPN_EFFORT;
    }
    const enum err e = json_parse_foreign(req->task->arena, &req->task->fail, text,
                                          may_be_form ? NP_VALUES_MAX : 0, ret);
    if (e == ERR_TOO_LARGE)
        return forged(req);
    TRY(e);
    *ret_key = verify_forms(req, *ret, effort);
    if (*ret_key == NP_IPN_COSTLY && effort == 0) {
        TRY(take_costly(req));
        *ret_key = verify_forms(req, *ret, NP_IPN_EFFORT);
    }
    return *ret_key == NP_IPN_CURRENT || *ret_key == NP_IPN_PREVIOUS ? ERR_OK : forged(req);
}

/* A byte order mark is part of what is signed, and of what is stored.  A genuine callback is read as
 * far as it can be; what only looks like one in another form is refused when it is no JSON. */
static enum err
verify(struct fn_req *req, struct callback *c)
{
    const struct str signature = fn_header(req, SIGNATURE_HEADER);
    const struct str body = c->body, text = json_without_bom(body);
    const struct json *doc = NULL;
    enum np_ipn_key key =
        np_ipn_verify_body(body, signature, setting_str(&cfg_nowpayments_ipn_secret),
                           setting_str(&cfg_nowpayments_ipn_secret_previous));

    if (key != NP_IPN_FORGED) {
        callback_read(req->task, c);
    } else {
        if (!begins_object(text))
            return fail_set(&req->task->fail, ERR_INVALID, "Invalid payload");
        const bool may_be_form = text.len == body.len && np_ipn_is_signature(signature);
        const enum err e = verify_unproven(req, text, may_be_form, &doc, &key);
        if (e == ERR_INVALID)
            return fail_set(&req->task->fail, ERR_INVALID, "Invalid payload");
        TRY(e);
        callback_read_parsed(req->task, c, doc);
    }
    c->source = key == NP_IPN_CURRENT ? "ipn" : "ipn_previous";
    return ERR_OK;
}

static enum err
reply(struct fn_res *res)
{
    struct json_writer *w = fn_json(res, 200);

    jw_open(w);
    jw_bool_at(w, "success", true);
    jw_text_at(w, "message", "Webhook processed successfully");
    jw_close(w);
    return ERR_OK;
}

/* `failed`: why the event was not applied; NULL: apply it. */
static enum err
record(struct task *task, const struct callback *c, const char *failed, struct db_row *ret)
{
    const char *params[EVENT_PARAMS + 1];

    event_params(c->source, c->body.ptr, &c->payment, params);
    params[EVENT_PARAMS] = failed;
    if (failed == NULL)
        return db_one(task, &record_event, params, EVENT_PARAMS, ret);
    return db_one(task, &store_event, params, EVENT_PARAMS + 1, ret);
}

/* The database is away: the disk keeps it, or the provider sends it again. */
static enum err
keep(struct task *task, const struct callback *c)
{
    if (spool_keep(task, c->source, c->body) != ERR_OK)
        return fail_set(&task->fail, ERR_UNAVAILABLE, "%s", err_info(ERR_UNAVAILABLE)->text);
    log_event(LOG_WARN, "payment_event_kept", task->id, "the database is away",
              LOG_TEXT("payment_id", c->payment_id), LOG_TEXT("payment_status", c->payment.status),
              LOG_TEXT("order_id", c->order_id));
    return ERR_OK;
}

/* Not applied: it waits for process-events.  Without a connection this fails at once. */
static enum err
store(struct fn_req *req, const struct callback *c, const char *reason, int64_t deadline_ms,
      struct fn_res *res)
{
    const struct np_payment *p = &c->payment;
    struct db_row row;

    req->task->deadline_ms = deadline_ms;
    if (record(req->task, c, reason, &row) != ERR_OK) {
        TRY(keep(req->task, c));
        return reply(res);
    }
    log_event(LOG_WARN, "payment_event_stored", req->task->id, reason,
              LOG_TEXT("payment_id", p->payment_id), LOG_TEXT("payment_status", p->status),
              LOG_TEXT("order_id", p->order_id), LOG_TEXT("outcome", db_text(&row, 0)));
    return reply(res);
}

static enum err
apply(struct fn_req *req, const struct callback *c, struct fn_res *res)
{
    const struct np_payment *p = &c->payment;
    const int64_t now_ms = clock_ms();
    const int64_t deadline_ms = MIN(req->task->deadline_ms, now_ms + STORE_MS);
    struct gate_pass *pass;
    struct db_row row;

    req->task->deadline_ms = MIN(req->task->deadline_ms, now_ms + APPLY_MS);
    if (!gate_enter(req->task->arena, p->order_id, now_ms + WAIT_MS, &pass))
        return store(req, c, "the order was held a moment ago", deadline_ms, res);
    const enum err e = record(req->task, c, NULL, &row);
    gate_leave(pass, e != ERR_OK && strcmp(req->task->fail.sqlstate, SQLSTATE_LOCKED) == 0);
    if (e != ERR_OK)
        return store(req, c,
                     req->task->fail.detail[0] != '\0'
                         ? arena_printf(req->task->arena, "%s", req->task->fail.detail)
                         : err_info(e)->name,
                     deadline_ms, res);
    log_event(LOG_INFO, "payment_event", req->task->id, NULL, LOG_TEXT("payment_id", p->payment_id),
              LOG_TEXT("payment_status", p->status), LOG_TEXT("order_id", db_text(&row, 1)),
              LOG_TEXT("outcome", db_text(&row, 0)));
    if (strcmp(db_text(&row, 0), "order_not_found") == 0)
        return fail_set(&req->task->fail, ERR_NOT_FOUND, "Order not found");
    return reply(res);
}

/* As bytes: who signs may sign what is no text. */
static enum err
record_unapplied(struct task *task, const struct callback *c)
{
    char *raw = arena_bytes(task->arena, 2 * c->body.len + 3);
    struct db_row row;

    memcpy(raw, "\\x", 2);
    hex_encode(c->body.ptr, c->body.len, raw + 2);
    TRY(db_one(task, &store_unapplied,
               DB_PARAMS(c->source, raw, c->unreadable, c->payment_id, c->order_id,
                         c->foreign ? "false" : "true"),
               &row));
    log_event(c->foreign ? LOG_INFO : LOG_WARN, "callback_unapplied", task->id, c->unreadable,
              LOG_TEXT("payment_id", c->payment_id), LOG_TEXT("order_id", c->order_id),
              LOG_TEXT("outcome", db_text(&row, 0)));
    return ERR_OK;
}

/* It cannot be applied: kept as it came, and refused, unless it is not ours to apply. */
static enum err
set_aside(struct fn_req *req, const struct callback *c, struct fn_res *res)
{
    struct task *task = req->task;

    task->deadline_ms = MIN(task->deadline_ms, clock_ms() + STORE_MS);
    if (record_unapplied(task, c) != ERR_OK)
        TRY(keep(task, c));
    task->fail = (struct fail){0};
    if (c->foreign)
        return reply(res);
    (void)fail_detail(&task->fail, ERR_INVALID, "%s", c->unreadable);
    return fail_set(&task->fail, ERR_INVALID, "Invalid payload");
}

/* One that was kept: it was genuine when it came. */
static enum err
apply_kept(struct task *task, const char *source, struct str body)
{
    struct callback c = {.source = source, .body = body};
    struct db_row row;

    callback_read(task, &c);
    if (c.unreadable != NULL)
        return record_unapplied(task, &c);
    const enum err e = record(task, &c, NULL, &row);
    if (e == ERR_OK) {
        log_event(LOG_INFO, "payment_event", task->id, NULL,
                  LOG_TEXT("payment_id", c.payment.payment_id),
                  LOG_TEXT("payment_status", c.payment.status),
                  LOG_TEXT("order_id", db_text(&row, 1)), LOG_TEXT("outcome", db_text(&row, 0)));
        return ERR_OK;
    }
    return record(task, &c, arena_printf(task->arena, "%s", fail_reason(&task->fail, e)), &row);
}

static void
start(void)
{
    spool_start(apply_kept);
}

static enum err
payment_webhook(struct fn_req *req, struct fn_res *res)
{
    struct callback c = {.body = req->http->body};

    TRY(verify(req, &c));
    return c.unreadable != NULL ? set_aside(req, &c, res) : apply(req, &c, res);
}

static const struct fn_input_doc inputs[] = {
    {"payment_id", "number", true, "NOWPayments' id; number or string"},
    {"payment_status", "string", true, "waiting, confirming, confirmed, sending, finished, …"},
    {"order_id", "string", true, "FFX and 9 digits, as given to the invoice"},
    {"price_amount", "number", true, "what was asked for"},
    {"price_currency", "string", true, "usd"},
    {"pay_amount", "number", true, "what was to be paid, in pay_currency"},
    {"actually_paid", "number", true, "what arrived"},
    {"pay_currency", "string", true, "e.g. usdtbsc"},
    {NULL, NULL, false, NULL},
};

static const struct fn_answer_doc answers[] = {
    {200,
     "Webhook processed successfully, or stored to be (on disk while the database is away); also "
     "for a repeat, which changes nothing"},
    {400, "Invalid payload; a genuine one is kept as it came all the same, for a human"},
    {401, "Invalid signature"},
    {404, "Order not found"},
    {429, "too many signatures by nobody's secret came from this address, and this one is hard to "
          "judge"},
    {503, "could not be stored durably: send it again"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, np_ipn_settings, spool_settings,
                                                  NULL};

static const struct fn_route routes[] = {
    {
        .methods = FN_POST,
        .path = "",
        .who = FN_SIGNATURE,
        .body = FN_BODY_RAW,
        .body_max = 64 * 1024,
        .inputs = inputs,
        .answers = answers,
        .handle = payment_webhook,
    },
    {0},
};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "payment-webhook",
    .summary = "Signed payment callbacks (IPN) of NOWPayments",
    .route = "/functions/v1/payment-webhook",
    .routes = routes,
    .signature = SIGNATURE_HEADER,
    .memory_max = 8 * 1024 * 1024, /* the largest body may be all small values */
    .timeout_ms = 30000,
    .settings = settings,
    .start = start,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
