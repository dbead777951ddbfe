#include "check.h"

#include "base/url.h"

static void
host_ends_where_port_path_or_query_begin(void **state UNUSED)
{
    check_str(url_host(STR("https://api.example.com")), "api.example.com");
    check_str(url_host(STR("https://api.example.com:8443/x")), "api.example.com");
    check_str(url_host(STR("http://api.example.com/a:b@c")), "api.example.com");
    check_str(url_host(STR("http://api.example.com?q=1")), "api.example.com");
    check_str(url_host(STR("http://api.example.com#top")), "api.example.com");
}

static void
address_keeps_its_brackets(void **state UNUSED)
{
    check_str(url_host(STR("http://[::1]:80/")), "[::1]");
    check_str(url_host(STR("http://[2001:db8::1]")), "[2001:db8::1]");
}

static void
no_host_where_there_is_none(void **state UNUSED)
{
    static const char *const wrong[] = {"",
                                        "example.com",
                                        "https://",
                                        "https:///path",
                                        "https://:80",
                                        "https://user@host",
                                        "https://user:word@host/",
                                        "http://host:8a0/",
                                        "http://[::1",
                                        "http://[::1]x/",
                                        "http://127.0.0.1\\@example.com/"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (url_host(str_of(wrong[i])).ptr != NULL)
            fail_msg("%s has a host", wrong[i]);
}

static void
this_machine_is_loopback(void **state UNUSED)
{
    assert_true(host_is_loopback(STR("localhost")));
    assert_true(host_is_loopback(STR("127.0.0.1")));
    assert_true(host_is_loopback(STR("127.9.8.7")));
    assert_true(host_is_loopback(STR("[::1]")));
}

static void
what_only_begins_like_it_is_not(void **state UNUSED)
{
    assert_false(host_is_loopback(STR_NONE));
    assert_false(host_is_loopback(STR("localhost.example.com")));
    assert_false(host_is_loopback(STR("127.0.0.1.example.com")));
    assert_false(host_is_loopback(STR("127.")));
    assert_false(host_is_loopback(STR("1127.0.0.1")));
    assert_false(host_is_loopback(STR("[::11]")));
}

static void
a_port_is_what_the_url_or_its_scheme_says(void **state UNUSED)
{
    assert_int_equal(url_port(STR("https://a.example")), 443);
    assert_int_equal(url_port(STR("https://a.example/x:1")), 443);
    assert_int_equal(url_port(STR("https://a.example:/x")), 443);
    assert_int_equal(url_port(STR("http://a.example/x")), 80);
    assert_int_equal(url_port(STR("http://a.example:8080/x")), 8080);
    assert_int_equal(url_port(STR("https://[::1]:8443")), 8443);
}

static void
a_host_name_is_made_of_labels(void **state UNUSED)
{
    static const char *const good[] = {"a", "localhost", "a-b.example", "1.2.example", "xn--x.org",
                                       "a.1b"};
    static const char *const wrong[] = {"",      ".",           "a.",        ".a",  "a..b", "-a",
                                        "a-",    "a-.b",        "a_b",       "a b", "a:1",  "[::1]",
                                        "1",     "192.0.2.1",   "a.example.1",
                                        "\303\251.org"};
    char label[65];

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!host_name_ok(str_of(good[i])))
            fail_msg("%s is none", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (host_name_ok(str_of(wrong[i])))
            fail_msg("%s is one", wrong[i]);
    memset(label, 'a', sizeof label);
    assert_true(host_name_ok((struct str){label, 63}));
    assert_false(host_name_ok((struct str){label, 64}));
}

static void
a_host_is_a_name_or_an_address(void **state UNUSED)
{
    static const char *const good[] = {"localhost", "192.0.2.1", "[::1]", "[2001:db8::1]"};
    static const char *const wrong[] = {"",        "192.0.2.300", "192.0.2",        "1.2.3.4.5", "[]",
                                        "[x]",     "[::1",        "::1",            "[1.2.3.4]",
                                        "[:::1]",  "[fe80::1%eth0]", "a b"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!host_ok(str_of(good[i])))
            fail_msg("%s is none", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (host_ok(str_of(wrong[i])))
            fail_msg("%s is one", wrong[i]);
}

static void
a_url_has_a_scheme_a_host_and_no_blanks(void **state UNUSED)
{
    assert_true(url_ok("https://a.example/x?y=z#1"));
    assert_true(url_ok("http://192.0.2.1:8080"));
    assert_false(url_ok("ftp://a.example"));
    assert_false(url_ok("https://"));
    assert_false(url_ok("https://a.example:0"));
    assert_false(url_ok("https://a.example:70000"));
    assert_false(url_ok("https://user@a.example"));
    assert_false(url_ok("https://a.example/a b"));
    assert_false(url_ok("https://a.example/\303\251"));
}

static void
a_private_url_is_tls_or_of_this_machine(void **state UNUSED)
{
    assert_true(url_is_private("https://a.example/x"));
    assert_true(url_is_private("http://127.0.0.1:1/x"));
    assert_false(url_is_private("http://a.example/x"));
    assert_false(url_is_private("http://127.0.0.1.a.example/x"));
    assert_false(url_is_private("ftp://127.0.0.1/x"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_url_has_a_scheme_a_host_and_no_blanks),
    cmocka_unit_test(a_private_url_is_tls_or_of_this_machine),
    cmocka_unit_test(a_host_is_a_name_or_an_address),
    cmocka_unit_test(a_host_name_is_made_of_labels),
    cmocka_unit_test(a_port_is_what_the_url_or_its_scheme_says),
    cmocka_unit_test(host_ends_where_port_path_or_query_begin),
    cmocka_unit_test(address_keeps_its_brackets),
    cmocka_unit_test(no_host_where_there_is_none),
    cmocka_unit_test(this_machine_is_loopback),
    cmocka_unit_test(what_only_begins_like_it_is_not),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_url", tests, NULL, NULL);
}
