/* What all endpoints share: the error envelope, inputs, and the payment object. */
#include "base/number.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/settings.h"
#include "json/tree.h"
#include "json/write.h"
#include "net/query.h"
#include "nowpayments/js_number.h"
#include "sandbox.h"

struct setting cfg_sandbox_tick_ms = {
    .env = "SANDBOX_TICK_MS",
    .kind = SETTING_INT,
    .fallback = "1000",
    .meaning = "sandbox: time between two steps of a payment",
};

/* ---- errors ---- */

enum err
answer_error(struct call *c, int status, const char *code, const char *message)
{
    struct json_writer *w = fn_json(c->res, status);

    jw_open(w);
    jw_bool_at(w, "status", false);
    jw_i64_at(w, "statusCode", status);
    jw_text_at(w, "code", code);
    jw_text_at(w, "message", message);
    jw_close(w);
    return ERR_OK;
}

enum err
answer_outcome(struct call *c, const char *outcome, const char *detail)
{
    static const struct {
        const char *outcome;
        int status;
        const char *code;
    } errors[] = {
        {"invalid", 400, "INVALID_REQUEST_PARAMS"},
        {"minimal", 400, "AMOUNT_MINIMAL_ERROR"},
        {"bad", 400, "BAD_REQUEST"},
        {"not_found", 404, "NOT_FOUND"},
        {"conflict", 409, "CONFLICT"},
        {"estimate", 500, "INTERNAL_ERROR"},
    };
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (strcmp(errors[i].outcome, outcome) == 0)
            return answer_error(c, errors[i].status, errors[i].code, detail);
    }
    return fail_detail(&c->req->task->fail, ERR_INTERNAL, "unknown outcome %s", outcome);
}

/* ---- inputs ---- */

static const char *
input_wrong(struct inputs *in, const char *name, const char *must)
{
    if (!in->failed)
        answer_error(in->call, 400, "INVALID_REQUEST_PARAMS",
                     arena_printf(in->call->req->task->arena, "%s %s", name, must));
    in->failed = true;
    return NULL;
}

void
input_required(struct inputs *in, const char *name, const char *value)
{
    if (value == NULL)
        input_wrong(in, name, "is required");
}

/* Absent and null are the same. */
static const struct json *
input_value(struct inputs *in, const char *name)
{
    const struct json *v = json_get(in->call->input, name);
    return v == NULL || json_type(v) == JSON_NULL ? NULL : v;
}

const char *
input_text(struct inputs *in, const char *name, size_t len_max)
{
    const struct json *v = input_value(in, name);

    if (v == NULL)
        return NULL;
    const struct str text = json_text(v);
    if (text.ptr == NULL)
        return input_wrong(in, name, "must be a string");
    if (text.len > len_max)
        return input_wrong(in, name, "is too long");
    return arena_copy(in->call->req->task->arena, text);
}

const char *
input_amount(struct inputs *in, const char *name)
{
    const struct json *v = input_value(in, name);
    struct decimal amount;

    if (v == NULL)
        return NULL;
    if (!decimal_read(json_text(v), &amount))
        return input_wrong(in, name, "must be a number");
    if (!decimal_is_positive(&amount))
        return input_wrong(in, name, "must be a positive number");
    return arena_copy(in->call->req->task->arena, str_of(amount.text));
}

static bool
is_id(struct str text)
{
    if (text.len == 0 || text.len > 18)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return true;
}

const char *
input_id(struct inputs *in, const char *name)
{
    const struct json *v = input_value(in, name);

    if (v == NULL)
        return NULL;
    if (!is_id(json_text(v)))
        return input_wrong(in, name, "must be a number");
    return arena_copy(in->call->req->task->arena, json_text(v));
}

/* Only characters RFC 3986 allows (a raw '|' is refused, as by the provider), only http and https:
 * the checkout page links to these. */
const char *
input_url(struct inputs *in, const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~:/?#[]@!$&'()*+,;=%";
    const char *url = input_text(in, name, 2048);

    if (url == NULL || url[0] == '\0')
        return NULL;
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
        url[strspn(url, allowed)] != '\0')
        return input_wrong(in, name, "must be a valid uri");
    return url;
}

const char *
input_bool(struct inputs *in, const char *name)
{
    const struct json *v = input_value(in, name);

    if (v == NULL)
        return NULL;
    if (json_type(v) == JSON_BOOL)
        return json_is_true(v) ? "true" : "false";
    if (str_is(json_text(v), "true") || str_is(json_text(v), "false"))
        return arena_copy(in->call->req->task->arena, json_text(v));
    return input_wrong(in, name, "must be a boolean");
}

const char *
query_text(struct call *c, const char *name)
{
    struct str value;
    return query_get(c->req->task->arena, c->req->http->query, name, &value) && value.len > 0
               ? value.ptr
               : NULL;
}

const char *
path_id(struct call *c, size_t arg)
{
    if (is_id(c->arg[arg]))
        return arena_copy(c->req->task->arena, c->arg[arg]);
    answer_error(c, 400, "INVALID_REQUEST_PARAMS", "Payment id must be a number");
    return NULL;
}

/* ---- small things ---- */

const char *
upper_case(struct arena *a, const char *text)
{
    if (text == NULL)
        return NULL;
    char *copy = arena_copy(a, str_of(text));
    for (char *p = copy; *p != '\0'; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    }
    return copy;
}

const char *
tick_ms(struct arena *a)
{
    return arena_printf(a, "%lld", (long long)setting_int(&cfg_sandbox_tick_ms));
}

const char *
checkout_url(struct arena *a, const char *invoice_id)
{
    return arena_printf(a, "%s/sandbox/v1/checkout?iid=%s", setting_text(&cfg_supabase_url),
                        invoice_id);
}

/* ---- numbers ---- */

void
write_number_at(struct json_writer *w, const char *key, const char *digits)
{
    char text[32];

    if (digits == NULL) {
        jw_number_at(w, key, NULL);
        return;
    }
    np_js_number(str_of(digits), text);
    jw_number_at(w, key, text);
}

static void
write_with_strings(struct json_writer *w, const struct json *v)
{
    switch (json_type(v)) {
    case JSON_NUMBER:
        jw_str(w, json_text(v));
        break;
    case JSON_OBJECT:
        jw_open(w);
        for (const struct json *m = json_first(v); m != NULL; m = json_next(m)) {
            jw_key(w, json_key(m).ptr);
            write_with_strings(w, m);
        }
        jw_close(w);
        break;
    case JSON_ARRAY:
        jw_open_array(w);
        for (const struct json *m = json_first(v); m != NULL; m = json_next(m))
            write_with_strings(w, m);
        jw_close_array(w);
        break;
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_STRING:
        jw_value(w, v);
        break;
    }
}

struct str
numbers_as_strings(struct task *task, struct str json)
{
    struct fail fail = {0};
    const struct json *doc = NULL;
    struct buf out;
    struct json_writer w;

    if (json_parse(task->arena, &fail, json, &doc) != ERR_OK)
        return json;
    buf_init_arena(&out, task->arena, json.len * 2 + 1024);
    jw_init(&w, &out);
    write_with_strings(&w, doc);
    return out.overflow ? json : buf_str(&out);
}

/* ---- the payment object ---- */

struct payment_writer {
    struct json_writer *w;
    const struct db_row *row;
    int first;
};

static const char *
column(const struct payment_writer *p, enum payment_column c)
{
    return db_text(p->row, p->first + (int)c);
}

static void
text_at(const struct payment_writer *p, const char *key, enum payment_column c)
{
    jw_text_at(p->w, key, column(p, c));
}

static void
number_at(const struct payment_writer *p, const char *key, enum payment_column c)
{
    write_number_at(p->w, key, column(p, c));
}

static void
bool_at(const struct payment_writer *p, const char *key, enum payment_column c)
{
    jw_bool_at(p->w, key, db_true(p->row, p->first + (int)c));
}

/* Ids are strings here, and numbers in write_payment: so it is at the provider. */
void
write_created_payment(struct json_writer *w, const struct db_row *row, int first)
{
    const struct payment_writer p = {w, row, first};

    jw_open(w);
    text_at(&p, "payment_id", P_PAYMENT_ID);
    text_at(&p, "payment_status", P_STATUS);
    text_at(&p, "pay_address", P_PAY_ADDRESS);
    number_at(&p, "price_amount", P_PRICE_AMOUNT);
    text_at(&p, "price_currency", P_PRICE_CURRENCY);
    number_at(&p, "pay_amount", P_PAY_AMOUNT);
    number_at(&p, "amount_received", P_OUTCOME_AMOUNT);
    text_at(&p, "pay_currency", P_PAY_CURRENCY);
    text_at(&p, "order_id", P_ORDER_ID);
    text_at(&p, "order_description", P_ORDER_DESCRIPTION);
    text_at(&p, "payin_extra_id", P_PAYIN_EXTRA_ID);
    text_at(&p, "ipn_callback_url", P_IPN_CALLBACK_URL);
    text_at(&p, "customer_email", P_CUSTOMER_EMAIL);
    text_at(&p, "created_at", P_CREATED_AT);
    text_at(&p, "updated_at", P_UPDATED_AT);
    text_at(&p, "purchase_id", P_PURCHASE_ID);
    text_at(&p, "smart_contract", P_SMART_CONTRACT);
    text_at(&p, "network", P_NETWORK);
    text_at(&p, "network_precision", P_NETWORK_PRECISION);
    jw_text_at(w, "time_limit",
               db_true(row, first + P_IS_FIXED_RATE) ? column(&p, P_EXPIRES_AT) : NULL);
    jw_text_at(w, "burning_percent", NULL);
    text_at(&p, "expiration_estimate_date", P_EXPIRES_AT);
    bool_at(&p, "is_fixed_rate", P_IS_FIXED_RATE);
    bool_at(&p, "is_fee_paid_by_user", P_IS_FEE_PAID_BY_USER);
    text_at(&p, "valid_until", P_VALID_UNTIL);
    jw_text_at(w, "type", "crypto2crypto");
    jw_text_at(w, "product", "api");
    jw_close(w);
}

void
write_payment(struct json_writer *w, const struct db_row *row, int first)
{
    const struct payment_writer p = {w, row, first};

    jw_open(w);
    number_at(&p, "payment_id", P_PAYMENT_ID);
    number_at(&p, "invoice_id", P_INVOICE_ID);
    text_at(&p, "payment_status", P_STATUS);
    text_at(&p, "pay_address", P_PAY_ADDRESS);
    text_at(&p, "payin_extra_id", P_PAYIN_EXTRA_ID);
    number_at(&p, "price_amount", P_PRICE_AMOUNT);
    text_at(&p, "price_currency", P_PRICE_CURRENCY);
    number_at(&p, "pay_amount", P_PAY_AMOUNT);
    number_at(&p, "actually_paid", P_ACTUALLY_PAID);
    text_at(&p, "pay_currency", P_PAY_CURRENCY);
    text_at(&p, "order_id", P_ORDER_ID);
    text_at(&p, "order_description", P_ORDER_DESCRIPTION);
    number_at(&p, "purchase_id", P_PURCHASE_ID);
    number_at(&p, "outcome_amount", P_OUTCOME_AMOUNT);
    text_at(&p, "outcome_currency", P_OUTCOME_CURRENCY);
    text_at(&p, "payout_hash", P_PAYOUT_HASH);
    text_at(&p, "payin_hash", P_PAYIN_HASH);
    text_at(&p, "created_at", P_CREATED_AT);
    text_at(&p, "updated_at", P_UPDATED_AT);
    jw_text_at(w, "burning_percent", "null"); /* really the word */
    jw_text_at(w, "type", "crypto2crypto");
    if (column(&p, P_PAYMENT_EXTRA_IDS) != NULL) {
        jw_key(w, "payment_extra_ids");
        jw_raw(w, str_of(column(&p, P_PAYMENT_EXTRA_IDS)));
    }
    if (column(&p, P_PARENT_PAYMENT_ID) != NULL) {
        number_at(&p, "parent_payment_id", P_PARENT_PAYMENT_ID);
        text_at(&p, "origin_type", P_ORIGIN_TYPE);
    }
    jw_close(w);
}
