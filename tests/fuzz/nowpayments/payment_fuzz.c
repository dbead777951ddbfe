/*
 * A payment that is read has amounts that are decimals, ids that are whole numbers, and times that
 * begin like one; one that is refused changes nothing.
 */
#include "nowpayments/payment.h"

#include "base/number.h"
#include "json/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_amount(const char *text)
{
    struct decimal d;

    MUST(text == NULL || (decimal_read(str_of(text), &d) && strpbrk(text, "eE") == NULL));
}

static void
check_id(const char *text)
{
    MUST(text == NULL ||
         (text[0] != '\0' && strlen(text) <= 20 && strspn(text, "0123456789") == strlen(text)));
}

static void
check_time(const char *text)
{
    MUST(text == NULL || (strlen(text) >= 19 && text[4] == '-' && text[10] == 'T'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct task task = {.arena = arena_new(16 * 1024 * 1024)};
    const struct str text = {(const char *)data, size};
    struct np_payment p = {.status = "untouched"};
    const struct json *doc;

    if (json_parse(task.arena, NULL, text, &doc) == ERR_OK) {
        const enum err e = np_payment_read(&task, doc, &p);

        if (e == ERR_OK) {
            check_id(p.payment_id);
            check_id(p.parent_payment_id);
            check_id(p.invoice_id);
            check_id(p.purchase_id);
            check_amount(p.pay_amount);
            check_amount(p.actually_paid);
            check_amount(p.price_amount);
            check_amount(p.outcome_amount);
            check_time(p.created_at);
            check_time(p.updated_at);
            check_time(p.time_limit);
            check_time(p.expires_at);
            check_time(p.valid_until);
        } else {
            MUST(e == ERR_INVALID && strcmp(p.status, "untouched") == 0);
        }
    }
    arena_free(task.arena);
    return 0;
}
