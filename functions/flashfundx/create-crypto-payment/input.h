/*
 * input: what a customer asks for, read from the body of the request.
 * Thread rule: loop's thread.
 */
#ifndef FFX_INPUT_H
#define FFX_INPUT_H

#include "base/encode.h"
#include "base/number.h"
#include "base/task.h"
#include "json/tree.h"
#include "shared/order.h"

struct input {
    char order_id[ORDER_ID_SIZE];
    char user_id[UUID_SIZE];
    const char *account_type;
    const char *platform_type;
    const char *crypto_currency;
    const char *pay_currency; /* NOWPayments' code */
    struct decimal account_size, amount, final_amount;
};

/* Read `body`, a JSON object.  ERR_INVALID with a text that names the first thing that is missing
 * or wrong. */
NODISCARD enum err input_read(struct task *task, const struct json *body, struct input *ret);

#endif
