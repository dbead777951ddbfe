/*
 * Reading what NOWPayments says about a payment: np_payment_read, and a reader for each form of
 * field.  Apart from the calls, so that a function that only gets callbacks loads no HTTP client.
 */
#include "nowpayments/payment.h"

#include "base/clock.h"
#include "base/number.h"
#include "json/tree.h"
#include "nowpayments/internal.h"

static enum err
wrong_form(struct task *task, const char *field)
{
    fail_set(&task->fail, ERR_INVALID, "Invalid payload");
    return fail_detail(&task->fail, ERR_INVALID, "payment field %s has the wrong form", field);
}

enum err
np_read_scalar(struct task *task, const struct json *object, const char *field, size_t len_max,
               const char **ret)
{
    const struct json *v = json_get(object, field);

    *ret = NULL;
    if (v == NULL || json_type(v) == JSON_NULL)
        return ERR_OK;
    const struct str text = json_text(v);
    if (text.ptr == NULL || text.len > len_max)
        return wrong_form(task, field);
    if (text.len > 0)
        *ret = arena_copy(task->arena, text);
    return ERR_OK;
}

enum err
np_read_id(struct task *task, const struct json *object, const char *field, const char **ret)
{
    const char *text;
    struct decimal id;

    TRY(np_read_scalar(task, object, field, 64, &text));
    *ret = NULL;
    if (text == NULL)
        return ERR_OK;
    if (!decimal_read(str_of(text), &id) || strpbrk(id.text, "-.") != NULL)
        return wrong_form(task, field);
    *ret = arena_copy(task->arena, str_of(id.text));
    return ERR_OK;
}

/* The sender computes with doubles, so a tiny amount can have more than 18 decimals
 * (1.2345678901234567e-7).  Digits behind the 18th are cut: no coin has more, and a genuine event
 * must not be lost over them. */
static bool
decimal_read_cut(struct arena *a, const char *text, struct decimal *ret)
{
    const size_t mantissa_len = strcspn(text, "eE");
    const size_t sign_len = text[0] == '-';
    char *digits = arena_alloc(a, mantissa_len + 1);
    size_t count = 0;
    size_t point = mantissa_len; /* where it stands */
    int64_t exponent = 0;

    for (size_t i = sign_len; i < mantissa_len; i++) {
        if (text[i] >= '0' && text[i] <= '9')
            digits[count++] = text[i];
        else if (text[i] == '.' && point == mantissa_len)
            point = i;
        else
            return false;
    }
    if (text[mantissa_len] != '\0') {
        const char *p = text + mantissa_len + 1;
        if (!number_i64(str_of(p + (*p == '+')), &exponent) || exponent < -400 || exponent > 20)
            return false;
    }
    const size_t fraction = point < mantissa_len ? mantissa_len - point - 1 : 0;
    const int64_t decimals = (int64_t)fraction - exponent;
    if (count == 0 || decimals <= 18)
        return false;
    const size_t cut = (size_t)(decimals - 18);
    digits[count > cut ? count - cut : 0] = '\0';
    const char *significant = digits + strspn(digits, "0");
    if (significant[0] == '\0')
        return decimal_read(STR("0"), ret);
    return decimal_read(str_of(arena_printf(a, "%s%se-18", sign_len > 0 ? "-" : "", significant)),
                        ret);
}

/* At most `most` bytes of a text, and no half character. */
static struct str
cut(struct str text, size_t most)
{
    size_t len = MIN(text.len, most);

    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    return (struct str){text.ptr, len};
}

/* A text that decides something: of another type it is refused, but a genuine event is not lost
 * over its length: what is cut is none of the words we know. */
static enum err
read_word(struct task *task, const struct json *object, const char *field, size_t len_max,
          const char **ret)
{
    const struct json *v = json_get(object, field);
    const struct str text = json_text(v);

    if (text.len <= len_max)
        return np_read_scalar(task, object, field, len_max, ret);
    *ret = arena_copy(task->arena, cut(text, len_max));
    return ERR_OK;
}

/* A field that decides nothing has another form: it is left out, for the event is stored as it
 * came, so that nothing is lost. */
static const char *
left_out(struct task *task)
{
    task->fail = (struct fail){0};
    return NULL;
}

static void
inform(struct task *task, const struct json *object, const char *field, size_t len_max,
       const char **ret)
{
    if (np_read_scalar(task, object, field, len_max, ret) != ERR_OK)
        *ret = left_out(task);
}

/* 0 means that there is none. */
static enum err
read_parent(struct task *task, const struct json *object, const char **ret)
{
    TRY(np_read_id(task, object, "parent_payment_id", ret));
    if (*ret != NULL && strcmp(*ret, "0") == 0)
        *ret = NULL;
    return ERR_OK;
}

/* Decimal text with the provider's own digits; an exponent is written out. */
static enum err
read_amount(struct task *task, const struct json *object, const char *field, const char **ret)
{
    const char *text;
    struct decimal amount;

    TRY(np_read_scalar(task, object, field, 128, &text));
    *ret = text;
    if (text == NULL)
        return ERR_OK;
    const bool plain = decimal_read(str_of(text), &amount);
    if (!plain && !decimal_read_cut(task->arena, text, &amount))
        return wrong_form(task, field);
    if (!plain || strpbrk(text, "eE") != NULL)
        *ret = arena_copy(task->arena, str_of(amount.text));
    return ERR_OK;
}

/* "2025-08-27T16:56:58.628Z"; the shape only. */
static bool
looks_like_time(const char *text)
{
    static const char shape[] = "0000-00-00T00:00:00";
    const size_t len = strlen(text);

    if (len < sizeof(shape) - 1 || len > 32)
        return false;
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (shape[i] == '0' ? !digit : text[i] != shape[i])
            return false;
    }
    return strspn(text + sizeof(shape) - 1, "0123456789.:+-Z") == len - (sizeof(shape) - 1);
}

/* ISO text, or milliseconds since 1970 as number or string.  Times only inform; one in an unknown
 * form is left out rather than losing the event it came with. */
static const char *
read_time(struct task *task, const struct json *object, const char *field)
{
    const struct str text = json_text(json_get(object, field));
    int64_t ms;

    if (text.len == 0 || text.len > 32)
        return NULL;
    if (number_i64(text, &ms)) {
        if (ms <= 0 || ms > INT64_C(253402300799999)) /* year 9999 */
            return NULL;
        char *iso = arena_alloc(task->arena, TIMESTAMP_SIZE);
        timestamp_format(ms * 1000, iso);
        return iso;
    }
    const char *iso = arena_copy(task->arena, text);
    return looks_like_time(iso) ? iso : NULL;
}

enum err
np_payment_read(struct task *task, const struct json *object, struct np_payment *ret)
{
    struct np_payment p = {0};

    if (object == NULL || json_type(object) != JSON_OBJECT)
        return wrong_form(task, "(whole)");
    TRY(np_read_id(task, object, "payment_id", &p.payment_id));
    TRY(read_parent(task, object, &p.parent_payment_id));
    TRY(read_amount(task, object, "pay_amount", &p.pay_amount));
    TRY(read_amount(task, object, "actually_paid", &p.actually_paid));
    TRY(read_amount(task, object, "price_amount", &p.price_amount));
    TRY(read_word(task, object, "payment_status", 64, &p.status));
    TRY(read_word(task, object, "pay_currency", 32, &p.pay_currency));
    TRY(read_word(task, object, "price_currency", 32, &p.price_currency));
    TRY(read_word(task, object, "order_id", 1024, &p.order_id));
    inform(task, object, "pay_address", 256, &p.pay_address);
    inform(task, object, "payin_extra_id", 128, &p.payin_extra_id);
    inform(task, object, "outcome_currency", 32, &p.outcome_currency);
    if (np_read_id(task, object, "invoice_id", &p.invoice_id) != ERR_OK)
        p.invoice_id = left_out(task);
    if (np_read_id(task, object, "purchase_id", &p.purchase_id) != ERR_OK)
        p.purchase_id = left_out(task);
    if (read_amount(task, object, "outcome_amount", &p.outcome_amount) != ERR_OK)
        p.outcome_amount = left_out(task);
    p.created_at = read_time(task, object, "created_at");
    p.updated_at = read_time(task, object, "updated_at");
    p.time_limit = read_time(task, object, "time_limit");
    p.expires_at = read_time(task, object, "expiration_estimate_date");
    p.valid_until = read_time(task, object, "valid_until");
    *ret = p;
    return ERR_OK;
}
