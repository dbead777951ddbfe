#include "check.h"

#include "base/encode.h"
#include "base/number.h"

static void
check_decimal(const char *spelling, const char *expected)
{
    struct decimal d = {"untouched"};

    if (expected == NULL) {
        if (decimal_read(str_of(spelling), &d))
            fail_msg("\"%s\" was read as %s", spelling, d.text);
        assert_string_equal(d.text, "untouched");
        return;
    }
    if (!decimal_read(str_of(spelling), &d))
        fail_msg("\"%s\" was refused", spelling);
    assert_string_equal(d.text, expected);
}

static void
check_i64(const char *text, int64_t expected)
{
    int64_t n = 0;

    assert_true(number_i64(str_of(text), &n));
    assert_true(n == expected);
}

/* ---- integers ---- */

static void
i64_reads_the_limits(void **state UNUSED)
{
    check_i64("9223372036854775807", INT64_MAX);
    check_i64("-9223372036854775808", INT64_MIN);
}

static void
i64_reads_zero(void **state UNUSED)
{
    check_i64("0", 0);
}

static void
i64_reads_negative(void **state UNUSED)
{
    check_i64("-42", -42);
}

static void
i64_refuses_other_forms(void **state UNUSED)
{
    static const char *const wrong[] = {"",
                                        "-",
                                        "+1",
                                        "01",
                                        "-0",
                                        "00",
                                        " 1",
                                        "1 ",
                                        "1.0",
                                        "1e3",
                                        "0x1",
                                        "--1",
                                        "1-",
                                        "a",
                                        "-01",
                                        "1\t",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        int64_t n = 77;

        if (number_i64(str_of(wrong[i]), &n))
            fail_msg("\"%s\" was read", wrong[i]);
        assert_true(n == 77);
    }
}

static void
i64_reads_back_what_printf_writes(void **state UNUSED)
{
    uint64_t random = 7;

    for (int i = 0; i < 20000; i++) {
        const int64_t n = (int64_t)(check_next(&random) >> check_next(&random) % 64);
        char text[32];

        (void)snprintf(text, sizeof(text), "%lld", (long long)n);
        check_i64(text, n);
    }
}

static void
int64_format_agrees_with_printf(void **state UNUSED)
{
    static const int64_t numbers[] = {
        0, 1, -1, 9, 10, -10, 99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1, 1234567890123};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char text[INT64_SIZE], right[32];

        assert_int_equal(int64_format(numbers[i], text),
                         snprintf(right, sizeof(right), "%lld", (long long)numbers[i]));
        assert_string_equal(text, right);
    }
}

/* ---- decimals: reading ---- */

static void
decimal_keeps_plain_text(void **state UNUSED)
{
    check_decimal("0.5", "0.5");
    check_decimal("12", "12");
    check_decimal("-3.25", "-3.25");
}

static void
decimal_drops_trailing_zeros(void **state UNUSED)
{
    check_decimal("13.0", "13");
    check_decimal("12.500", "12.5");
    check_decimal("100", "100");
}

static void
decimal_knows_one_zero(void **state UNUSED)
{
    check_decimal("0", "0");
    check_decimal("-0", "0");
    check_decimal("-0.00", "0");
    check_decimal("0e5", "0");
    check_decimal("0.000000000000000000000000000000", "0");
    check_decimal("0e-999999999999", "0");
}

static void
decimal_resolves_exponents(void **state UNUSED)
{
    check_decimal("1e-7", "0.0000001");
    check_decimal("2.7E3", "2700");
    check_decimal("1.5e+2", "150");
    check_decimal("123.456e-2", "1.23456");
    check_decimal("-12e1", "-120");
    check_decimal("0.00012e4", "1.2");
    check_decimal("1e0000000000000000000001", "10");
}

static void
decimal_takes_the_largest(void **state UNUSED)
{
    check_decimal("99999999999999999999.999999999999999999",
                  "99999999999999999999.999999999999999999");
    check_decimal("-99999999999999999999.999999999999999999",
                  "-99999999999999999999.999999999999999999");
    check_decimal("1e19", "10000000000000000000");
    check_decimal("1e-18", "0.000000000000000001");
}

static void
decimal_refuses_what_does_not_fit(void **state UNUSED)
{
    check_decimal("100000000000000000000", NULL);
    check_decimal("1e20", NULL);
    check_decimal("0.0000000000000000001", NULL);
    check_decimal("1e-19", NULL);
    check_decimal("1e400", NULL);
    check_decimal("1e-400", NULL);
    check_decimal("1e99999999999999999999", NULL);
    check_decimal("1e-99999999999999999999", NULL);
}

static void
decimal_counts_only_significant_digits(void **state UNUSED)
{
    check_decimal("1.0000000000000000000000000000000", "1");
    check_decimal("1000000000000000000000000000000e-30", "1");
}

static void
decimal_takes_long_exponents_that_fit(void **state UNUSED)
{
    char text[2100];

    (void)snprintf(text, sizeof(text), "1%02000de-2000", 0);
    check_decimal(text, "1");
}

/* On the heap in exactly their size, so that AddressSanitizer sees a read too far. */
static void
nothing_is_read_behind_the_end(void **state UNUSED)
{
    static const char *const texts[] = {"",
                                        "-",
                                        "0",
                                        "1",
                                        "12",
                                        "1.",
                                        "1.5",
                                        "1e",
                                        "1e-",
                                        "1e5",
                                        "1E+",
                                        "-1.5e-3",
                                        "FFX012345678",
                                        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const size_t len = strlen(texts[i]);
        char *copy = malloc(MAX(len, 1));
        char uuid[UUID_SIZE];
        struct decimal d;
        int64_t n;

        assert_non_null(copy);
        memcpy(copy, texts[i], len);
        const struct str text = {copy, len};
        const int kinds = number_i64(text, &n) + decimal_read(text, &d) + uuid_read(text, uuid);
        assert_in_range(kinds, 0, 2);
        free(copy);
    }
}

static void
decimal_refuses_other_forms(void **state UNUSED)
{
    static const char *const wrong[] = {"",    "-",    ".",    ".5",    "5.",       "01",    "-01",
                                        "+1",  "1e",   "1e+",  "1e-",   "1.e5",     " 1",    "1 ",
                                        "1,5", "1.5.", "0x10", "NaN",   "Infinity", "1e1.5", "--1",
                                        "1-",  "1e5e", "$1",   "1_000", "\xD9\xA1"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        check_decimal(wrong[i], NULL);
}

static void
decimal_refuses_a_nul_inside(void **state UNUSED)
{
    struct decimal d;

    assert_false(decimal_read((struct str){"1\0005", 3}, &d));
}

/* digits * 10^exponent, written in three ways, reads as one. */
static void
decimal_spellings_agree(void **state UNUSED)
{
    uint64_t random = 99;

    for (int i = 0; i < 20000; i++) {
        const uint64_t digits = check_next(&random) % 1000000000000000000;
        const int decimals = (int)(check_next(&random) % 19);
        struct decimal by_exponent;
        struct decimal by_point;
        char text[96];
        uint64_t scale = 1;

        for (int k = 0; k < decimals; k++)
            scale *= 10;
        (void)snprintf(text, sizeof(text), "%llue-%d", (unsigned long long)digits, decimals);
        assert_true(decimal_read(str_of(text), &by_exponent));
        if (decimals == 0)
            (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)digits);
        else
            (void)snprintf(text, sizeof(text), "%llu.%0*llu", (unsigned long long)(digits / scale),
                           decimals, (unsigned long long)(digits % scale));
        assert_true(decimal_read(str_of(text), &by_point));
        assert_string_equal(by_exponent.text, by_point.text);
    }
}

static void
decimal_canonical_text_reads_as_itself(void **state UNUSED)
{
    uint64_t random = 5;

    for (int i = 0; i < 20000; i++) {
        struct decimal first;
        struct decimal second;
        char text[64];

        (void)snprintf(
            text, sizeof(text), "-%llu.%03llue%d", (unsigned long long)check_next(&random) % 100000,
            (unsigned long long)check_next(&random) % 1000, (int)(check_next(&random) % 20) - 10);
        assert_true(decimal_read(str_of(text), &first));
        assert_true(decimal_read(str_of(first.text), &second));
        assert_string_equal(first.text, second.text);
    }
}

/* ---- decimals: comparing ---- */

static int
cmp(const char *a, const char *b)
{
    struct decimal x;
    struct decimal y;

    assert_true(decimal_read(str_of(a), &x));
    assert_true(decimal_read(str_of(b), &y));
    const int order = decimal_cmp(&x, &y);
    return (order > 0) - (order < 0);
}

static void
cmp_is_exact_where_doubles_are_not(void **state UNUSED)
{
    assert_int_equal(cmp("0.300000000000000001", "0.3"), 1);
    assert_int_equal(cmp("9007199254740993", "9007199254740992"), 1);
}

static void
cmp_knows_equal_values(void **state UNUSED)
{
    assert_int_equal(cmp("10", "1e1"), 0);
    assert_int_equal(cmp("-0", "0"), 0);
    assert_int_equal(cmp("1.50", "1.5"), 0);
}

static void
cmp_knows_signs(void **state UNUSED)
{
    assert_int_equal(cmp("-1", "1"), -1);
    assert_int_equal(cmp("0", "-0.1"), 1);
    assert_int_equal(cmp("-2", "-1"), -1);
    assert_int_equal(cmp("-1.5", "-1.25"), -1);
}

static void
cmp_agrees_with_integers(void **state UNUSED)
{
    uint64_t random = 3;

    for (int i = 0; i < 20000; i++) {
        const int64_t a = (int64_t)(check_next(&random) % 2000000) - 1000000;
        const int64_t b = (int64_t)(check_next(&random) % 2000000) - 1000000;
        char x[32];
        char y[32];

        (void)snprintf(x, sizeof(x), "%llde-4", (long long)a);
        (void)snprintf(y, sizeof(y), "%llde-4", (long long)b);
        assert_int_equal(cmp(x, y), (a > b) - (a < b));
    }
}

static void
positive_is_above_zero(void **state UNUSED)
{
    struct decimal d;

    assert_true(decimal_read(STR("0.000000000000000001"), &d));
    assert_true(decimal_is_positive(&d));
    assert_true(decimal_read(STR("0"), &d));
    assert_false(decimal_is_positive(&d));
    assert_true(decimal_read(STR("-1"), &d));
    assert_false(decimal_is_positive(&d));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(i64_reads_the_limits),
    cmocka_unit_test(i64_reads_zero),
    cmocka_unit_test(i64_reads_negative),
    cmocka_unit_test(i64_refuses_other_forms),
    cmocka_unit_test(i64_reads_back_what_printf_writes),
    cmocka_unit_test(int64_format_agrees_with_printf),
    cmocka_unit_test(decimal_keeps_plain_text),
    cmocka_unit_test(decimal_drops_trailing_zeros),
    cmocka_unit_test(decimal_knows_one_zero),
    cmocka_unit_test(decimal_resolves_exponents),
    cmocka_unit_test(decimal_takes_the_largest),
    cmocka_unit_test(decimal_refuses_what_does_not_fit),
    cmocka_unit_test(decimal_counts_only_significant_digits),
    cmocka_unit_test(decimal_takes_long_exponents_that_fit),
    cmocka_unit_test(nothing_is_read_behind_the_end),
    cmocka_unit_test(decimal_refuses_other_forms),
    cmocka_unit_test(decimal_refuses_a_nul_inside),
    cmocka_unit_test(decimal_spellings_agree),
    cmocka_unit_test(decimal_canonical_text_reads_as_itself),
    cmocka_unit_test(cmp_is_exact_where_doubles_are_not),
    cmocka_unit_test(cmp_knows_equal_values),
    cmocka_unit_test(cmp_knows_signs),
    cmocka_unit_test(cmp_agrees_with_integers),
    cmocka_unit_test(positive_is_above_zero),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_number", tests, NULL, NULL);
}
