#include "check_arena.h"

#include "base/buf.h"
#include "base/encode.h"

static void
hex_reads_back(void **state UNUSED)
{
    uint8_t bytes[4];

    assert_true(hex_decode(STR("00fFA07e"), bytes, 4));
    assert_memory_equal(bytes, "\x00\xff\xa0\x7e", 4);
}

static void
hex_refuses_other_lengths(void **state UNUSED)
{
    uint8_t bytes[4];

    assert_false(hex_decode(STR("00ffa0"), bytes, 4));
    assert_false(hex_decode(STR("00ffa07e1"), bytes, 4));
    assert_false(hex_decode(STR("00ffa07e11"), bytes, 4));
}

static void
hex_refuses_other_characters(void **state UNUSED)
{
    uint8_t bytes[1] = {7};

    assert_false(hex_decode(STR("0g"), bytes, 1));
    assert_false(hex_decode(STR(" 0"), bytes, 1));
    assert_int_equal(bytes[0], 7);
}

/* RFC 4648 section 10. */
static void
base64_of_the_rfc(void **state UNUSED)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    char text[32];

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_int_equal(base64_encode(pairs[i][0], strlen(pairs[i][0]), text),
                         strlen(pairs[i][1]));
        assert_string_equal(text, pairs[i][1]);
    }
}

static void
base64_uses_the_standard_alphabet(void **state UNUSED)
{
    char text[8];

    (void)base64_encode("\xfb\xff\xbf", 3, text);
    assert_string_equal(text, "+/+/");
}

static void
base64url_uses_the_url_alphabet(void **state UNUSED)
{
    char text[8];

    (void)base64url_encode("\xfb\xff\xbf\xff", 4, text);
    assert_string_equal(text, "-_-__w");
}

static void
base64url_reads_back_every_length(void **state UNUSED)
{
    uint64_t random = 11;

    for (size_t len = 0; len < 200; len++) {
        uint8_t bytes[200];
        uint8_t back[200];
        char text[BASE64_SIZE(200)];
        size_t back_len;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)check_next(&random);
        const size_t text_len = base64url_encode(bytes, len, text);
        assert_true(text_len < BASE64_SIZE(len));
        assert_true(base64url_decode((struct str){text, text_len}, back, len, &back_len));
        assert_int_equal(back_len, len);
        assert_memory_equal(back, bytes, len);
    }
}

static void
base64url_refuses_other_forms(void **state UNUSED)
{
    static const char *const wrong[] = {"Zg==", "Zm8=",  "Zm9v\n", " Zm9v", "Zm9+", "Zm9/",
                                        "A",    "AAAAA", "Zm 9v",  "Zm9v=", "===="};
    uint8_t bytes[16];
    size_t len = 99;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (base64url_decode(str_of(wrong[i]), bytes, sizeof(bytes), &len))
            fail_msg("\"%s\" was read", wrong[i]);
    assert_int_equal(len, 99);
}

static void
base64url_refuses_unused_bits(void **state UNUSED)
{
    uint8_t bytes[4];
    size_t len;

    assert_true(base64url_decode(STR("Zg"), bytes, sizeof(bytes), &len));
    assert_false(base64url_decode(STR("Zh"), bytes, sizeof(bytes), &len));
    assert_true(base64url_decode(STR("Zm8"), bytes, sizeof(bytes), &len));
    assert_false(base64url_decode(STR("Zm9"), bytes, sizeof(bytes), &len));
}

static void
base64url_respects_the_room(void **state UNUSED)
{
    uint8_t bytes[2];
    size_t len;

    assert_false(base64url_decode(STR("Zm9v"), bytes, sizeof(bytes), &len));
    assert_true(base64url_decode(STR("Zm8"), bytes, sizeof(bytes), &len));
}

/* ---- uuid ---- */

static void
uuid_is_made_lower_case(void **state UNUSED)
{
    char id[UUID_SIZE];

    assert_true(uuid_read(STR("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), id));
    assert_string_equal(id, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
}

static void
uuid_takes_every_digit(void **state UNUSED)
{
    char id[UUID_SIZE];

    assert_true(uuid_read(STR("01234567-89ab-cdef-0123-456789abcdef"), id));
    assert_string_equal(id, "01234567-89ab-cdef-0123-456789abcdef");
    assert_true(uuid_read(STR("01234567-89AB-CDEF-0123-456789ABCDEF"), id));
    assert_string_equal(id, "01234567-89ab-cdef-0123-456789abcdef");
}

static void
uuid_refuses_other_forms(void **state UNUSED)
{
    static const char *const wrong[] = {"",
                                        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
                                        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
                                        "a0eebc999c0b4ef8bb6d6bb9bd380a11",
                                        "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
                                        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
                                        "a0eebc999-c0b-4ef8-bb6d-6bb9bd380a11",
                                        "a0eebc99_9c0b_4ef8_bb6d_6bb9bd380a11",
                                        "------------------------------------"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char id[UUID_SIZE] = "untouched";

        assert_false(uuid_read(str_of(wrong[i]), id));
        assert_string_equal(id, "untouched");
    }
}

/* ---- base32 ---- */

/* RFC 4648, section 10, without the padding. */
static const char *const base32_pairs[][2] = {
    {"", ""},
    {"f", "MY"},
    {"fo", "MZXQ"},
    {"foo", "MZXW6"},
    {"foob", "MZXW6YQ"},
    {"fooba", "MZXW6YTB"},
    {"foobar", "MZXW6YTBOI"},
};

static void
base32_of_the_rfc(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(base32_pairs); i++) {
        const char *const *pair = base32_pairs[i];
        char text[BASE32_SIZE(6)];
        uint8_t bytes[6];
        size_t len = 99;

        assert_int_equal(base32_encode(pair[0], strlen(pair[0]), text), strlen(pair[1]));
        assert_string_equal(text, pair[1]);
        assert_true(base32_decode(str_of(pair[1]), bytes, strlen(pair[0]), &len));
        assert_int_equal(len, strlen(pair[0]));
        assert_memory_equal(bytes, pair[0], len);
    }
}

static void
base32_refuses_other_forms(void **state UNUSED)
{
    static const char *const wrong[] = {"M",  "MZX", "MZXW6Y", "my",   "MY======", "M1",
                                        "M8", "M Y", "MZ",     "MZXR", "MZXW7",    "MZXW6YR"};
    uint8_t bytes[8] = "as-was";
    size_t len = 99;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(base32_decode(str_of(wrong[i]), bytes, sizeof(bytes), &len));
    assert_false(base32_decode(STR("MZXW6"), bytes, 2, &len));
    assert_string_equal((const char *)bytes, "as-was");
    assert_int_equal(len, 99);
}

/* ---- percent ---- */

static void
encoding_keeps_unreserved_characters(void **state UNUSED)
{
    struct buf out;

    buf_init_arena(&out, a, 1000);
    percent_encode(&out, STR("AZaz09-._~"));
    check_str(buf_str(&out), "AZaz09-._~");
}

static void
encoding_escapes_the_rest(void **state UNUSED)
{
    struct buf out;

    buf_init_arena(&out, a, 1000);
    percent_encode(&out, STR("a b+c/d?e&f=g#\xC3\xA9\n"));
    check_str(buf_str(&out), "a%20b%2Bc%2Fd%3Fe%26f%3Dg%23%C3%A9%0A");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(hex_reads_back),
    cmocka_unit_test(hex_refuses_other_lengths),
    cmocka_unit_test(hex_refuses_other_characters),
    cmocka_unit_test(base64_of_the_rfc),
    cmocka_unit_test(base64_uses_the_standard_alphabet),
    cmocka_unit_test(base64url_uses_the_url_alphabet),
    cmocka_unit_test(base64url_reads_back_every_length),
    cmocka_unit_test(base64url_refuses_other_forms),
    cmocka_unit_test(base64url_refuses_unused_bits),
    cmocka_unit_test(base64url_respects_the_room),
    cmocka_unit_test(base32_of_the_rfc),
    cmocka_unit_test(base32_refuses_other_forms),
    cmocka_unit_test(uuid_is_made_lower_case),
    cmocka_unit_test(uuid_takes_every_digit),
    cmocka_unit_test(uuid_refuses_other_forms),
    TEST(encoding_keeps_unreserved_characters),
    TEST(encoding_escapes_the_rest),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_encode", tests, NULL, NULL);
}
