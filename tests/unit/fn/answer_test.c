#include "check_arena.h"

#include "fn/internal.h"
#include "fn/request.h"
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

static const struct CMUnitTest tests[] = {
    TEST(an_answer_has_as_many_headers_as_are_set),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_answer", tests, NULL, NULL);
}
