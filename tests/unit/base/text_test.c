#include "check.h"

#include "base/text.h"

static void
str_ieq_ignores_case(void **state UNUSED)
{
    assert_true(str_ieq(STR("X-Api-Key"), STR("x-aPI-kEY")));
}

static void
str_ieq_sees_other_letters(void **state UNUSED)
{
    assert_false(str_ieq(STR("abc"), STR("abd")));
}

static void
str_ieq_sees_other_lengths(void **state UNUSED)
{
    assert_false(str_ieq(STR("abc"), STR("abcd")));
}

static void
str_ieq_folds_letters_only(void **state UNUSED)
{
    assert_false(str_ieq(STR("["), STR("{"))); /* 0x20 apart, as letters are */
}

/* Every byte at every place of a text that is longer than a word. */
static void
plain_length_stops_at_every_byte_that_is_not_plain(void **state UNUSED)
{
    for (int c = 0; c < 256; c++) {
        for (size_t at = 0; at < 20; at++) {
            char text[] = "the quick brown fox~\x7F";
            const bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';

            text[at] = (char)c;
            assert_int_equal(plain_length(text, 20), plain ? 20 : at);
            assert_int_equal(plain_length(text, at), at);
        }
    }
}

/* ---- UTF-8: all of it, built from the standard's definition ---- */

static void
utf8_of_every_two_bytes(void **state UNUSED)
{
    static bool right[0x10000];

    for (unsigned first = 0; first < 0x80; first++)
        for (unsigned second = 0; second < 0x80; second++)
            right[first << 8 | second] = true;
    for (unsigned code = 0x80; code < 0x800; code++)
        right[(0xC0 + code / 64) << 8 | (0x80 + code % 64)] = true;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        const unsigned char p[2] = {(unsigned char)(pair >> 8), (unsigned char)pair};

        assert_int_equal(utf8_ok((struct str){(const char *)p, 2}), right[pair]);
    }
}

static void
utf8_of_three_byte_characters(void **state UNUSED)
{
    for (uint32_t code = 0; code < 0x10000; code++) {
        const unsigned char p[3] = {(unsigned char)(0xE0 + code / 4096),
                                    (unsigned char)(0x80 + code / 64 % 64),
                                    (unsigned char)(0x80 + code % 64)};
        const bool right = code >= 0x800 && (code < 0xD800 || code > 0xDFFF);

        assert_int_equal(utf8_ok((struct str){(const char *)p, 3}), right);
    }
}

static void
utf8_of_four_byte_characters(void **state UNUSED)
{
    for (uint32_t code = 0; code < 0x200000; code += 61) {
        const unsigned char p[4] = {
            (unsigned char)(0xF0 + code / 262144), (unsigned char)(0x80 + code / 4096 % 64),
            (unsigned char)(0x80 + code / 64 % 64), (unsigned char)(0x80 + code % 64)};

        assert_int_equal(utf8_ok((struct str){(const char *)p, 4}),
                         code >= 0x10000 && code <= 0x10FFFF);
    }
}

static void
utf8_of_cut_characters(void **state UNUSED)
{
    assert_false(utf8_ok(STR("\xF0\x9F\x98")));
    assert_false(utf8_ok(STR("\xE2\x82")));
    assert_false(utf8_ok(STR("\xC3")));
    assert_true(utf8_ok(STR_NONE));
}

static void
str_trim_takes_blanks_at_the_ends_alone(void **state UNUSED)
{
    check_str(str_trim(STR(" \t a b\t"), " \t"), "a b");
    check_str(str_trim(STR("\ta"), " "), "\ta");
    assert_int_equal(str_trim(STR(" \t "), " \t").len, 0);
    assert_int_equal(str_trim(STR_NONE, " ").len, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(str_trim_takes_blanks_at_the_ends_alone),
    cmocka_unit_test(str_ieq_ignores_case),
    cmocka_unit_test(str_ieq_sees_other_letters),
    cmocka_unit_test(str_ieq_sees_other_lengths),
    cmocka_unit_test(str_ieq_folds_letters_only),
    cmocka_unit_test(plain_length_stops_at_every_byte_that_is_not_plain),
    cmocka_unit_test(utf8_of_every_two_bytes),
    cmocka_unit_test(utf8_of_three_byte_characters),
    cmocka_unit_test(utf8_of_four_byte_characters),
    cmocka_unit_test(utf8_of_cut_characters),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_text", tests, NULL, NULL);
}
