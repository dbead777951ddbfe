/*
 * What input_read takes is in the forms that SQL and NOWPayments get, and what it refuses has a
 * text for the customer.
 */
#include "create-crypto-payment/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_input(const struct input *in)
{
    char id[UUID_SIZE], order[ORDER_ID_SIZE];

    MUST(order_id_read(str_of(in->order_id), order) && uuid_read(str_of(in->user_id), id));
    MUST(strcmp(in->user_id, id) == 0);
    MUST(in->account_type != NULL && in->platform_type != NULL && in->pay_currency != NULL);
    MUST(decimal_is_positive(&in->account_size) && decimal_is_positive(&in->amount) &&
         decimal_is_positive(&in->final_amount));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct task task = {.arena = arena_new(16 * 1024 * 1024)};
    const struct str text = {(const char *)data, size};
    const struct json *body;
    struct input in = {0};

    if (json_parse(task.arena, NULL, text, &body) == ERR_OK && json_type(body) == JSON_OBJECT) {
        const enum err e = input_read(&task, body, &in);

        if (e == ERR_OK)
            check_input(&in);
        else
            MUST(e == ERR_INVALID && task.fail.text[0] != '\0');
    }
    arena_free(task.arena);
    return 0;
}
