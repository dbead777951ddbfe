/*
 * payment-webhook: signed callbacks (IPN) of NOWPayments.
 *
 * The signature decides whether it is genuine; one SQL function stores the event and applies it,
 * durably, before we answer.  Anything that could not be committed answers 5xx, so that
 * NOWPayments sends it again.
 */
#include "config.h"
#include "db.h"
#include "fn.h"
#include "log.h"
#include "nowpayments.h"

static struct db_stmt record_event = {
    .sql = "SELECT outcome, order_id FROM backend.record_payment_event('ipn', $1, $2, $3, $4, $5, "
           "$6, $7, $8, $9, $10::numeric, $11::numeric, $12::numeric, $13, $14::numeric, $15, $16)",
    .kind = DB_WRITE};

static enum err
verify(struct fn_req *req, const struct json **ret)
{
    if (json_parse(req->arena, &req->fail, req->body, ret) != ERR_OK ||
        json_type(*ret) != JSON_OBJECT)
        return fail_set(&req->fail, ERR_INVALID, "Invalid payload");
    if (!np_ipn_verify(req->arena, req->body, *ret, fn_header(req, "x-nowpayments-sig"),
                       config_str(CFG_NOWPAYMENTS_IPN_SECRET),
                       config_str(CFG_NOWPAYMENTS_IPN_SECRET_PREVIOUS)))
        return fail_set(&req->fail, ERR_UNAUTHENTICATED, "Invalid signature");
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

static enum err
record(struct fn_req *req, const struct np_payment *p, struct db_row *ret)
{
    const enum err e =
        db_one(req, &record_event,
               DB_PARAMS(req->body.ptr, p->payment_id, p->parent_payment_id, p->invoice_id,
                         p->purchase_id, p->order_id, p->status, p->pay_address, p->pay_currency,
                         p->pay_amount, p->actually_paid, p->price_amount, p->price_currency,
                         p->outcome_amount, p->outcome_currency, p->updated_at),
               ret);

    /* A deadlock or a failed serialization: nothing is stored, and a 4xx might be taken as final. */
    return e == ERR_CONFLICT ? ERR_UNAVAILABLE : e;
}

static enum err
payment_webhook(struct fn_req *req, struct fn_res *res)
{
    const struct json *doc;
    struct np_payment p;
    struct db_row row;

    TRY(verify(req, &doc));
    if (json_get(doc, "payment_id") == NULL)
        return reply(res); /* of a payout or a subscription: genuine, and not ours to act on */
    TRY(np_payment_read(req, doc, &p));
    if (p.payment_id == NULL || p.status == NULL)
        return fail_set(&req->fail, ERR_INVALID, "Invalid payload");
    TRY(record(req, &p, &row));
    log_event(LOG_INFO, "payment_event", req->id, NULL, LOG_TEXT("payment_id", p.payment_id),
              LOG_TEXT("payment_status", p.status), LOG_TEXT("order_id", db_text(&row, 1)),
              LOG_TEXT("outcome", db_text(&row, 0)));
    if (strcmp(db_text(&row, 0), "order_not_found") == 0)
        return fail_set(&req->fail, ERR_NOT_FOUND, "Order not found");
    return reply(res);
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
    {200, "Webhook processed successfully; also for a repeat, which changes nothing"},
    {400, "Invalid payload"},
    {401, "Invalid signature"},
    {404, "Order not found"},
    {503, "could not be stored durably: send it again"},
    {0, NULL},
};

static const struct fn_spec spec = {
    .name = "payment-webhook",
    .summary = "Signed payment callbacks (IPN) of NOWPayments",
    .route = "/functions/v1/payment-webhook",
    .methods = FN_POST,
    .auth = FN_AUTH_SIGNATURE,
    .body_max = 64 * 1024,
    .memory_max = 8 * 1024 * 1024, /* the largest body may be all small values */
    .timeout_ms = 30000,
    .needs = FN_NEED_DB | FN_NEED_IPN,
    .inputs = inputs,
    .answers = answers,
    .handle = payment_webhook,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
