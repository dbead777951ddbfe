#include "check.h"

#include "base/setting.h"
#include "crypto/sealed.h"

/* Sealed by platform.seal of the database under these keys; "geheim €", "x", and an empty one. */
#define KEYS                                                                                       \
    "k2:abababababababababababababababababababababababababababababababab,"                         \
    "k1:0000000000000000000000000000000000000000000000000000000000000000"
#define ACCOUNT "11111111-1111-1111-1111-111111111111"
#include "data/sealed.h"

static struct arena *arena;

static int
set_up(void **state UNUSED)
{
    struct setting *const keys = &cfg_credential_keys;
    struct buf problems;

    buf_init_heap(&problems, 1000);
    assert_int_equal(setenv("CREDENTIAL_KEYS", KEYS, 1), 0);
    assert_true(settings_load(&keys, 1, &problems));
    buf_release(&problems);
    arena = arena_new((size_t)16 * 1024 * 1024);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    arena_free(arena);
    return 0;
}

/* What is wrong with these keys, or NULL. */
static const char *
problem_of(const char *keys)
{
    static char text[1000];
    struct setting *const setting = &cfg_credential_keys;
    struct buf problems;

    buf_init_heap(&problems, sizeof(text) - 1);
    assert_int_equal(setenv("CREDENTIAL_KEYS", keys, 1), 0);
    const bool good = settings_load(&setting, 1, &problems);
    if (!good)
        memcpy(text, problems.ptr, problems.len + 1);
    buf_release(&problems);
    return good ? NULL : text;
}

static void
keys_have_ids(void **state UNUSED)
{
#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
    static const char *const wrong[] = {
        "k1",
        "k1:",
        ":" KEY,
        KEY,
        "k1:" KEY "0",
        "k1:" KEY ",",
        "k1:" KEY ",,"
        "k2:" KEY,
        "k1:" KEY " ,k2:" KEY,
        "K1:" KEY,
        "k1:0" KEY,
        "abcdefghijklmnopq:" KEY,
        "k1:" KEY ",k2",
        "k1:" KEY ",k1:" KEY,
        "k1:" KEY ",k2:" KEY ",k2:" KEY,
    };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_non_null(problem_of(wrong[i]));
        assert_null(strstr(problem_of(wrong[i]), "0011")); /* the secret is not shown */
    }
    assert_null(problem_of("k1:" KEY));
    assert_null(problem_of("k2:" KEY ",k1:" KEY ",abcdefghijklmnop:" KEY));
#undef KEY
}

static void
opens_to(const char *json, const char *expected)
{
    struct str got;

    assert_null(sealed_open(arena, str_of(json), &got));
    check_str(got, expected);
}

/* The text becomes `expected`, and the reason holds `part`. */
static void
stays_shut(const char *json, const char *expected, const char *part)
{
    struct str got;
    const char *why = sealed_open(arena, str_of(json), &got);

    assert_non_null(why);
    if (strstr(why, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, why);
    check_str(got, expected);
}

static void
values_of_the_database_open(void **state UNUSED)
{
    opens_to("\"sealed:" ACCOUNT ":password:" SEALED_EURO "\"", "\"geheim €\"");
    opens_to("{\"a\": [\"sealed:" ACCOUNT ":password:" SEALED_X "\", "
             "\"sealed:" ACCOUNT ":investor_password:" SEALED_EMPTY "\"], \"b\": 1}",
             "{\"a\": [\"x\", \"\"], \"b\": 1}");
}

/* As mail/template.h has names of variables. */
static void
names_may_have_capitals_and_digits(void **state UNUSED)
{
    opens_to("{\"loginCode_2\": \"sealed:" ACCOUNT ":loginCode_2:" SEALED_CODE "\"}",
             "{\"loginCode_2\": \"4711\"}");
    stays_shut("[\"sealed:" ACCOUNT ":loginCode_1:" SEALED_CODE "\"]", "[null]", "another");
}

static void
a_password_is_escaped(void **state UNUSED)
{
    opens_to("[\"sealed:" ACCOUNT ":password:" SEALED_QUOTES "\"]", "[\"a\\\"\\\\\\nb\"]");
}

static void
other_text_stays(void **state UNUSED)
{
    static const char *const texts[] = {
        "{}",
        "\"sealed:\"",
        "[\"sealed:" ACCOUNT ":password:\"]",
        "[\"sealed:" ACCOUNT ":password:plain\"]",
        "[\"sealed:1:password:" SEALED_X "\"]",
        "[\"sealed:" ACCOUNT ":password:" SEALED_X " and more\"]",
        "[\"she said \\\"sealed:" ACCOUNT ":password:" SEALED_X "\"]",
        "\"sealed:" ACCOUNT ":password:" SEALED_X, /* cut off */
        "{\"sealed:" ACCOUNT ":password:" SEALED_X "\" : 1}",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str got;

        assert_null(sealed_open(arena, str_of(texts[i]), &got));
        assert_ptr_equal(got.ptr, texts[i]);
    }
}

static void
what_does_not_belong_becomes_null(void **state UNUSED)
{
    stays_shut("[1, \"sealed:21111111-1111-1111-1111-111111111111:password:" SEALED_X "\", 2]",
               "[1, null, 2]", "another row");
    stays_shut("[\"sealed:" ACCOUNT ":investor_password:" SEALED_X "\"]", "[null]", "another");
    stays_shut("[\"sealed:" ACCOUNT ":password:ffx1.k9.AAAA\",\"sealed:" ACCOUNT
               ":password:" SEALED_X "\"]",
               "[null,\"x\"]", "no key \"k9\"");
    stays_shut("[\"sealed:" ACCOUNT ":password:ffx1.k1.AAAA\"]", "[null]", "changed");
    stays_shut("[\"sealed:" ACCOUNT ":password:ffx1.k1.\"]", "[null]", "changed");
}

static void
every_changed_character_is_noticed(void **state UNUSED)
{
    char text[] = "[\"sealed:" ACCOUNT ":password:" SEALED_EURO "\"]";
    const size_t coded = (size_t)(strstr(text, "ffx1.k1.") - text) + strlen("ffx1.k1.");

    for (size_t i = coded; i < sizeof(text) - 3; i++) {
        const char before = text[i];

        text[i] = before == 'A' ? 'B' : 'A';
        stays_shut(text, "[null]", "changed");
        text[i] = before;
    }
    opens_to(text, "[\"geheim €\"]");
}

static void
what_is_sealed_here_opens_in_its_place_only(void **state UNUSED)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "123456",
                                        "geheim €",
                                        "fifteen bytes..",
                                        "sixteen bytes...",
                                        "https://x.example/?a=\"b\""};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *one = sealed_seal(arena, str_of(texts[i]), ACCOUNT, "Token");
        const char *other = sealed_seal(arena, str_of(texts[i]), ACCOUNT, "Token");
        struct str got;

        assert_string_not_equal(one, other);
        assert_int_equal(strncmp(one, "ffx1.k2.", 8), 0);
        assert_null(sealed_open(
            arena, str_of(arena_printf(arena, "[\"sealed:" ACCOUNT ":Token:%s\"]", one)), &got));
        if (strchr(texts[i], '"') == NULL)
            check_str(got, arena_printf(arena, "[\"%s\"]", texts[i]));
        stays_shut(arena_printf(arena, "[\"sealed:" ACCOUNT ":Link:%s\"]", one), "[null]",
                   "another");
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(keys_have_ids, set_up, tear_down),
    cmocka_unit_test_setup_teardown(values_of_the_database_open, set_up, tear_down),
    cmocka_unit_test_setup_teardown(names_may_have_capitals_and_digits, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_password_is_escaped, set_up, tear_down),
    cmocka_unit_test_setup_teardown(other_text_stays, set_up, tear_down),
    cmocka_unit_test_setup_teardown(what_does_not_belong_becomes_null, set_up, tear_down),
    cmocka_unit_test_setup_teardown(every_changed_character_is_noticed, set_up, tear_down),
    cmocka_unit_test_setup_teardown(what_is_sealed_here_opens_in_its_place_only, set_up, tear_down),
};

int
main(void)
{
    return cmocka_run_group_tests_name("crypto_sealed", tests, NULL, NULL);
}
