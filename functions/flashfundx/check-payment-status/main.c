/*
 * check-payment-status: an order and its payment, as fresh as the provider allows.
 *
 * The stored state is answered while it is fresh or final.  Otherwise NOWPayments is asked, and
 * what it says goes through the same SQL function as a callback: a lost callback heals itself
 * here.  When NOWPayments cannot be reached the stored state is answered with "stale": true.
 */
#include <stdlib.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/setting.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/failure.h"
#include "fn/spec.h"
#include "json/write.h"
#include "net/query.h"
#include "nowpayments/client.h"
#include "nowpayments/payment.h"
#include "shared/event.h"
#include "shared/order.h"

static struct setting cfg_status_fresh_s = {
    .env = "STATUS_FRESH_S",
    .kind = SETTING_INT,
    .fallback = "5",
    .meaning = "seconds for which a provider's answer is reused",
};

#define TIME_FOR_ANSWER_MS 3000 /* of the budget, kept for the database */

/* Elements of an array of backend.payment_statuses. */
enum {
    COL_OUTCOME,
    COL_ORDER_ID,
    COL_ORDER_STATUS,
    COL_PAYMENT_STATUS,
    COL_DELIVERY_STATUS,
    COL_ACCOUNT_TYPE,
    COL_ACCOUNT_SIZE,
    COL_PLATFORM_TYPE,
    COL_AMOUNT,
    COL_FINAL_AMOUNT,
    COL_CRYPTO_CURRENCY,
    COL_CRYPTO_AMOUNT,
    COL_CRYPTO_ADDRESS,
    COL_CREATED_AT,
    COL_UPDATED_AT,
    COL_P_ID,
    COL_P_STATUS,
    COL_P_ADDRESS,
    COL_P_AMOUNT,
    COL_P_ACTUALLY_PAID,
    COL_P_CURRENCY,
    COL_P_CREATED_AT,
    COL_P_UPDATED_AT,
    COL_P_AGE_MS,
    COL_P_FINAL,
    COL_P_EXTRA_ID,
};

static struct db_stmt payment_status = {
    .sql = "SELECT backend.payment_statuses($1::uuid[], $2::text[])",
    .kind = DB_READ,
    .together = true,
};

static enum err
parse(struct fn_req *req, char order_id[ORDER_ID_SIZE])
{
    struct str order, user;
    char user_id[UUID_SIZE];

    if (!query_get(req->task->arena, req->http->query, "orderId", &order) || order.len == 0 ||
        !query_get(req->task->arena, req->http->query, "userId", &user) || user.len == 0)
        return fail_set(&req->task->fail, ERR_INVALID,
                        "Missing required parameters: orderId and userId");
    if (!uuid_read(user, user_id))
        return fail_set(&req->task->fail, ERR_INVALID, "Invalid userId. Must be a UUID");
    if (strcmp(user_id, req->caller.user_id) != 0)
        return ERR_FORBIDDEN;
    if (!order_id_read(order, order_id))
        return fail_set(&req->task->fail, ERR_NOT_FOUND, "Order not found");
    return ERR_OK;
}

static enum err
read_state(struct fn_req *req, const char *order_id, struct db_row *ret)
{
    static const struct fn_outcome refusals[] = {
        {"order_not_found", ERR_NOT_FOUND, "Order not found"},
        {"unauthorized", ERR_FORBIDDEN, "Unauthorized"},
        {"no_payment", ERR_INVALID, "No payment found for this order"},
        {NULL, ERR_OK, NULL},
    };

    TRY(db_one(req->task, &payment_status, DB_PARAMS(req->caller.user_id, order_id), ret));
    return fn_outcome(req->task, refusals, db_text(ret, COL_OUTCOME));
}

static bool
is_fresh(const struct db_row *state)
{
    const char *age_ms = db_text(state, COL_P_AGE_MS);

    return db_true(state, COL_P_FINAL) ||
           (age_ms != NULL && strtoll(age_ms, NULL, 10) <= setting_int(&cfg_status_fresh_s) * 1000);
}

/* Ask the provider and apply its answer as an event; *ret_stale when it cannot be had, in time for
 * the stored state to be answered instead. */
static enum err
refresh(struct fn_req *req, const char *payment_id, bool *ret_stale)
{
    const int64_t deadline_ms = req->task->deadline_ms;
    struct np_payment p;
    const char *outcome, *order_id;

    req->task->deadline_ms -= TIME_FOR_ANSWER_MS;
    const enum err e = np_get_payment(req->task, payment_id, &p);
    req->task->deadline_ms = deadline_ms;
    if (e != ERR_OK) {
        log_event(LOG_WARN, "provider_unreachable", req->task->id, req->task->fail.detail,
                  LOG_TEXT("payment_id", payment_id));
        *ret_stale = true;
        return ERR_OK;
    }
    return event_record_poll(req->task, &p, &outcome, &order_id);
}

static void
write_columns(struct json_writer *w, const struct db_row *row, const char *const *names, int first)
{
    for (; *names != NULL; names++, first++) {
        if ((*names)[0] == '#') /* a number */
            jw_number_at(w, *names + 1, db_text(row, first));
        else
            jw_text_at(w, *names, db_text(row, first));
    }
}

static enum err
reply(struct fn_res *res, const struct db_row *state, bool stale)
{
    static const char *const order[] = {
        "order_id",       "order_status",   "payment_status", "delivery_status", "account_type",
        "#account_size",  "platform_type",  "#amount",        "#final_amount",   "crypto_currency",
        "#crypto_amount", "crypto_address", "created_at",     "updated_at",      NULL,
    };
    static const char *const payment[] = {"payment_id",  "payment_status", "pay_address",
                                          "#pay_amount", "#actually_paid", "pay_currency",
                                          NULL};
    struct json_writer *w = fn_json(res, 200);

    jw_open(w);
    jw_bool_at(w, "success", true);
    jw_key(w, "order");
    jw_open(w);
    write_columns(w, state, order, COL_ORDER_ID);
    jw_close(w);
    jw_key(w, "payment");
    jw_open(w);
    write_columns(w, state, payment, COL_P_ID);
    if (db_text(state, COL_P_EXTRA_ID) != NULL)
        jw_text_at(w, "payin_extra_id", db_text(state, COL_P_EXTRA_ID));
    jw_text_at(w, "order_id", db_text(state, COL_ORDER_ID));
    jw_text_at(w, "created_at", db_text(state, COL_P_CREATED_AT));
    jw_text_at(w, "updated_at", db_text(state, COL_P_UPDATED_AT));
    jw_close(w);
    if (stale)
        jw_bool_at(w, "stale", true);
    jw_close(w);
    return ERR_OK;
}

static enum err
check_payment_status(struct fn_req *req, struct fn_res *res)
{
    char order_id[ORDER_ID_SIZE];
    struct db_row state;
    bool stale = false;

    TRY(parse(req, order_id));
    TRY(read_state(req, order_id, &state));
    if (!is_fresh(&state)) {
        TRY(refresh(req, db_text(&state, COL_P_ID), &stale));
        TRY(read_state(req, order_id, &state));
    }
    return reply(res, &state, stale);
}

static const struct fn_input_doc inputs[] = {
    {"orderId", "string", true, "FFX and 9 digits"},
    {"userId", "uuid", true, "must be the caller's own id"},
    {NULL, NULL, false, NULL},
};

static const struct fn_answer_doc answers[] = {
    {200, "order {…} and payment {…}, with payin_extra_id where the coin needs a memo or tag; "
          "\"stale\": true when NOWPayments could not be asked"},
    {400, "Missing required parameters: orderId and userId; No payment found for this order"},
    {401, "no valid user token"},
    {403, "Unauthorized"},
    {404, "Order not found"},
    {0, NULL},
};

static struct setting *const own[] = {&cfg_status_fresh_s, NULL};
static struct setting *const *const settings[] = {db_settings, np_settings, own, NULL};

static const struct fn_route routes[] = {
    {
        .methods = FN_GET,
        .path = "",
        .who = FN_USER,
        .rate_calls = 60,
        .rate_window_s = 60,
        .inputs = inputs,
        .answers = answers,
        .handle = check_payment_status,
    },
    {0},
};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "check-payment-status",
    .summary = "An order and the live state of its payment",
    .route = "/functions/v1/check-payment-status",
    .routes = routes,
    .timeout_ms = 15000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
