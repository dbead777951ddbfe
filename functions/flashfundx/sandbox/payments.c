/* Invoices and payments. */
#include "base/number.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "json/write.h"
#include "sandbox.h"

static const char *
outcome_of(const struct db_row *row)
{
    return db_text(row, 0);
}

/* ---- POST /invoice ---- */

static struct db_stmt create_invoice = {
    .sql = "SELECT f.outcome, f.detail, (f.invoice).* FROM sandbox.create_invoice($1::numeric, $2, "
           "$3, $4, $5, $6, $7, $8, $9, $10::boolean, $11::boolean) AS f",
    .kind = DB_WRITE};

/* Ids and the price are strings, currencies upper case: so it is at the provider. */
static void
write_invoice(struct call *c, const struct db_row *row, int first)
{
    struct arena *a = c->req->task->arena;
    struct json_writer *w = fn_json(c->res, 201);
    const char *id = db_text(row, first + I_ID);

    jw_open(w);
    jw_text_at(w, "id", id);
    jw_text_at(w, "token_id", db_text(row, first + I_TOKEN_ID));
    jw_text_at(w, "order_id", db_text(row, first + I_ORDER_ID));
    jw_text_at(w, "order_description", db_text(row, first + I_ORDER_DESCRIPTION));
    jw_text_at(w, "price_amount", db_text(row, first + I_PRICE_AMOUNT));
    jw_text_at(w, "price_currency", upper_case(a, db_text(row, first + I_PRICE_CURRENCY)));
    jw_text_at(w, "pay_currency", upper_case(a, db_text(row, first + I_PAY_CURRENCY)));
    jw_text_at(w, "ipn_callback_url", db_text(row, first + I_IPN_CALLBACK_URL));
    jw_text_at(w, "invoice_url", checkout_url(a, id));
    jw_text_at(w, "success_url", db_text(row, first + I_SUCCESS_URL));
    jw_text_at(w, "cancel_url", db_text(row, first + I_CANCEL_URL));
    jw_text_at(w, "partially_paid_url", db_text(row, first + I_PARTIALLY_PAID_URL));
    jw_text_at(w, "payout_currency", NULL);
    jw_text_at(w, "created_at", db_text(row, first + I_CREATED_AT));
    jw_text_at(w, "updated_at", db_text(row, first + I_UPDATED_AT));
    jw_bool_at(w, "is_fixed_rate", db_true(row, first + I_IS_FIXED_RATE));
    jw_bool_at(w, "is_fee_paid_by_user", db_true(row, first + I_IS_FEE_PAID_BY_USER));
    jw_close(w);
}

enum err
post_invoice(struct call *c)
{
    struct inputs in = {c, false};
    const char *price_amount = input_amount(&in, "price_amount");
    const char *price_currency = input_text(&in, "price_currency", 32);
    const char *pay_currency = input_text(&in, "pay_currency", 32);
    const char *order_id = input_text(&in, "order_id", 255);
    const char *description = input_text(&in, "order_description", 1000);
    const char *ipn_url = input_url(&in, "ipn_callback_url");
    const char *success_url = input_url(&in, "success_url");
    const char *cancel_url = input_url(&in, "cancel_url");
    const char *partially_paid_url = input_url(&in, "partially_paid_url");
    const char *fixed_rate = input_bool(&in, "is_fixed_rate");
    const char *fee_by_user = input_bool(&in, "is_fee_paid_by_user");
    struct db_row row;

    input_required(&in, "price_amount", price_amount);
    input_required(&in, "price_currency", price_currency);
    if (in.failed)
        return ERR_OK;
    TRY(db_one(c->req->task, &create_invoice,
               DB_PARAMS(price_amount, price_currency, pay_currency, order_id, description, ipn_url,
                         success_url, cancel_url, partially_paid_url, fixed_rate, fee_by_user),
               &row));
    if (strcmp(outcome_of(&row), "ok") != 0)
        return answer_outcome(c, outcome_of(&row), db_text(&row, 1));
    write_invoice(c, &row, 2);
    return ERR_OK;
}

/* ---- POST /payment and POST /invoice-payment ---- */

static struct db_stmt create_payment = {
    .sql = "SELECT f.outcome, f.detail, (f.payment).* FROM sandbox.create_payment($1::bigint, "
           "$2::numeric, $3, $4, $5::numeric, $6, $7, $8, $9::bigint, $10, $11::boolean, "
           "$12::boolean, $13, $14::int) AS f",
    .kind = DB_WRITE};

static void
check_case(struct inputs *in, const char *name)
{
    static const char *const cases[] = {"success", "common",  "failed",
                                        "fail",    "expired", "partially_paid"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (strcmp(name, cases[i]) == 0)
            return;
    }
    if (!in->failed)
        answer_error(in->call, 400, "INVALID_REQUEST_PARAMS",
                     "case must be one of success, common, failed, partially_paid, expired");
    in->failed = true;
}

/* `invoice_id` NULL: a payment of its own. */
static enum err
make_payment(struct inputs *in, const char *invoice_id)
{
    struct call *c = in->call;
    const bool alone = invoice_id == NULL;
    const char *price_amount = alone ? input_amount(in, "price_amount") : NULL;
    const char *price_currency = alone ? input_text(in, "price_currency", 32) : NULL;
    const char *pay_currency = input_text(in, "pay_currency", 32);
    const char *pay_amount = alone ? input_amount(in, "pay_amount") : NULL;
    const char *order_id = alone ? input_text(in, "order_id", 255) : NULL;
    const char *description = input_text(in, "order_description", 1000);
    const char *ipn_url = alone ? input_url(in, "ipn_callback_url") : NULL;
    const char *purchase_id = input_id(in, "purchase_id");
    const char *email = input_text(in, "customer_email", 320);
    const char *fixed_rate = input_bool(in, "is_fixed_rate");
    const char *fee_by_user = input_bool(in, "is_fee_paid_by_user");
    const char *case_name = input_text(in, "case", 32);
    struct db_row row;

    if (alone) {
        input_required(in, "price_amount", price_amount);
        input_required(in, "price_currency", price_currency);
    }
    input_required(in, "pay_currency", pay_currency);
    if (case_name != NULL)
        check_case(in, case_name);
    if (in->failed)
        return ERR_OK;
    if (case_name != NULL && strcmp(case_name, "fail") == 0)
        case_name = "failed";
    TRY(db_one(c->req->task, &create_payment,
               DB_PARAMS(invoice_id, price_amount, price_currency, pay_currency, pay_amount,
                         order_id, description, ipn_url, purchase_id, email, fixed_rate,
                         fee_by_user, case_name, tick_ms(c->req->task->arena)),
               &row));
    if (strcmp(outcome_of(&row), "ok") != 0)
        return answer_outcome(c, outcome_of(&row), db_text(&row, 1));
    write_created_payment(fn_json(c->res, 201), &row, 2);
    return ERR_OK;
}

enum err
post_payment(struct call *c)
{
    struct inputs in = {c, false};
    return make_payment(&in, NULL);
}

enum err
post_invoice_payment(struct call *c)
{
    struct inputs in = {c, false};
    const char *invoice_id = input_id(&in, "iid");

    input_required(&in, "iid", invoice_id);
    return in.failed ? ERR_OK : make_payment(&in, invoice_id);
}

/* ---- POST /payment/{id}/update-merchant-estimate ---- */

static struct db_stmt update_estimate = {
    .sql = "SELECT outcome, detail, token_id, pay_amount, expires_at "
           "FROM sandbox.update_estimate($1::bigint)",
    .kind = DB_WRITE};

enum err
post_update_estimate(struct call *c)
{
    const char *id = path_id(c, 0);
    struct db_row row;

    if (id == NULL)
        return ERR_OK;
    TRY(db_one(c->req->task, &update_estimate, DB_PARAMS(id), &row));
    if (strcmp(outcome_of(&row), "ok") != 0)
        return answer_outcome(c, outcome_of(&row), db_text(&row, 1));

    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_text_at(w, "id", id);
    jw_text_at(w, "token_id", db_text(&row, 2));
    write_number_at(w, "pay_amount", db_text(&row, 3));
    jw_text_at(w, "expiration_estimate_date", db_text(&row, 4));
    jw_close(w);
    return ERR_OK;
}

/* ---- GET /payment/{id} ---- */

static struct db_stmt select_payment = {
    .sql = "SELECT f.outcome, f.detail, (f.payment).* FROM sandbox.get_payment($1::bigint) AS f",
    .kind = DB_READ};

enum err
get_payment(struct call *c)
{
    const char *id = path_id(c, 0);
    struct db_row row;

    if (id == NULL)
        return ERR_OK;
    TRY(db_one(c->req->task, &select_payment, DB_PARAMS(id), &row));
    if (strcmp(outcome_of(&row), "ok") != 0)
        return answer_outcome(c, outcome_of(&row), db_text(&row, 1));
    write_payment(fn_json(c->res, 200), &row, 2);
    return ERR_OK;
}

/* ---- GET /payment/ ---- */

static struct db_stmt list_payments = {
    .sql = "SELECT f.total, (f.payment).* FROM sandbox.list_payments($1::int, $2::int, "
           "$3::bigint, $4, $5::boolean, $6, $7) AS f",
    .kind = DB_READ};

/* A whole number from the query; `fallback` when absent, -1 when outside of min..max. */
static int64_t
query_number(struct call *c, const char *name, int64_t fallback, int64_t min, int64_t max)
{
    const char *text = query_text(c, name);
    int64_t n;

    if (text == NULL)
        return fallback;
    return number_i64(str_of(text), &n) && n >= min && n <= max ? n : -1;
}

enum err
get_payments(struct call *c)
{
    if (!token_ok(c))
        return answer_error(c, 401, "AUTH_REQUIRED",
                            "Authorization header is empty (Bearer JWTtoken is required)");
    struct arena *a = c->req->task->arena;
    const int64_t limit = query_number(c, "limit", 10, 1, 500);
    const int64_t page = query_number(c, "page", 0, 0, 1000000);
    const int64_t invoice_id = query_number(c, "invoiceId", 0, 1, INT64_C(999999999999999999));
    const char *order = query_text(c, "orderBy");
    if (limit < 0 || page < 0 || invoice_id < 0)
        return answer_error(c, 400, "INVALID_REQUEST_PARAMS",
                            limit < 0  ? "limit must be between 1 and 500"
                            : page < 0 ? "page must be a number"
                                       : "invoiceId must be a number");
    if (order != NULL && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
        return answer_error(c, 500, "INTERNAL_ERROR", "Internal error"); /* as there */

    struct db_result *rows;
    TRY(db_query(c->req->task, &list_payments,
                 DB_PARAMS(arena_printf(a, "%lld", (long long)limit),
                           arena_printf(a, "%lld", (long long)page),
                           invoice_id == 0 ? NULL : arena_printf(a, "%lld", (long long)invoice_id),
                           query_text(c, "sortBy"),
                           order != NULL && order[0] == 'd' ? "true" : "false",
                           query_text(c, "dateFrom"), query_text(c, "dateTo")),
                 &rows));
    const struct db_row head = db_row(rows, 0); /* there is always one */
    int64_t total = 0;
    if (!number_i64(db_str(&head, 0), &total))
        return fail_detail(&c->req->task->fail, ERR_INTERNAL, "no total");

    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_key(w, "data");
    jw_open_array(w);
    for (int i = 0; i < db_rows(rows); i++) {
        const struct db_row row = db_row(rows, i);
        if (db_text(&row, 1 + P_PAYMENT_ID) != NULL)
            write_payment(w, &row, 1);
    }
    jw_close_array(w);
    jw_i64_at(w, "limit", limit);
    jw_i64_at(w, "page", page);
    jw_i64_at(w, "pagesCount", (total + limit - 1) / limit);
    jw_i64_at(w, "total", total);
    jw_close(w);
    return ERR_OK;
}
