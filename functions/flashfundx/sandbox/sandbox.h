/*
 * sandbox: a NOWPayments for development, under /sandbox/v1.
 *
 *   main.c        the spec, the table of endpoints, the way of a call (key, fault, handler)
 *   answers.c     error envelope, the payment object, reading of inputs
 *   catalogue.c   status, currencies, estimates
 *   payments.c    invoices and payments
 *   token.c       POST /auth and the token the payment list asks for
 *   callbacks.c   scheduled: moves payments and sends signed callbacks
 *   control.c     what a payer, a chain or a test does (/_control/…)
 *   checkout.c    the page a customer pays on, page.c its text
 *
 * State is in schema sandbox (migrations/flashfundx/sandbox); amounts are computed there.
 */
#ifndef FFX_SANDBOX_H
#define FFX_SANDBOX_H

#include "db/rows.h"
#include "fn/answer.h"
#include "fn/spec.h"
#include "json/write.h"

/* One call: the request, where its answer goes, and what the path said. */
struct call {
    struct fn_req *req;
    struct fn_res *res;
    struct str arg[2];        /* the '*' of the endpoint's path */
    const struct json *input; /* the body of a POST; NULL when it was empty */
};

/* ---- errors, as the provider spells them ---- */

/* Answer {"status":false,"statusCode":…,"code":…,"message":…}; returns ERR_OK. */
enum err answer_error(struct call *c, int status, const char *code, const char *message);
/* The error that SQL named; "ok" must have been handled before. */
enum err answer_outcome(struct call *c, const char *outcome, const char *detail);

/* ---- inputs ----
 * Each returns false after answering 400 INVALID_REQUEST_PARAMS.  Numbers may come as strings.
 * An absent value is NULL. */
struct inputs {
    struct call *call;
    bool failed;
};
const char *input_text(struct inputs *in, const char *name, size_t len_max);
const char *input_amount(struct inputs *in, const char *name);
const char *input_id(struct inputs *in, const char *name);
const char *input_url(struct inputs *in, const char *name);
const char *input_bool(struct inputs *in, const char *name);
/* Fails with "<name> is required" when the value is NULL. */
void input_required(struct inputs *in, const char *name, const char *value);
/* A query parameter, NULL when absent; a broken one counts as absent. */
const char *query_text(struct call *c, const char *name);
/* A path segment that is a payment or invoice id (up to 18 digits); NULL after answering 400. */
const char *path_id(struct call *c, size_t arg);

/* ---- rows ---- */

/* Columns of sandbox.payment_row, in its order. */
enum payment_column {
    P_PAYMENT_ID,
    P_PURCHASE_ID,
    P_INVOICE_ID,
    P_PARENT_PAYMENT_ID,
    P_ORIGIN_TYPE,
    P_STATUS,
    P_PAY_ADDRESS,
    P_PAYIN_EXTRA_ID,
    P_PRICE_AMOUNT,
    P_PRICE_CURRENCY,
    P_PAY_AMOUNT,
    P_PAY_CURRENCY,
    P_ACTUALLY_PAID,
    P_DEPOSIT_FEE,
    P_SERVICE_FEE,
    P_OUTCOME_AMOUNT,
    P_OUTCOME_CURRENCY,
    P_ORDER_ID,
    P_ORDER_DESCRIPTION,
    P_IPN_CALLBACK_URL,
    P_CUSTOMER_EMAIL,
    P_PAYIN_HASH,
    P_PAYOUT_HASH,
    P_NETWORK,
    P_SMART_CONTRACT,
    P_NETWORK_PRECISION,
    P_IS_FIXED_RATE,
    P_IS_FEE_PAID_BY_USER,
    P_EXPIRES_AT,
    P_VALID_UNTIL,
    P_CREATED_AT,
    P_UPDATED_AT,
    P_UPDATED_MS,
    P_PAYMENT_EXTRA_IDS,
    P_COLUMNS,
};

/* Columns of sandbox.invoice_row. */
enum invoice_column {
    I_ID,
    I_TOKEN_ID,
    I_ORDER_ID,
    I_ORDER_DESCRIPTION,
    I_PRICE_AMOUNT,
    I_PRICE_CURRENCY,
    I_PAY_CURRENCY,
    I_IPN_CALLBACK_URL,
    I_SUCCESS_URL,
    I_CANCEL_URL,
    I_PARTIALLY_PAID_URL,
    I_IS_FIXED_RATE,
    I_IS_FEE_PAID_BY_USER,
    I_CREATED_AT,
    I_UPDATED_AT,
    I_COLUMNS,
};

/* The answer to creating a payment, and the one to GET /payment/{id}; `first` is the column at
 * which the payment begins. */
void write_created_payment(struct json_writer *w, const struct db_row *row, int first);
void write_payment(struct json_writer *w, const struct db_row *row, int first);
/* A number the way the provider's JavaScript prints it. */
void write_number_at(struct json_writer *w, const char *key, const char *digits);
/* ASCII; NULL stays NULL. */
const char *upper_case(struct arena *a, const char *text);

/* Milliseconds as text, for SQL. */
const char *tick_ms(struct arena *a);
const char *checkout_url(struct arena *a, const char *invoice_id);

/* ---- endpoints ---- */

enum err get_status(struct call *c);
enum err get_currencies(struct call *c);
enum err get_merchant_coins(struct call *c);
enum err get_full_currencies(struct call *c);
enum err get_min_amount(struct call *c);
enum err get_estimate(struct call *c);

enum err post_invoice(struct call *c);
enum err post_payment(struct call *c);
enum err post_invoice_payment(struct call *c);
enum err post_update_estimate(struct call *c);
enum err get_payment(struct call *c);
enum err get_payments(struct call *c);

enum err post_auth(struct call *c);
/* The Authorization header holds a token of post_auth that is still good. */
bool token_ok(struct call *c);

enum err control_payment(struct call *c);
enum err control_callback(struct call *c);
enum err control_get_payment(struct call *c);
enum err control_get_order(struct call *c);
enum err control_add_fault(struct call *c);
enum err control_clear_faults(struct call *c);
enum err control_idle(struct call *c);

enum err checkout_page(struct call *c);
enum err checkout_state(struct call *c);
enum err checkout_choose(struct call *c);
/* The page's constant parts. */
extern const char page_style[];
extern const char page_body[];
extern const char page_script_show[];
extern const char page_script_act[];

/* ---- faults and callbacks ---- */

/* Numbers of a JSON text turned into strings, at every level. */
struct str numbers_as_strings(struct task *task, struct str json);

/* A callback on its way. */
struct callback {
    const char *id;
    const char *url;
    const char *body;
    const char *fault; /* or NULL */
    int delay_ms;
};
/* Sign, send and record one callback; ret_status 0: no answer. */
enum err send_callback(struct task *task, const struct callback *callback, int *ret_status,
                       const char **ret_error);
enum err run_sandbox(struct task *task);

extern struct setting cfg_sandbox_tick_ms, cfg_sandbox_retry_ms, cfg_sandbox_retries;

#endif
