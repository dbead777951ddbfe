/* Where links of mails may lead. */
#include "check.h"

#include "auth/redirect.h"

static void
patterns_are_as_the_original_reads_them(void **state UNUSED)
{
    static const struct {
        const char *pattern, *text;
        bool like;
    } rows[] = {
        {"https://a.example/x", "https://a.example/x", true},
        {"https://a.example/x", "https://a.example/xy", false},
        {"https://*.example/", "https://a.example/", true},
        {"https://*.example/", "https://a.b.example/", false},
        {"https://**.example/", "https://a.b.example/", true},
        {"https://a.example/*", "https://a.example/x", true},
        {"https://a.example/*", "https://a.example/x/y", false},
        {"https://a.example/**", "https://a.example/x/y", true},
        {"https://a.example/**", "https://a.example/", true},
        {"https://a?.example/", "https://ab.example/", true},
        {"https://a?example/", "https://a.example/", false},
        {"https://[a-c].example/", "https://b.example/", true},
        {"https://[a-c].example/", "https://d.example/", false},
        {"https://[!a-c].example/", "https://d.example/", true},
        {"https://{a,bc}.example/", "https://bc.example/", true},
        {"https://{a,bc}.example/", "https://b.example/", false},
        {"https://{a,*}.example/x", "https://b.example/x", true},
        {"https://a.example/\\*", "https://a.example/*", true},
        {"https://a.example/\\*", "https://a.example/x", false},
        {"app://**", "app://callback", true},
        {"", "", true},
        {"*", "", true},
        {"[", "[", true},
        {"{a", "{a", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (redirect_glob(str_of(rows[i].pattern), rows[i].text) != rows[i].like)
            fail_msg("%s, %s", rows[i].pattern, rows[i].text);
}

/* Each star doubles the ways; the bound on depth ends it. */
static void
a_pattern_of_many_stars_is_no_trap(void **state UNUSED)
{
    char pattern[64], text[REDIRECT_URL_MAX];

    memset(pattern, '*', sizeof pattern);
    pattern[sizeof pattern - 1] = 'b';
    memset(text, 'a', sizeof text);
    text[40] = '\0';
    assert_false(redirect_glob((struct str){pattern, sizeof pattern}, text));
}

static void
only_the_front_end_and_what_is_allowed(void **state UNUSED)
{
    static const char site[] = "https://shop.example:8443";
    const struct str patterns = STR("https://*.preview.example/**,https://{a,b}.example/*,app://**,"
                                    "http://localhost:*/**");
    static const struct {
        const char *url;
        bool allowed;
    } rows[] = {
        {"https://shop.example:8443", true},
        {"https://shop.example:8443/deep?x=1#y", true},
        {"https://shop.example:8443.evil.example/", false},
        {"https://shop.example/", false},
        {"http://shop.example:8443/", false},
        {"https://user@shop.example:8443/", false},
        {"https://x.preview.example/a/b", true},
        {"https://x.preview.example/a#https://evil.example", true},
        {"https://x.y.preview.example/a", false},
        {"https://evil.example/#.preview.example/", false},
        {"app://callback", true},
        {"http://localhost:3000/x", true},
        {"https://b.example/y", true},
        {"https://c.example/y", false},
        {"javascript:alert(1)", false},
        {"//evil.example/", false},
        {"/x", false},
        {"", false},
        {"https://x.preview.example/\r\nSet-Cookie: a=b", false},
        {"https://x.preview.example/\xc3\xa4", false},
        {"https://2130706433/", false},
        {"https://\\evil.example/", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (redirect_allowed(site, patterns, rows[i].url) != rows[i].allowed)
            fail_msg("%s", rows[i].url);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(patterns_are_as_the_original_reads_them),
    cmocka_unit_test(a_pattern_of_many_stars_is_no_trap),
    cmocka_unit_test(only_the_front_end_and_what_is_allowed),
};

int
main(void)
{
    return cmocka_run_group_tests_name("platform_redirect", tests, NULL, NULL);
}
