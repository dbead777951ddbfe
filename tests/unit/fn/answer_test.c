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
    struct fn_req req = {.task = &task, .http = &http};
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
answered(const struct fn_spec *spec, int status)
{
    const struct net_request http = {.method = STR("GET")};
    struct task task = {.arena = a};
    struct fn_req req = {.task = &task, .http = &http, .spec = spec};
    struct fn_res res = {.status = status, .content_type = "text/plain"};

    buf_init_arena(&res.body, a, 100);
    return fn_compose(&req, &res).ptr;
}

static void
a_401_says_how_to_come_in(void **state UNUSED)
{
    static const struct fn_spec user = {.auth = FN_AUTH_USER};
    static const struct fn_spec signed_by = {.auth = FN_AUTH_SIGNATURE, .signature = "x-sig"};

    assert_non_null(strstr(answered(&user, 401), "\r\nWWW-Authenticate: Bearer\r\n"));
    assert_non_null(
        strstr(answered(&signed_by, 401), "\r\nWWW-Authenticate: Signature header=\"x-sig\"\r\n"));
    assert_null(strstr(answered(&user, 403), "WWW-Authenticate"));
}

static void
a_page_may_read_every_header(void **state UNUSED)
{
    static const struct fn_spec open;

    assert_non_null(strstr(answered(&open, 200), "\r\nAccess-Control-Expose-Headers: *\r\n"));
}

static const struct CMUnitTest tests[] = {
    TEST(a_401_says_how_to_come_in),
    TEST(a_page_may_read_every_header),
    TEST(an_answer_has_as_many_headers_as_are_set),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_answer", tests, NULL, NULL);
}
