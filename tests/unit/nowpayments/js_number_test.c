#include "check.h"

#include "nowpayments/js_number.h"

static void
test_numbers(void **state UNUSED)
{
    static const struct {
        const char *token;
        const char *expected;
    } cases[] = {
        {"0", "0"},
        {"-0", "0"},
        {"-0.0e5", "0"},
        {"13.0", "13"},
        {"-13.50", "-13.5"},
        {"0.1", "0.1"},
        {"0.000001", "0.000001"},
        {"0.0000001", "1e-7"},
        {"0.00000027", "2.7e-7"},
        {"1.50E+1", "15"},
        {"123456789012345680000", "123456789012345680000"},
        {"1e21", "1e+21"},
        {"1.5e21", "1.5e+21"},
        {"999999999999999999999", "1e+21"},
        {"100000000000000000000", "100000000000000000000"},
        {"12345678901234567890", "12345678901234567000"},
        {"9007199254740993", "9007199254740992"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"0.09853637216235617", "0.09853637216235617"},
        {"0.00778773999999999959331642429560815799050033092498779296875", "0.00778774"},
        {"0.0000012345678901234567", "0.0000012345678901234567"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"5e-324", "5e-324"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        /* 2^-44: the nearest 16 digits do not read back, their neighbour does */
        {"5.684341886080801486968994140625e-14", "5.684341886080802e-14"},
        {"9007199254740992", "9007199254740992"},
        {"4.35", "4.35"},
        {"1e400", "Infinity"},
        {"-1e400", "-Infinity"},
        {"1e-400", "0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[NP_JS_NUMBER_SIZE];
        np_js_number(str_of(cases[i].token), text);
        assert_string_equal(text, cases[i].expected);
    }
}

/* The digits of few_digits are those a double has. */
static void
test_few_digits_are_the_doubles(void **state UNUSED)
{
    static const struct {
        const char *token;
        const char *expected;
        int effort;
    } cases[] = {
        {"999999999999999", "999999999999999", 0},
        {"1000000000000000000000e-2", "10000000000000000000", 0},
        {"0.00000000000000000000012e5", "1.2e-17", 0},
        {"-00012.500e+003", "-12500", 0}, /* leading zeros are no JSON; they do no harm */
        {"1e299", "1e+299", 0},
        {"1e-301", "1e-301", 0},
        {"1e-302", "1e-302", 8},
        {"1e999999999999", "Infinity", 8},
        {"-1e-999999999999", "0", 8},
        {"1234567890123456", "1234567890123456", 1},
        {"100000000000000000001", "100000000000000000000", 1},
        {"0e999999", "0", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[NP_JS_NUMBER_SIZE];
        np_js_number(str_of(cases[i].token), text);
        assert_string_equal(text, cases[i].expected);
        assert_int_equal(np_js_number_effort(str_of(cases[i].token)), cases[i].effort);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_numbers),
    cmocka_unit_test(test_few_digits_are_the_doubles),
};

int
main(void)
{
    return cmocka_run_group_tests_name("nowpayments_js_number", tests, NULL, NULL);
}
