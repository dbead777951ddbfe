/* Payments of the provider's answers and callbacks. */
#include "check_arena.h"

#include "base/task.h"
#include "json/tree.h"
#include "nowpayments/payment.h"

static struct task task;

static enum err
read_payment(const char *text, struct np_payment *ret)
{
    struct fail fail = {0};
    const struct json *doc = NULL;
    if (json_parse(a, &fail, str_of(text), &doc) != ERR_OK)
        fail_msg("%s: %s", fail.text, text);
    task = (struct task){.arena = a};
    return np_payment_read(&task, doc, ret);
}

static void
refuse(const char *text)
{
    struct np_payment p = {.status = "untouched"};
    assert_int_equal(read_payment(text, &p), ERR_INVALID);
    assert_string_equal(fail_text(&task.fail, ERR_INVALID), "Invalid payload");
    assert_string_equal(p.status, "untouched");
}

/* The answer to POST /payment: ids are strings, amounts numbers. */
static void
test_create_answer(void **state UNUSED)
{
    struct np_payment p;
    assert_int_equal(
        read_payment("{\"payment_id\":\"5977953151\",\"payment_status\":\"waiting\","
                     "\"pay_address\":\"0x24070CE7202c541381F3dF0aeb58d253006b9262\","
                     "\"price_amount\":13,\"price_currency\":\"usd\",\"pay_amount\":13.25552622,"
                     "\"amount_received\":12.96277893,\"pay_currency\":\"usdtbsc\","
                     "\"order_id\":null,\"payin_extra_id\":null,"
                     "\"created_at\":\"2025-08-27T16:56:58.628Z\","
                     "\"purchase_id\":\"4740818607\",\"network_precision\":null,"
                     "\"time_limit\":null,"
                     "\"expiration_estimate_date\":\"2025-08-27T17:16:58.628Z\","
                     "\"valid_until\":\"2025-09-03T16:56:58.628Z\"}",
                     &p),
        ERR_OK);
    assert_string_equal(p.payment_id, "5977953151");
    assert_string_equal(p.status, "waiting");
    assert_string_equal(p.pay_address, "0x24070CE7202c541381F3dF0aeb58d253006b9262");
    assert_string_equal(p.price_amount, "13");
    assert_string_equal(p.pay_amount, "13.25552622");
    assert_string_equal(p.pay_currency, "usdtbsc");
    assert_string_equal(p.purchase_id, "4740818607");
    assert_string_equal(p.created_at, "2025-08-27T16:56:58.628Z");
    assert_string_equal(p.expires_at, "2025-08-27T17:16:58.628Z");
    assert_string_equal(p.valid_until, "2025-09-03T16:56:58.628Z");
    assert_null(p.order_id);
    assert_null(p.payin_extra_id);
    assert_null(p.time_limit);
    assert_null(p.actually_paid);
    assert_null(p.invoice_id);
}

/* A callback: ids are numbers, the time is in milliseconds. */
static void
test_callback(void **state UNUSED)
{
    struct np_payment p;
    assert_int_equal(read_payment("{\"actually_paid\":11,\"fee\":{\"depositFee\":0.133779},"
                                  "\"invoice_id\":5036726621,\"order_id\":\"FFX123456789\","
                                  "\"outcome_amount\":10.81189009,\"outcome_currency\":\"usdtbsc\","
                                  "\"parent_payment_id\":5592161154,\"pay_amount\":10.99726171,"
                                  "\"payment_id\":5699762270,\"payment_status\":\"finished\","
                                  "\"price_amount\":11,\"purchase_id\":\"4409335830\","
                                  "\"updated_at\":1752957872000}",
                                  &p),
                     ERR_OK);
    assert_string_equal(p.payment_id, "5699762270");
    assert_string_equal(p.invoice_id, "5036726621");
    assert_string_equal(p.parent_payment_id, "5592161154");
    assert_string_equal(p.actually_paid, "11");
    assert_string_equal(p.outcome_amount, "10.81189009");
    assert_string_equal(p.order_id, "FFX123456789");
    assert_string_equal(p.updated_at, "2025-07-19T20:44:32.000Z");
}

/* Numbers and strings read alike, with the digits that were sent. */
static void
test_all_strings(void **state UNUSED)
{
    struct np_payment numbers;
    struct np_payment strings;
    assert_int_equal(read_payment("{\"payment_id\":5954418507,\"pay_amount\":4.98842014,"
                                  "\"actually_paid\":4.50,\"price_amount\":5.00,"
                                  "\"updated_at\":1708011564521}",
                                  &numbers),
                     ERR_OK);
    assert_int_equal(read_payment("{\"payment_id\":\"5954418507\",\"pay_amount\":\"4.98842014\","
                                  "\"actually_paid\":\"4.50\",\"price_amount\":\"5.00\","
                                  "\"updated_at\":\"1708011564521\"}",
                                  &strings),
                     ERR_OK);
    assert_string_equal(numbers.payment_id, strings.payment_id);
    assert_string_equal(numbers.pay_amount, "4.98842014");
    assert_string_equal(strings.pay_amount, "4.98842014");
    assert_string_equal(numbers.actually_paid, "4.50");
    assert_string_equal(strings.actually_paid, "4.50");
    assert_string_equal(numbers.price_amount, strings.price_amount);
    assert_string_equal(numbers.updated_at, "2024-02-15T15:39:24.521Z");
    assert_string_equal(numbers.updated_at, strings.updated_at);
}

static void
test_amount_spellings(void **state UNUSED)
{
    static const struct {
        const char *sent;
        const char *read;
    } cases[] = {
        {"1e-7", "0.0000001"},
        {"1.50E+1", "15"},
        {"\"2.7e-7\"", "0.00000027"},
        {"0", "0"},
        {"0.000000000000000001", "0.000000000000000001"},
        /* digits behind the 18th decimal are cut, the event is not lost */
        {"0.0000001234567890123456", "0.000000123456789012"},
        {"1.2345678901234567e-7", "0.000000123456789012"},
        {"-1.2345678901234567e-7", "-0.000000123456789012"},
        {"0.00778773999999999959331642429560815799050033092498779296875", "0.007787739999999999"},
        {"1e-19", "0"},
        {"12345678.1234567890123456789", "12345678.123456789012345678"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct np_payment p;
        assert_int_equal(read_payment(arena_printf(a, "{\"pay_amount\":%s}", cases[i].sent), &p),
                         ERR_OK);
        assert_string_equal(p.pay_amount, cases[i].read);
    }
}

static void
test_ids(void **state UNUSED)
{
    struct np_payment p;
    assert_int_equal(read_payment("{\"payment_id\":5745459419.0}", &p), ERR_OK);
    assert_string_equal(p.payment_id, "5745459419");
    assert_int_equal(read_payment("{\"payment_id\":12345678901234567890}", &p), ERR_OK);
    assert_string_equal(p.payment_id, "12345678901234567890");
    refuse("{\"payment_id\":-5}");
    refuse("{\"payment_id\":5.5}");
    refuse("{\"payment_id\":\"abc\"}");
    refuse("{\"payment_id\":\"1 or 1=1\"}");
    refuse("{\"payment_id\":true}");
    refuse("{\"payment_id\":[5]}");
    refuse("{\"payment_id\":1e300}");
}

static void
test_wrong_forms(void **state UNUSED)
{
    refuse("[]");
    refuse("\"text\"");
    refuse("{\"pay_amount\":\"12,5\"}");
    refuse("{\"pay_amount\":\"\\u00a05\"}");
    refuse("{\"pay_amount\":\"NaN\"}");
    refuse("{\"pay_amount\":\"0.1234567890123456789x\"}");
    refuse("{\"pay_amount\":\"0.12345.67890123456789\"}");
    refuse("{\"pay_amount\":\"1e-99999\"}");
    refuse("{\"pay_amount\":false}");
    refuse("{\"payment_status\":{\"a\":1}}");
    refuse("{\"parent_payment_id\":{}}");
    refuse("{\"order_id\":[]}");
    refuse("{\"pay_currency\":true}");
}

/* A field that decides nothing loses no event, whatever it is. */
static void
test_what_decides_nothing(void **state UNUSED)
{
    static const char *const others[] = {"{}", "[1]", "true", "\"x y\"", "-1.5e400"};
    static const char *const fields[] = {
        "invoice_id",        "purchase_id", "outcome_amount",   "payin_extra_id",
        "order_description", "pay_address", "outcome_currency", "fee",
        "created_at"};

    for (size_t f = 0; f < ARRAY_LEN(fields); f++) {
        for (size_t i = 0; i < ARRAY_LEN(others); i++) {
            struct np_payment p;

            assert_int_equal(
                read_payment(arena_printf(a, "{\"payment_id\":1,\"%s\":%s}", fields[f], others[i]),
                             &p),
                ERR_OK);
            assert_string_equal(p.payment_id, "1");
            assert_int_equal(task.fail.err, ERR_OK);
        }
    }
}

/* Too long a word is none we know: it is cut, between characters. */
static void
test_long_words(void **state UNUSED)
{
    char words[2000];
    struct np_payment p;

    memset(words, 'a', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    memcpy(words + 31, "\xC3\xA9", 2);
    assert_int_equal(read_payment(arena_printf(a,
                                               "{\"pay_currency\":\"%s\",\"order_id\":\"%s\","
                                               "\"payment_status\":\"%s\",\"pay_address\":"
                                               "\"%s\"}",
                                               words, words, words, words),
                                  &p),
                     ERR_OK);
    assert_int_equal(strlen(p.pay_currency), 31);
    assert_int_equal(strlen(p.order_id), 1024);
    assert_int_equal(strlen(p.status), 64);
    assert_null(p.pay_address); /* half an address is none */
}

static void
test_no_parent(void **state UNUSED)
{
    static const char *const none[] = {"0", "\"0\"", "\"\"", "null", "0.0"};

    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        struct np_payment p;

        assert_int_equal(read_payment(arena_printf(a, "{\"parent_payment_id\":%s}", none[i]), &p),
                         ERR_OK);
        assert_null(p.parent_payment_id);
    }
}

static void
test_missing_and_empty(void **state UNUSED)
{
    struct np_payment p;
    assert_int_equal(read_payment("{}", &p), ERR_OK);
    assert_null(p.payment_id);
    assert_null(p.status);
    assert_int_equal(
        read_payment("{\"payment_id\":null,\"pay_address\":\"\",\"order_id\":\"\"}", &p), ERR_OK);
    assert_null(p.payment_id);
    assert_null(p.pay_address);
    assert_null(p.order_id);
}

/* Times only inform: an unknown form is left out. */
static void
test_times(void **state UNUSED)
{
    struct np_payment p;
    assert_int_equal(read_payment("{\"created_at\":\"2021-04-12T14:22:54+02:00\","
                                  "\"updated_at\":\"yesterday\",\"time_limit\":[],"
                                  "\"valid_until\":99999999999999999999,"
                                  "\"expiration_estimate_date\":\"2021-04-12T14:22:54'; --\"}",
                                  &p),
                     ERR_OK);
    assert_string_equal(p.created_at, "2021-04-12T14:22:54+02:00");
    assert_null(p.updated_at);
    assert_null(p.time_limit);
    assert_null(p.valid_until);
    assert_null(p.expires_at);
}

static const struct CMUnitTest tests[] = {
    TEST(test_create_answer),     TEST(test_callback),  TEST(test_all_strings),
    TEST(test_amount_spellings),  TEST(test_ids),       TEST(test_wrong_forms),
    TEST(test_missing_and_empty), TEST(test_times),     TEST(test_what_decides_nothing),
    TEST(test_long_words),        TEST(test_no_parent),
};

int
main(void)
{
    return cmocka_run_group_tests_name("nowpayments_payment", tests, NULL, NULL);
}
