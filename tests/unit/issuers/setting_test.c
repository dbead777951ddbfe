/* Which issuers there are. */
#include "check_arena.h"

#include "issuers/internal.h"

#define ONE "\"iss\":\"https://a.example\",\"jwks_url\":\"https://a.example/jwks.json\""

static const char *
parse(const char *text, struct issuers *ret)
{
    return issuers_parse(a, str_of(text), ret);
}

static void
all_that_is_said_of_an_issuer_is_read(void **state UNUSED)
{
    struct issuers all;

    assert_null(parse("[{" ONE ",\"audience\":\"shop\",\"azp\":[\"web\",\"app\"]},"
                      "{\"iss\":\"b\",\"jwks_url\":\"http://127.0.0.1:80/k?x=1\"}]",
                      &all));
    assert_int_equal(all.count, 2);
    assert_string_equal(all.list[0].iss, "https://a.example");
    assert_string_equal(all.list[0].jwks_url, "https://a.example/jwks.json");
    assert_string_equal(all.list[0].audience, "shop");
    assert_int_equal(all.list[0].azp_count, 2);
    assert_string_equal(all.list[0].azp[1], "app");
    assert_string_equal(all.list[1].iss, "b");
    assert_null(all.list[1].audience);
    assert_int_equal(all.list[1].azp_count, 0);
}

static void
there_may_be_none(void **state UNUSED)
{
    struct issuers all;

    assert_null(parse("", &all));
    assert_int_equal(all.count, 0);
    assert_null(parse("[]", &all));
    assert_int_equal(all.count, 0);
}

static void
what_is_wrong_is_told(void **state UNUSED)
{
    static const char list[] =
        "must be a JSON list of {\"iss\", \"jwks_url\", \"audience\"?, \"azp\"?}";
    static const char words[] =
        "must have iss and jwks_url with each issuer, of at most 255 characters";
    static const char url[] = "must have an https:// URL as jwks_url; http:// only to this machine";
    static const char azp[] = "must have 1 to 16 texts in azp";
    const struct {
        const char *text, *why;
    } rows[] = {
        {"{" ONE "}", list},
        {"[{" ONE "}", list},
        {"[1]", list},
        {"[{" ONE ",\"aud\":\"x\"}]", list}, /* misspelt: not looked at for ever */
        {"[{}]", words},
        {"[{\"iss\":\"\",\"jwks_url\":\"https://a.example/\"}]", words},
        {"[{\"iss\":\"a b\",\"jwks_url\":\"https://a.example/\"}]", words},
        {"[{\"iss\":1,\"jwks_url\":\"https://a.example/\"}]", words},
        {arena_printf(a, "[{\"iss\":\"%0256d\",\"jwks_url\":\"https://a.example/\"}]", 1), words},
        {"[{\"iss\":\"a\",\"jwks_url\":\"http://a.example/\"}]", url},
        {"[{\"iss\":\"a\",\"jwks_url\":\"file:///etc/passwd\"}]", url},
        {"[{\"iss\":\"a\",\"jwks_url\":\"https://u:p@a.example/\"}]", url},
        {"[{" ONE ",\"audience\":[\"shop\"]}]", "must have a text as audience"},
        {"[{" ONE ",\"audience\":null}]", "must have a text as audience"},
        {"[{" ONE ",\"azp\":\"web\"}]", azp},
        {"[{" ONE ",\"azp\":[]}]", azp},
        {"[{" ONE ",\"azp\":[1]}]", azp},
        {"[{" ONE "},{" ONE "}]", "must have each iss once"},
    };
    struct issuers all;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *why = parse(rows[i].text, &all);

        if (why == NULL)
            fail_msg("taken: %s", rows[i].text);
        assert_string_equal(why, rows[i].why);
    }
}

static void
there_are_at_most_eight(void **state UNUSED)
{
    const char *text = "[";
    struct issuers all;

    for (int i = 0; i < ISSUERS_MAX; i++)
        text = arena_printf(a, "%s%s{\"iss\":\"%d\",\"jwks_url\":\"https://a.example/\"}", text,
                            i == 0 ? "" : ",", i);
    assert_null(parse(arena_printf(a, "%s]", text), &all));
    assert_int_equal(all.count, ISSUERS_MAX);
    assert_string_equal(parse(arena_printf(a, "%s,{" ONE "}]", text), &all),
                        "must have 8 issuers at most");
}

static const struct CMUnitTest tests[] = {
    TEST(all_that_is_said_of_an_issuer_is_read),
    TEST(there_may_be_none),
    TEST(what_is_wrong_is_told),
    TEST(there_are_at_most_eight),
};

int
main(void)
{
    return cmocka_run_group_tests_name("issuers_setting", tests, NULL, NULL);
}
