/* What a genuine callback says, or why it cannot be applied. */
#include "check_arena.h"

#include "payment-webhook/callback.h"

static struct task task;

static struct callback
read_text(const char *text)
{
    struct callback c = {.body = str_of(text)};

    task = (struct task){.arena = a};
    callback_read(&task, &c);
    assert_int_equal(task.fail.err, ERR_OK); /* whatever it is, this is no failure */
    return c;
}

static void
a_callback_is_read(void **state UNUSED)
{
    const struct callback c = read_text("{\"payment_id\":5077125051,\"payment_status\":\"waiting\","
                                        "\"order_id\":\"FFX000000001\",\"pay_amount\":1.5}");

    assert_null(c.unreadable);
    assert_false(c.foreign);
    assert_string_equal(c.payment.payment_id, "5077125051");
    assert_string_equal(c.payment.pay_amount, "1.5");
    assert_string_equal(c.payment_id, "5077125051");
    assert_string_equal(c.order_id, "FFX000000001");
}

static void
a_byte_order_mark_is_read_over(void **state UNUSED)
{
    assert_null(read_text("\xEF\xBB\xBF{\"payment_id\":1,\"payment_status\":\"waiting\"}").unreadable);
}

static void
reason_names_the_field(void **state UNUSED)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"{\"payment_status\":\"finished\"}", "payment field payment_id is missing"},
        {"{\"payment_id\":null,\"payment_status\":\"finished\"}",
         "payment field payment_id is missing"},
        {"{\"payment_id\":1}", "payment field payment_status is missing"},
        {"{\"payment_id\":\"x\",\"payment_status\":\"finished\"}",
         "payment field payment_id has the wrong form"},
        {"{\"payment_id\":1,\"payment_status\":[]}",
         "payment field payment_status has the wrong form"},
        {"{\"payment_id\":1,\"payment_status\":\"finished\",\"actually_paid\":\"much\"}",
         "payment field actually_paid has the wrong form"},
        {"[]", "payment field (whole) has the wrong form"},
        {"{\"a\":1,\"a\":2}", "Invalid JSON at byte 8: duplicate key"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct callback c = read_text(cases[i].text);

        assert_non_null(c.unreadable);
        assert_string_equal(c.unreadable, cases[i].reason);
        assert_false(c.foreign);
    }
}

static void
unreadable_one_says_what_it_is_about(void **state UNUSED)
{
    char text[400];
    struct callback c =
        read_text("{\"payment_id\":\"x\",\"order_id\":7,\"payment_status\":\"finished\"}");

    assert_string_equal(c.payment_id, "x");
    assert_string_equal(c.order_id, "7");
    (void)snprintf(text, sizeof text, "{\"payment_id\":{},\"order_id\":\"%0300d\"}", 1);
    c = read_text(text);
    assert_non_null(c.unreadable);
    assert_null(c.payment_id);
    assert_null(c.order_id);
}

static void
of_a_payout_is_foreign(void **state UNUSED)
{
    const struct callback c = read_text("{\"id\":\"123456789\",\"status\":\"CREATING\"}");

    assert_true(c.foreign);
    assert_string_equal(c.unreadable, "it is of no payment");
}

static const struct CMUnitTest tests[] = {
    TEST(a_callback_is_read),
    TEST(a_byte_order_mark_is_read_over),
    TEST(reason_names_the_field),
    TEST(unreadable_one_says_what_it_is_about),
    TEST(of_a_payout_is_foreign),
};

int
main(void)
{
    return cmocka_run_group_tests_name("flashfundx_callback", tests, NULL, NULL);
}
