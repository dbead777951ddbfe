#include "input.h"

#include "nowpayments/client.h"

static const char *const required[] = {"orderId",     "userId",       "accountType",
                                       "accountSize", "platformType", "cryptoCurrency",
                                       "amount",      "finalAmount"};

static enum err
check_required(struct task *task, const struct json *body)
{
    struct buf missing;

    buf_init_arena(&missing, task->arena, 256);
    for (size_t i = 0; i < ARRAY_LEN(required); i++)
        if (json_text(json_get(body, required[i])).len == 0)
            buf_printf(&missing, "%s%s", missing.len == 0 ? "" : ", ", required[i]);
    if (missing.len == 0)
        return ERR_OK;
    return fail_set(&task->fail, ERR_INVALID, "Missing required fields: %s", missing.ptr);
}

/* One of the comma-separated `choices`; `what` is how the error names it. */
static enum err
read_choice(struct task *task, const struct json *body, const char *field, const char *what,
            const char *const *choices, const char *list, const char **ret)
{
    const struct str text = json_text(json_get(body, field));

    for (; *choices != NULL; choices++) {
        if (str_is(text, *choices)) {
            *ret = *choices;
            return ERR_OK;
        }
    }
    return fail_set(&task->fail, ERR_INVALID, "Invalid %s. Must be one of: %s", what, list);
}

static enum err
read_amount(struct task *task, const struct json *body, const char *field, struct decimal *ret)
{
    if (!decimal_read(json_text(json_get(body, field)), ret) || !decimal_is_positive(ret))
        return fail_set(&task->fail, ERR_INVALID, "Invalid %s. Must be a positive number", field);
    return ERR_OK;
}

enum err
input_read(struct task *task, const struct json *body, struct input *in)
{
    static const char *const types[] = {"instant", "hft", "one_step", "two_step", NULL};
    static const char *const platforms[] = {"mt4", "mt5", NULL};
    TRY(check_required(task, body));
    if (!order_id_read(json_text(json_get(body, "orderId")), in->order_id))
        return fail_set(&task->fail, ERR_INVALID, "Invalid orderId. Must be FFX and 9 digits");
    if (!uuid_read(json_text(json_get(body, "userId")), in->user_id))
        return fail_set(&task->fail, ERR_INVALID, "Invalid userId. Must be a UUID");
    TRY(read_choice(task, body, "accountType", "account type", types,
                    "instant, hft, one_step, two_step", &in->account_type));
    TRY(read_choice(task, body, "platformType", "platform type", platforms, "mt4, mt5",
                    &in->platform_type));
    in->crypto_currency = arena_copy(task->arena, json_text(json_get(body, "cryptoCurrency")));
    in->pay_currency = np_currency(in->crypto_currency);
    if (in->pay_currency == NULL)
        return fail_set(&task->fail, ERR_INVALID, "Invalid crypto currency. Must be one of: %s",
                        np_currency_list);
    TRY(read_amount(task, body, "accountSize", &in->account_size));
    TRY(read_amount(task, body, "amount", &in->amount));
    return read_amount(task, body, "finalAmount", &in->final_amount);
}
