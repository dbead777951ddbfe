#include "base/arena.h"
#include "base/err.h"
#include "base/task.h"
#include "check.h"
#include "create-crypto-payment/input.h"
#include "json/tree.h"

static struct task task;

static int
set_up(void **state)
{
    (void)state;
    task = (struct task){.arena = arena_new(1024 * 1024)};
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(task.arena);
    return 0;
}

#define USER "A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"
#define GOOD                                                                                       \
    "{\"orderId\":\"FFX123456789\",\"userId\":\"" USER "\",\"accountType\":\"two_step\","          \
    "\"accountSize\":10000,\"platformType\":\"mt5\",\"cryptoCurrency\":\"usdt_bsc\","              \
    "\"amount\":119.00,\"finalAmount\":\"99.5\"}"

static enum err
read_text(const char *text, struct input *ret)
{
    const struct json *body;

    task.fail = (struct fail){0};
    assert_int_equal(json_parse(task.arena, NULL, str_of(text), &body), ERR_OK);
    return input_read(&task, body, ret);
}

/* GOOD with `from` replaced by `to` is refused with this text. */
static void
refused(const char *from, const char *to, const char *text)
{
    const char *at = strstr(GOOD, from);
    struct input in = {0};

    assert_non_null(at);
    assert_int_equal(read_text(arena_printf(task.arena, "%.*s%s%s", (int)(at - GOOD), GOOD, to,
                                            at + strlen(from)),
                               &in),
                     ERR_INVALID);
    assert_string_equal(fail_text(&task.fail, ERR_INVALID), text);
}

static void
good_input_is_read(void **state)
{
    struct input in = {0};

    (void)state;
    assert_int_equal(read_text(GOOD, &in), ERR_OK);
    assert_string_equal(in.order_id, "FFX123456789");
    assert_string_equal(in.user_id, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    assert_string_equal(in.account_type, "two_step");
    assert_string_equal(in.platform_type, "mt5");
    assert_string_equal(in.crypto_currency, "usdt_bsc");
    assert_string_equal(in.pay_currency, "usdtbsc");
    assert_string_equal(in.account_size.text, "10000");
    assert_string_equal(in.amount.text, "119");
    assert_string_equal(in.final_amount.text, "99.5");
}

static void
all_that_is_missing_is_named_at_once(void **state)
{
    struct input in = {0};

    (void)state;
    assert_int_equal(read_text("{\"orderId\":\"FFX123456789\",\"amount\":null}", &in), ERR_INVALID);
    assert_string_equal(fail_text(&task.fail, ERR_INVALID),
                        "Missing required fields: userId, accountType, accountSize, platformType, "
                        "cryptoCurrency, amount, finalAmount");
}

static void
each_field_has_its_form(void **state)
{
    (void)state;
    refused("FFX123456789", "FFX12345678", "Invalid orderId. Must be FFX and 9 digits");
    refused(USER, "me", "Invalid userId. Must be a UUID");
    refused("two_step", "three_step",
            "Invalid account type. Must be one of: instant, hft, one_step, two_step");
    refused("mt5", "MT5", "Invalid platform type. Must be one of: mt4, mt5");
    refused(
        "usdt_bsc", "doge",
        "Invalid crypto currency. Must be one of: usdt_bsc, usdt_polygon, usdt_trc20, bnb, btc, "
        "trx");
}

static void
amounts_are_positive_numbers(void **state)
{
    (void)state;
    refused("10000", "0", "Invalid accountSize. Must be a positive number");
    refused("119.00", "-119", "Invalid amount. Must be a positive number");
    refused("\"99.5\"", "\"NaN\"", "Invalid finalAmount. Must be a positive number");
    refused("\"99.5\"", "1e99", "Invalid finalAmount. Must be a positive number");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_input_is_read),
        TEST(all_that_is_missing_is_named_at_once),
        TEST(each_field_has_its_form),
        TEST(amounts_are_positive_numbers),
    };

    return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
