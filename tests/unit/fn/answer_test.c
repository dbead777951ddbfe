#include "check_arena.h"

#include "fn/internal.h"
#include "fn/request.h"
#include "fn/spec.h"
#include "net/request.h"

static void
an_answer_has_as_many_headers_as_are_set(void **state UNUSED)
{
    const struct net_request http = {.method = STR("GET")};
    struct task task = {.arena = a};
    const struct fn_match none = {0};
    struct fn_req req = {.task = &task, .http = &http, .match = &none};
    struct fn_res res = {.status = 200, .content_type = "text/plain"};
    char name[16], line[64];

    buf_init_arena(&res.body, a, 100);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "X-H-%d", i);
        fn_header_set(&req, &res, name, "twelve bytes");
    }
    const struct str block = fn_compose(&req, &res);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof line, "\r\nX-H-%d: twelve bytes\r\n", i);
        assert_non_null(memmem(block.ptr, block.len, line, strlen(line)));
    }
}

/* ---- what every answer says ---- */

static const char *
answered(const struct fn_route *route, int status)
{
    static const struct fn_spec spec = {.signature = "x-sig"};
    const struct net_request http = {.method = STR("GET")};
    const struct fn_match match = {.route = route};
    struct task task = {.arena = a};
    struct fn_req req = {.task = &task, .http = &http, .spec = &spec, .match = &match};
    struct fn_res res = {.status = status, .content_type = "text/plain"};

    buf_init_arena(&res.body, a, 100);
    return fn_compose(&req, &res).ptr;
}

static void
a_401_says_how_to_come_in(void **state UNUSED)
{
    static const struct fn_route user = {.who = FN_USER}, signed_by = {.who = FN_SIGNATURE};

    assert_non_null(strstr(answered(&user, 401), "\r\nWWW-Authenticate: Bearer\r\n"));
    assert_non_null(
        strstr(answered(&signed_by, 401), "\r\nWWW-Authenticate: Signature header=\"x-sig\"\r\n"));
    assert_null(strstr(answered(&user, 403), "WWW-Authenticate"));
}

static void
a_page_may_read_every_header(void **state UNUSED)
{
    assert_non_null(strstr(answered(NULL, 200), "\r\nAccess-Control-Expose-Headers: *\r\n"));
}

static void
what_is_good_is_kept_as_its_route_says(void **state UNUSED)
{
    static const struct fn_route keys = {.cache = "public, max-age=600"}, other;

    assert_non_null(strstr(answered(&keys, 200), "\r\nCache-Control: public, max-age=600\r\n"));
    assert_non_null(strstr(answered(&keys, 404), "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(answered(&other, 200), "\r\nCache-Control: no-store\r\n"));
}

static void
an_answer_without_a_body_has_no_length(void **state UNUSED)
{
    assert_null(strstr(answered(NULL, 204), "Content-Length"));
    assert_null(strstr(answered(NULL, 304), "Content-Length"));
}

/* ---- conditions ---- */

/* What If-None-Match with this value gets for version "7". */
static int
status_for(const char *method, const char *if_none_match)
{
    const struct header header = {STR("if-none-match"), str_of(if_none_match)};
    const struct net_request http = {.method = str_of(method), .headers = &header, .header_count = 1};
    struct task task = {.arena = a};
    struct fn_req req = {.task = &task, .http = &http};
    struct fn_res res = {0};

    buf_init_arena(&res.body, a, 100);
    if (!fn_etag(&req, &res, "7"))
        fn_body(&res, 200, "text/plain", STR("seven"));
    return res.status;
}

static void
who_has_the_version_gets_304(void **state UNUSED)
{
    assert_int_equal(status_for("GET", "\"7\""), 304);
    assert_int_equal(status_for("HEAD", "W/\"7\""), 304);
    assert_int_equal(status_for("GET", "\"6\", \"7\""), 304);
    assert_int_equal(status_for("GET", "*"), 304);
}

static void
who_has_not_gets_the_thing(void **state UNUSED)
{
    assert_int_equal(status_for("GET", "\"8\""), 200);
    assert_int_equal(status_for("GET", "7"), 200);
    assert_int_equal(status_for("GET", "\"7"), 200);
    assert_int_equal(status_for("GET", "\"77\""), 200);
    assert_int_equal(status_for("GET", ""), 200);
    assert_int_equal(status_for("PUT", "\"7\""), 200);
}

static const struct CMUnitTest tests[] = {
    TEST(a_401_says_how_to_come_in),
    TEST(a_page_may_read_every_header),
    TEST(what_is_good_is_kept_as_its_route_says),
    TEST(an_answer_without_a_body_has_no_length),
    TEST(who_has_the_version_gets_304),
    TEST(who_has_not_gets_the_thing),
    TEST(an_answer_has_as_many_headers_as_are_set),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_answer", tests, NULL, NULL);
}
