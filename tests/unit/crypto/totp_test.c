#include "check.h"

#include "crypto/totp.h"

#define SECRET STR("12345678901234567890") /* of the vectors of both RFCs */

/* RFC 4226, appendix D. */
static void
numbers_of_rfc4226(void **state UNUSED)
{
    static const uint32_t numbers[] = {1284755224, 1094287082, 137359152, 1726969429, 1640338314,
                                       868254676,  1918287922, 82162583,  673399871,  645520489};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_int_equal(totp_number(SECRET, i), numbers[i]);
}

/* RFC 6238, appendix B, the rows of SHA-1: eight digits, of which ours are the last six. */
static const struct {
    int64_t time_s;
    uint32_t eight;
    const char *six;
} vectors[] = {
    {59, 94287082, "287082"},         {1111111109, 7081804, "081804"},
    {1111111111, 14050471, "050471"}, {1234567890, 89005924, "005924"},
    {2000000000, 69279037, "279037"}, {20000000000, 65353130, "353130"},
};

static void
codes_of_rfc6238(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const int64_t step = vectors[i].time_s / TOTP_STEP_S;
        int64_t found = 0;

        assert_int_equal(totp_number(SECRET, (uint64_t)step) % 100000000U, vectors[i].eight);
        assert_true(totp_check(SECRET, str_of(vectors[i].six), vectors[i].time_s, 0, 0, &found));
        assert_int_equal(found, step);
    }
}

/* The code of the step that holds the 59th second. */
#define CODE STR("287082")

static bool
good_at(int64_t now_s, int skew, int64_t after)
{
    int64_t step = 0;

    return totp_check(SECRET, CODE, now_s, skew, after, &step) && step == 1;
}

static void
a_clock_may_be_a_step_wrong(void **state UNUSED)
{
    assert_true(good_at(0, 1, 0));
    assert_true(good_at(29, 1, 0));
    assert_true(good_at(30, 1, 0));
    assert_true(good_at(89, 1, 0));
}

static void
but_no_more(void **state UNUSED)
{
    assert_false(good_at(90, 1, 0));
    assert_false(good_at(29, 0, 0));
    assert_false(good_at(60, 0, 0));
}

static void
a_step_that_was_used_is_good_no_more(void **state UNUSED)
{
    assert_true(good_at(59, 1, 0));
    assert_false(good_at(59, 1, 1));
    assert_false(good_at(59, 1, 2));
}

static void
what_is_no_code_is_none(void **state UNUSED)
{
    static const char *const texts[] = {"", "28708", "2870820", "287083", "28708a", "094287082"};
    int64_t step = 7;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_false(totp_check(SECRET, str_of(texts[i]), 59, 1, 0, &step));
    assert_false(totp_check(SECRET, (struct str){"287082\0", 7}, 59, 1, 0, &step));
    assert_int_equal(step, 7);
}

static void
another_secret_has_another_code(void **state UNUSED)
{
    int64_t step = 0;

    assert_false(totp_check(STR("12345678901234567891"), CODE, 59, 1, 0, &step));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(numbers_of_rfc4226),
    cmocka_unit_test(codes_of_rfc6238),
    cmocka_unit_test(a_clock_may_be_a_step_wrong),
    cmocka_unit_test(but_no_more),
    cmocka_unit_test(a_step_that_was_used_is_good_no_more),
    cmocka_unit_test(what_is_no_code_is_none),
    cmocka_unit_test(another_secret_has_another_code),
};

int
main(void)
{
    return cmocka_run_group_tests_name("crypto_totp", tests, NULL, NULL);
}
