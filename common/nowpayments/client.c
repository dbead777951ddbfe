/*
 * The calls, from bottom to top: whether one may be made at all (breaker, rate), how it is made and
 * what came of it (np_do_call), and then each of them: its body, and what it needs of the answer.
 */
#include "nowpayments/client.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/number.h"
#include "json/tree.h"
#include "json/write.h"
#include "net/call.h"
#include "net/header.h"
#include "base/url.h"
#include "nowpayments/internal.h"

#define ANSWER_MAX (64 * 1024)
#define BODY_MAX   (16 * 1024)

/* ---- currencies ---- */

static const struct {
    const char *frontend;
    const char *code;
} currencies[] = {
    {"usdt_bsc", "usdtbsc"},
    {"usdt_polygon", "usdtmatic"},
    {"usdt_trc20", "usdttrc20"},
    {"bnb", "bnbbsc"},
    {"btc", "btc"},
    {"trx", "trx"},
};

const char np_currency_list[] = "usdt_bsc, usdt_polygon, usdt_trc20, bnb, btc, trx";

const char *
np_currency(const char *frontend_code)
{
    for (size_t i = 0; i < ARRAY_LEN(currencies); i++) {
        if (strcmp(frontend_code, currencies[i].frontend) == 0)
            return currencies[i].code;
    }
    return NULL;
}

/* ---- circuit breaker and rate limit of this process ----
 * After BREAKER_FAULTS calls in a row without an answer, calls fail at once for BREAKER_OPEN_MS;
 * then one call is let through and decides. */

#define BREAKER_FAULTS  5
#define BREAKER_OPEN_MS 10000

static int faults_in_a_row;
static int64_t probe_at_ms; /* while open: when the next call may pass */

static bool
breaker_lets_pass(void)
{
    if (faults_in_a_row < BREAKER_FAULTS)
        return true;
    const int64_t now = clock_ms();
    if (now < probe_at_ms)
        return false;
    probe_at_ms = now + BREAKER_OPEN_MS; /* the others wait for this one's result */
    return true;
}

static void
breaker_note(bool answered)
{
    if (answered) {
        faults_in_a_row = 0;
    } else if (++faults_in_a_row >= BREAKER_FAULTS) {
        faults_in_a_row = BREAKER_FAULTS;
        probe_at_ms = clock_ms() + BREAKER_OPEN_MS;
    }
}

/* The provider allows 10 reads of payments a second and address. */
#define READS_PER_S 10

bool
np_read_allowed(void)
{
    static int64_t last[READS_PER_S]; /* ring of the last reads */
    static size_t oldest;
    const int64_t now = clock_ms();

    if (last[oldest] != 0 && now - last[oldest] < 1000)
        return false;
    last[oldest] = now;
    oldest = (oldest + 1) % READS_PER_S;
    return true;
}

/* ---- calls ---- */

static const char *
api_key(void)
{
    if (setting_bool(&cfg_nowpayments_sandbox_mode)) {
        return setting_text(&cfg_nowpayments_sandbox_api_key); /* the real key never goes there */
    }
    return setting_text(&cfg_nowpayments_api_key);
}

/* Their message, cut and without control characters; NULL when the body is no error envelope. */
static const char *
envelope_message(struct task *task, const struct json *body)
{
    const struct json *v = json_get(body, "message");

    if (v != NULL && json_type(v) == JSON_ARRAY)
        v = json_first(v);
    const struct str text = json_text(v);
    if (text.len == 0)
        return NULL;
    size_t len = MIN(text.len, 300);
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--; /* not in the middle of a UTF-8 sequence */
    char *message = arena_copy(task->arena, (struct str){text.ptr, len});
    for (char *p = message; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    }
    return message;
}

/* An answer that is not 2xx.  Only the error envelope is the provider's own word; a bare 5xx comes
 * from something in between and says nothing about what happened behind it.  Reads fail with
 * ERR_UPSTREAM for every passing fault, so that callers can fall back to what they know. */
static enum err
refused(struct task *task, const struct np_call *call, const struct http_answer *answer,
        const struct json *body)
{
    const char *message = envelope_message(task, body);
    const bool passing = answer->status >= 500 || answer->status == 429;

    if (call->read_only && passing) {
        fail_detail(&task->fail, ERR_UPSTREAM, "%s %s answered %d: %s", call->method, call->path,
                    answer->status, message == NULL ? "" : message);
        task->fail.retry_after_s = answer->retry_after_s;
        return ERR_UPSTREAM;
    }
    if (call->read_only && answer->status == 404)
        return fail_detail(&task->fail, ERR_NOT_FOUND, "%s %s answered 404", call->method,
                           call->path);
    if (message == NULL && answer->status >= 500)
        return fail_detail(&task->fail, ERR_UNKNOWN_OUTCOME, "%s %s answered %d without envelope",
                           call->method, call->path, answer->status);
    fail_set(&task->fail, ERR_PROVIDER, "NowPayments error: %s",
             message != NULL ? message : http_reason(answer->status));
    return fail_detail(&task->fail, ERR_PROVIDER, "%s %s answered %d", call->method, call->path,
                       answer->status);
}

/* What a caller's client is told when the call failed without the provider's own words. */
static enum err
say(struct task *task, enum err e)
{
    if (e == ERR_UPSTREAM)
        return fail_say(&task->fail, e, "Payment provider is not reachable");
    if (e == ERR_UNKNOWN_OUTCOME)
        return fail_say(&task->fail, e, "Payment provider did not answer");
    return e;
}

enum err
np_unreadable(struct task *task, const struct np_call *call, const char *why)
{
    return say(task, fail_detail(&task->fail, call->read_only ? ERR_UPSTREAM : ERR_UNKNOWN_OUTCOME,
                                 "%s %s: unreadable answer: %s", call->method, call->path, why));
}

/* It made what nobody may be shown: as good as refused. */
static enum err
unusable(struct task *task, const struct np_call *call, const char *why)
{
    fail_set(&task->fail, ERR_PROVIDER, "NowPayments error: %s", why);
    return fail_detail(&task->fail, ERR_PROVIDER, "%s %s: %s", call->method, call->path, why);
}

/* Where a customer may be sent: https; the sandbox may be without. */
static bool
may_lead_to(const char *url)
{
    const struct str host = url_host(str_of(url));
    const bool plain = strncmp(url, "http://", 7) == 0;

    for (const char *p = url; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7F)
            return false;
    return host.len > 0 && (strncmp(url, "https://", 8) == 0 ||
                            (plain && setting_bool(&cfg_nowpayments_sandbox_mode)));
}

static enum err
send_call(struct task *task, const struct np_call *call, struct http_answer *ret)
{
    if (!breaker_lets_pass())
        return fail_detail(&task->fail, ERR_UPSTREAM, "circuit open after %d faults",
                           BREAKER_FAULTS);
    const char *base =
        setting_text(setting_bool(&cfg_nowpayments_sandbox_mode) ? &cfg_nowpayments_sandbox_api_url
                                                                 : &cfg_nowpayments_api_url);
    const char *headers[5] = {arena_join(task->arena, "x-api-key: ", api_key()),
                              "Accept: application/json"};
    size_t count = 2;
    if (call->body.len > 0)
        headers[count++] = "Content-Type: application/json";
    if (call->token != NULL)
        headers[count++] = arena_join(task->arena, "Authorization: Bearer ", call->token);
    const struct http_request request = {
        .method = call->method,
        .url = arena_join(task->arena, base, call->path),
        .headers = headers,
        .body = call->body,
        .timeout_ms = (int)setting_int(&cfg_nowpayments_timeout_ms),
        .answer_max = ANSWER_MAX,
        .idempotent = call->read_only,
    };
    const enum err e = http_call(task, &request, ret);
    /* Without time to try, the lateness was ours. */
    if (e == ERR_OK || clock_ms() < task->deadline_ms || e == ERR_UNKNOWN_OUTCOME)
        breaker_note(e == ERR_OK);
    /* A read that got lost did no harm. */
    return e == ERR_UNKNOWN_OUTCOME && call->read_only ? ERR_UPSTREAM : e;
}

/* The text of a failure is about their body, not about our client's: it becomes *ret_why. */
static bool
parse_body(struct task *task, struct str text, const struct json **ret, const char **ret_why)
{
    const struct fail *f = &task->fail;
    const enum err e = json_parse_foreign(task->arena, &task->fail, text, SIZE_MAX, ret);

    if (e == ERR_OK)
        return true;
    *ret_why = arena_copy(task->arena, str_of(fail_text(f, e)));
    task->fail = (struct fail){0};
    return false;
}

static enum err
do_call(struct task *task, const struct np_call *call, struct str *ret_raw, const struct json **ret)
{
    struct http_answer answer = {0};
    const struct json *body = NULL;
    const char *why = NULL;

    TRY(send_call(task, call, &answer));
    const bool parsed = parse_body(task, answer.body, &body, &why);
    if (answer.status < 200 || answer.status > 299)
        return refused(task, call, &answer, parsed ? body : NULL);
    if (!parsed)
        return np_unreadable(task, call, why);
    if (json_type(body) != JSON_OBJECT)
        return np_unreadable(task, call, "not an object");
    *ret_raw = answer.body;
    *ret = body;
    return ERR_OK;
}

enum err
np_do_call(struct task *task, const struct np_call *call, struct str *ret_raw,
           const struct json **ret)
{
    return say(task, do_call(task, call, ret_raw, ret));
}

enum err
np_create_invoice(struct task *task, const struct np_invoice_order *order, struct np_invoice *ret)
{
    struct buf out;
    struct json_writer w;

    MUST(order->price_amount != NULL && order->order_id != NULL);
    buf_init_arena(&out, task->arena, BODY_MAX);
    jw_init(&w, &out);
    jw_open(&w);
    jw_number_at(&w, "price_amount", order->price_amount);
    jw_text_at(&w, "price_currency", "usd");
    jw_text_at(&w, "order_id", order->order_id);
    jw_text_at(&w, "order_description", order->order_description);
    jw_text_at(&w, "ipn_callback_url", order->ipn_callback_url);
    jw_text_at(&w, "success_url", order->success_url);
    jw_text_at(&w, "cancel_url", order->cancel_url);
    jw_close(&w);
    if (out.overflow)
        return fail_detail(&task->fail, ERR_INTERNAL, "invoice request over %d bytes", BODY_MAX);

    const struct np_call call = {"POST", "/invoice", buf_str(&out), false, NULL};
    struct str raw;
    const struct json *answer;
    struct np_invoice invoice;
    TRY(np_do_call(task, &call, &raw, &answer));
    if (np_read_id(task, answer, "id", &invoice.id) != ERR_OK ||
        np_read_scalar(task, answer, "invoice_url", 2048, &invoice.invoice_url) != ERR_OK ||
        invoice.id == NULL || invoice.invoice_url == NULL)
        return np_unreadable(task, &call, "no id or invoice_url");
    if (!may_lead_to(invoice.invoice_url))
        return unusable(task, &call, "the invoice has no usable address");
    *ret = invoice;
    return ERR_OK;
}

static bool
is_nothing(const struct json *v)
{
    const struct str text = json_text(v);

    return v == NULL || json_type(v) == JSON_NULL || (text.ptr != NULL && text.len == 0);
}

enum err
np_create_invoice_payment(struct task *task, const char *invoice_id, const char *pay_currency,
                          const char *order_description, struct np_payment *ret)
{
    struct buf out;
    struct json_writer w;

    MUST(invoice_id != NULL && pay_currency != NULL);
    buf_init_arena(&out, task->arena, BODY_MAX);
    jw_init(&w, &out);
    jw_open(&w);
    jw_number_at(&w, "iid", invoice_id);
    jw_text_at(&w, "pay_currency", pay_currency);
    jw_text_at(&w, "order_description", order_description);
    jw_close(&w);
    if (out.overflow)
        return fail_detail(&task->fail, ERR_INTERNAL, "payment request over %d bytes", BODY_MAX);

    const struct np_call call = {"POST", "/invoice-payment", buf_str(&out), false, NULL};
    struct str raw;
    const struct json *answer;
    struct np_payment payment;
    struct decimal amount;
    TRY(np_do_call(task, &call, &raw, &answer));
    if (np_payment_read(task, answer, &payment) != ERR_OK || payment.payment_id == NULL ||
        payment.pay_address == NULL || payment.pay_amount == NULL || payment.pay_currency == NULL)
        return np_unreadable(task, &call, "a payment without id, address, amount or currency");
    if (payment.payin_extra_id == NULL && !is_nothing(json_get(answer, "payin_extra_id")))
        return unusable(task, &call, "the payment's memo is unreadable");
    if (!decimal_read(str_of(payment.pay_amount), &amount) || !decimal_is_positive(&amount))
        return unusable(task, &call, "the amount to pay is not positive");
    payment.raw = raw;
    *ret = payment;
    return ERR_OK;
}

enum err
np_get_payment(struct task *task, const char *payment_id, struct np_payment *ret)
{
    MUST(payment_id != NULL);
    if (!np_read_allowed())
        return fail_detail(&task->fail, ERR_UPSTREAM, "local rate limit");

    struct buf path;
    buf_init_arena(&path, task->arena, 256);
    buf_add_text(&path, "/payment/");
    percent_encode(&path, str_of(payment_id));
    if (path.overflow)
        return fail_detail(&task->fail, ERR_INTERNAL, "payment id too long");

    const struct np_call call = {"GET", path.ptr, STR_NONE, true, NULL};
    struct str raw;
    const struct json *answer;
    struct np_payment payment;
    TRY(np_do_call(task, &call, &raw, &answer));
    if (np_payment_read(task, answer, &payment) != ERR_OK || payment.payment_id == NULL ||
        payment.status == NULL || strcmp(payment.payment_id, payment_id) != 0)
        return np_unreadable(task, &call, "not the payment asked for");
    payment.raw = raw;
    *ret = payment;
    return ERR_OK;
}

enum err
np_status(struct task *task)
{
    const struct np_call call = {"GET", "/status", STR_NONE, true, NULL};
    struct str raw;
    const struct json *answer;

    TRY(np_do_call(task, &call, &raw, &answer));
    if (!str_is(json_text(json_get(answer, "message")), "OK"))
        return np_unreadable(task, &call, "message is not OK");
    return ERR_OK;
}
