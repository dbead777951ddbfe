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
answered(const struct fn_route *route, int status, const char *authorization)
{
    static const struct fn_spec spec = {.signature = "x-sig"};
    const struct header header = {STR("authorization"),
                                  authorization == NULL ? STR_NONE : str_of(authorization)};
    const struct net_request http = {
        .method = STR("GET"), .headers = &header, .header_count = authorization != NULL};
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

    assert_non_null(strstr(answered(&signed_by, 401, NULL),
                           "\r\nWWW-Authenticate: Signature header=\"x-sig\"\r\n"));
    assert_null(strstr(answered(&user, 403, "Bearer x"), "WWW-Authenticate"));
    assert_non_null(strstr(answered(&user, 401, NULL),
                           "\r\nWWW-Authenticate: Bearer realm=\"functions\"\r\n"));
}

/* RFC 6750, 3: no error without a token, and none for another scheme. */
static void
a_401_tells_a_bad_token_from_none(void **state UNUSED)
{
    static const struct fn_route user = {.who = FN_USER};
    static const char bad[] =
        "\r\nWWW-Authenticate: Bearer realm=\"functions\", error=\"invalid_token\"\r\n";

    assert_non_null(strstr(answered(&user, 401, "Bearer x"), bad));
    assert_null(strstr(answered(&user, 401, "Basic x"), "error="));
}

/* ---- refusals ---- */

static const char *
refused(unsigned allowed, enum err e, const char *coding)
{
    static const struct fn_spec spec;
    const struct fn_match match = {.allowed = allowed};
    const struct header header = {STR("content-encoding"), str_of(coding)};
    const struct net_request http = {
        .method = STR("POST"), .body = STR("{}"), .headers = &header, .header_count = 1};
    struct task task = {.arena = a};
    struct fn_req req = {.task = &task, .http = &http, .spec = &spec, .match = &match};
    struct fn_res res = {0};

    buf_init_arena(&res.body, a, 1000);
    fn_write_failure(&req, &res, e);
    return fn_compose(&req, &res).ptr;
}

/* RFC 9110, 12.5.3: Accept-Encoding for no other reason. */
static void
a_415_names_what_is_taken(void **state UNUSED)
{
    assert_non_null(
        strstr(refused(FN_POST, ERR_MEDIA_TYPE, "gzip"), "\r\nAccept-Encoding: identity\r\n"));
    assert_null(strstr(refused(FN_POST, ERR_MEDIA_TYPE, "gzip"), "\r\nAccept: "));
    assert_non_null(
        strstr(refused(FN_POST, ERR_MEDIA_TYPE, "identity"), "\r\nAccept: application/json\r\n"));
    assert_null(strstr(refused(FN_POST, ERR_MEDIA_TYPE, "identity"), "Accept-Encoding"));
}

static void
a_405_names_head_where_get_is(void **state UNUSED)
{
    assert_non_null(
        strstr(refused(FN_GET, ERR_METHOD, "identity"), "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
    assert_non_null(
        strstr(refused(FN_POST, ERR_METHOD, "identity"), "\r\nAllow: POST, OPTIONS\r\n"));
}

/* Also what is made when no memory is left. */
static void
every_answer_has_the_same_headers(void **state UNUSED)
{
    static const char *const lines[] = {
        "\r\nX-Request-Id: an-id\r\n", "\r\nAccess-Control-Allow-Origin: *\r\n",
        "\r\nAccess-Control-Expose-Headers: *\r\n", "\r\nCache-Control: no-store\r\n",
        "\r\nX-Content-Type-Options: nosniff\r\n"};
    const struct task task = {.id = "an-id"};
    char spare[FN_SPARE_BYTES];
    const struct str block = fn_out_of_memory_answer(&task, spare);

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_non_null(memmem(block.ptr, block.len, lines[i], strlen(lines[i])));
        if (i > 0)
            assert_non_null(strstr(answered(NULL, 200, NULL), lines[i]));
    }
}

static void
a_page_may_read_every_header(void **state UNUSED)
{
    assert_non_null(strstr(answered(NULL, 200, NULL), "\r\nAccess-Control-Expose-Headers: *\r\n"));
}

static void
what_is_good_is_kept_as_its_route_says(void **state UNUSED)
{
    static const struct fn_route keys = {.cache = "public, max-age=600"}, other;

    assert_non_null(strstr(answered(&keys, 200, NULL), "\r\nCache-Control: public, max-age=600\r\n"));
    assert_non_null(strstr(answered(&keys, 404, NULL), "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(answered(&other, 200, NULL), "\r\nCache-Control: no-store\r\n"));
}

static void
an_answer_without_a_body_has_no_length(void **state UNUSED)
{
    assert_null(strstr(answered(NULL, 204, NULL), "Content-Length"));
    assert_null(strstr(answered(NULL, 304, NULL), "Content-Length"));
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
    TEST(a_401_tells_a_bad_token_from_none),
    TEST(a_415_names_what_is_taken),
    TEST(a_405_names_head_where_get_is),
    TEST(every_answer_has_the_same_headers),
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
