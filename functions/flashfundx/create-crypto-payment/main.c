/*
 * create-crypto-payment: the hosted checkout for an order.
 *
 * begin_payment claims the order, then NOWPayments makes the invoice and a payment behind it; each
 * answer is attached as soon as it is there, so that a crash in between costs at most the step it
 * interrupted.  No transaction is open while we wait for the provider.
 */
#include "base/setting.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/failure.h"
#include "fn/settings.h"
#include "fn/spec.h"
#include "input.h"
#include "nowpayments/client.h"
#include "qr/code.h"

static struct setting cfg_payment_success_url = {
    .env = "PAYMENT_SUCCESS_URL",
    .kind = SETTING_LINK,
    .fallback = "",
    .meaning = "where the checkout sends a paying customer; default "
               "FRONTEND_URL/dashboard/payment/success?order=<id>",
};

static struct setting cfg_payment_cancel_url = {
    .env = "PAYMENT_CANCEL_URL",
    .kind = SETTING_LINK,
    .fallback = "",
    .meaning = "where the checkout sends a customer who gives up; default "
               "FRONTEND_URL/dashboard/payment/cancelled?order=<id>",
};

/* Columns of backend.begin_payment and backend.attach_payment. */
enum {
    COL_OUTCOME,
    COL_ATTEMPT_ID,
    COL_PRICE_AMOUNT,
    COL_DESCRIPTION,
    COL_INVOICE_ID,
    COL_INVOICE_URL,
    COL_PAYMENT_ID,
    COL_PAY_ADDRESS,
    COL_PAY_AMOUNT,
    COL_PAY_CURRENCY,
    COL_TIME_LIMIT,
    COL_EXPIRES_AT,
    COL_EXTRA_ID,
};

static struct db_stmt begin_payment = {
    .sql = "SELECT * FROM backend.begin_payment($1::uuid, $2::uuid, $3, $4, $5::numeric, $6, $7, "
           "$8, $9::numeric, $10::numeric)",
    .kind = DB_WRITE};
static struct db_stmt attach_invoice = {
    .sql = "SELECT outcome FROM backend.attach_invoice($1::uuid, $2, $3)", .kind = DB_WRITE};
static struct db_stmt attach_payment = {
    .sql = "SELECT * FROM backend.attach_payment($1::uuid, $2, $3, $4, $5, $6::numeric, $7, $8, "
           "$9::numeric, $10, $11, $12, $13, $14, $15)",
    .kind = DB_WRITE};
static struct db_stmt fail_attempt = {
    .sql = "SELECT outcome FROM backend.fail_payment_attempt($1::uuid, $2, $3)", .kind = DB_WRITE};

static enum err
claim(struct fn_req *req, const struct input *in, struct db_row *ret)
{
    static const struct fn_outcome refusals[] = {
        {"order_not_found", ERR_NOT_FOUND, "Order not found"},
        {"unauthorized", ERR_FORBIDDEN, "Unauthorized"},
        {"mismatch", ERR_INVALID, "Order details do not match"},
        {"not_payable", ERR_INVALID, "Order is not in a payable state"},
        {"in_progress", ERR_CONFLICT, "A payment for this order is already being created"},
        {NULL, ERR_OK, NULL},
    };

    TRY(db_one(req->task, &begin_payment,
               DB_PARAMS(req->caller.user_id, in->user_id, in->order_id, in->account_type,
                         in->account_size.text, in->platform_type, in->crypto_currency,
                         in->pay_currency, in->amount.text, in->final_amount.text),
               ret));
    return fn_outcome(req->task, refusals, db_text(ret, COL_OUTCOME));
}

/* Release the claim and say why; the caller's failure stays the one that is answered. */
static enum err
give_up(struct fn_req *req, const char *attempt_id, enum err e)
{
    const struct fail why = req->task->fail;
    const char *reason = e == ERR_PROVIDER          ? "refused"
                         : e == ERR_UNKNOWN_OUTCOME ? "unknown"
                                                    : "unsent";
    struct db_row row;

    /* Failing here is no loss: the claim's lease ends by itself. */
    (void)!db_one(req->task, &fail_attempt, DB_PARAMS(attempt_id, reason, why.detail), &row);
    req->task->fail = why;
    return e;
}

static const char *
return_url(struct fn_req *req, const struct setting *override, const char *page,
           const char *order_id)
{
    if (setting_text(override)[0] != '\0')
        return setting_text(override);
    return arena_printf(req->task->arena, "%s/dashboard/payment/%s?order=%s",
                        setting_text(&cfg_frontend_url), page, order_id);
}

static enum err
lost_claim(struct fn_req *req)
{
    return fail_set(&req->task->fail, ERR_CONFLICT,
                    "A payment for this order is already being created");
}

static enum err
make_invoice(struct fn_req *req, const struct input *in, const struct db_row *claimed,
             struct np_invoice *ret)
{
    const char *attempt_id = db_text(claimed, COL_ATTEMPT_ID);
    const struct np_invoice_order order = {
        .price_amount = db_text(claimed, COL_PRICE_AMOUNT),
        .order_id = in->order_id,
        .order_description = db_text(claimed, COL_DESCRIPTION),
        .ipn_callback_url = arena_join(req->task->arena, setting_text(&cfg_supabase_url),
                                       "/functions/v1/payment-webhook"),
        .success_url = return_url(req, &cfg_payment_success_url, "success", in->order_id),
        .cancel_url = return_url(req, &cfg_payment_cancel_url, "cancelled", in->order_id),
    };
    struct db_row row;

    const enum err e = np_create_invoice(req->task, &order, ret);
    if (e != ERR_OK)
        return give_up(req, attempt_id, e);
    TRY(db_one(req->task, &attach_invoice, DB_PARAMS(attempt_id, ret->id, ret->invoice_url), &row));
    return strcmp(db_text(&row, 0), "ok") == 0 ? ERR_OK : lost_claim(req);
}

static enum err
make_payment(struct fn_req *req, const struct input *in, const struct db_row *claimed,
             const char *invoice_id, struct db_row *ret)
{
    const char *attempt_id = db_text(claimed, COL_ATTEMPT_ID);
    struct np_payment p;

    const enum err e = np_create_invoice_payment(req->task, invoice_id, in->pay_currency,
                                                 db_text(claimed, COL_DESCRIPTION), &p);
    if (e != ERR_OK)
        return give_up(req, attempt_id, e);
    TRY(db_one(req->task, &attach_payment,
               DB_PARAMS(attempt_id, p.payment_id, p.status, p.pay_address, p.payin_extra_id,
                         p.pay_amount, p.pay_currency, in->crypto_currency, p.price_amount,
                         p.price_currency, p.purchase_id, p.time_limit, p.expires_at, p.valid_until,
                         p.raw.ptr),
               ret));
    return strcmp(db_text(ret, COL_OUTCOME), "existing") == 0 ? ERR_OK : lost_claim(req);
}

static enum err
reply(struct fn_req *req, struct fn_res *res, const struct db_row *row)
{
    const char *qr = qr_data_url(req->task->arena, db_str(row, COL_PAY_ADDRESS));
    const char *time_limit = db_text(row, COL_TIME_LIMIT); /* fixed-rate payments only */
    struct json_writer *w = fn_json(res, 200);

    jw_open(w);
    jw_bool_at(w, "success", true);
    jw_text_at(w, "invoice_url", db_text(row, COL_INVOICE_URL));
    jw_key(w, "payment");
    jw_open(w);
    jw_text_at(w, "payment_id", db_text(row, COL_PAYMENT_ID));
    jw_text_at(w, "pay_address", db_text(row, COL_PAY_ADDRESS));
    if (db_text(row, COL_EXTRA_ID) != NULL)
        jw_text_at(w, "payin_extra_id", db_text(row, COL_EXTRA_ID));
    jw_number_at(w, "pay_amount", db_text(row, COL_PAY_AMOUNT));
    jw_text_at(w, "pay_currency", db_text(row, COL_PAY_CURRENCY));
    jw_text_at(w, "qr_code", qr == NULL ? "" : qr);
    jw_text_at(w, "time_limit", time_limit != NULL ? time_limit : db_text(row, COL_EXPIRES_AT));
    jw_text_at(w, "expiration_date", db_text(row, COL_EXPIRES_AT));
    jw_close(w);
    jw_close(w);
    return ERR_OK;
}

static enum err
create_crypto_payment(struct fn_req *req, struct fn_res *res)
{
    struct input in = {0};
    struct db_row claimed, payment;
    struct np_invoice invoice = {0};

    TRY(input_read(req->task, req->json, &in));
    TRY(claim(req, &in, &claimed));
    const char *outcome = db_text(&claimed, COL_OUTCOME);
    if (strcmp(outcome, "existing") == 0)
        return reply(req, res, &claimed);
    invoice.id = db_text(&claimed, COL_INVOICE_ID);
    if (strcmp(outcome, "create") == 0)
        TRY(make_invoice(req, &in, &claimed, &invoice));
    TRY(make_payment(req, &in, &claimed, invoice.id, &payment));
    return reply(req, res, &payment);
}

static const struct fn_input_doc inputs[] = {
    {"orderId", "string", true, "FFX and 9 digits"},
    {"userId", "uuid", true, "must be the caller's own id"},
    {"accountType", "instant|hft|one_step|two_step", true, "as in the order"},
    {"accountSize", "number", true, "as in the order"},
    {"platformType", "mt4|mt5", true, "as in the order"},
    {"cryptoCurrency", "usdt_bsc|usdt_polygon|usdt_trc20|bnb|btc|trx", true, "what to pay with"},
    {"amount", "number", true, "price in USD, as in the order"},
    {"finalAmount", "number", true, "price after discounts, as in the order"},
    {NULL, NULL, false, NULL},
};

static const struct fn_answer_doc answers[] = {
    {200, "invoice_url and payment {payment_id, pay_address, pay_amount, pay_currency, qr_code, "
          "time_limit, expiration_date} and payin_extra_id where the coin needs a memo or tag; "
          "the same again while the invoice is open"},
    {400, "Missing required fields, invalid value, Order details do not match, Order is not in a "
          "payable state"},
    {401, "no valid user token"},
    {403, "Unauthorized: the order or userId is not the caller's"},
    {404, "Order not found"},
    {409, "another request is creating the payment right now"},
    {500, "NowPayments error: <their message>"},
    {502, "NowPayments did not answer"},
    {0, NULL},
};

static struct setting *const own[] = {&cfg_supabase_url, &cfg_frontend_url,
                                      &cfg_payment_success_url, &cfg_payment_cancel_url, NULL};
static struct setting *const *const settings[] = {db_settings, np_settings, own, NULL};

static const struct fn_route routes[] = {
    {
        .methods = FN_POST,
        .path = "",
        .who = FN_USER,
        .body = FN_BODY_JSON,
        .body_max = 16 * 1024,
        .rate_calls = 10,
        .rate_window_s = 60,
        .inputs = inputs,
        .answers = answers,
        .handle = create_crypto_payment,
    },
    {0},
};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "create-crypto-payment",
    .summary = "Make the hosted crypto checkout for an order",
    .route = "/functions/v1/create-crypto-payment",
    .routes = routes,
    .timeout_ms = 30000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
