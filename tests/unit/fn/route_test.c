#include "check_arena.h"

#include "fn/internal.h"
#include "fn/request.h"
#include "net/request.h"

static const struct fn_route routes[] = {
    {.methods = FN_GET, .path = "", .body_max = 1},
    {.methods = FN_GET, .path = "/orders/:id", .body_max = 2},
    {.methods = FN_POST | FN_DELETE, .path = "/orders/:id", .body_max = 3},
    {.methods = FN_GET, .path = "/orders/new", .body_max = 4},
    {.methods = FN_GET, .path = "/a/:first/b/:second", .body_max = 5},
    {.methods = FN_PUT, .path = "/files/:bucket/*", .body_max = 6},
    {.methods = FN_ANY, .path = "/any", .body_max = 7},
    {0},
};
static const struct fn_spec spec = {.routes = routes};
static struct fn_match match;

/* The number of the route (its body_max), 0 when there is none. */
static int
route_of(const char *method, const char *path)
{
    const struct net_request http = {.method = str_of(method), .path = str_of(path)};

    fn_match(&spec, &http, &match);
    return match.route == NULL ? 0 : (int)match.route->body_max;
}

static struct str
param(const char *name)
{
    const struct fn_req req = {.match = &match};

    return fn_param(&req, name);
}

static void
the_address_itself_is_the_empty_path(void **state UNUSED)
{
    assert_int_equal(route_of("GET", ""), 1);
    assert_int_equal(route_of("GET", "/"), 0);
}

static void
a_name_stands_for_one_segment(void **state UNUSED)
{
    assert_int_equal(route_of("GET", "/orders/FFX1"), 2);
    assert_true(str_is(param("id"), "FFX1"));
    assert_null(param("other").ptr);
    assert_int_equal(route_of("GET", "/orders/"), 0);
    assert_int_equal(route_of("GET", "/orders/a/b"), 0);
    assert_int_equal(route_of("GET", "/orders"), 0);
    assert_int_equal(route_of("GET", "/a/x/b/y"), 5);
    assert_true(str_is(param("first"), "x"));
    assert_true(str_is(param("second"), "y"));
}

static void
the_first_row_that_fits_counts(void **state UNUSED)
{
    assert_int_equal(route_of("GET", "/orders/new"), 2);
    assert_int_equal(route_of("DELETE", "/orders/new"), 3);
}

static void
a_star_stands_for_all_that_follows(void **state UNUSED)
{
    const struct fn_req req = {.match = &match};

    assert_int_equal(route_of("PUT", "/files/proofs/a/b.png"), 6);
    assert_true(str_is(fn_tail(&req), "a/b.png"));
    assert_true(str_is(param("bucket"), "proofs"));
    assert_int_equal(route_of("PUT", "/files/proofs/"), 6);
    assert_int_equal(fn_tail(&req).len, 0);
    assert_int_equal(route_of("PUT", "/files/proofs"), 0);
}

static void
a_known_path_tells_its_methods(void **state UNUSED)
{
    assert_int_equal(route_of("PUT", "/orders/1"), 0);
    assert_int_equal(match.allowed, FN_GET | FN_POST | FN_DELETE);
    assert_int_equal(route_of("OPTIONS", "/orders/1"), 0);
    assert_int_equal(match.allowed, FN_GET | FN_POST | FN_DELETE);
    assert_int_equal(route_of("GET", "/nowhere"), 0);
    assert_int_equal(match.allowed, 0);
}

static void
head_is_get(void **state UNUSED)
{
    assert_int_equal(route_of("HEAD", "/orders/1"), 2);
}

static void
any_method_is_any_but_options(void **state UNUSED)
{
    assert_int_equal(route_of("PROPFIND", "/any"), 7);
    assert_int_equal(route_of("OPTIONS", "/any"), 0);
    assert_int_equal(route_of("PROPFIND", "/orders/1"), 0);
}

static const struct CMUnitTest tests[] = {
    TEST(the_address_itself_is_the_empty_path), TEST(a_name_stands_for_one_segment),
    TEST(the_first_row_that_fits_counts),       TEST(a_star_stands_for_all_that_follows),
    TEST(a_known_path_tells_its_methods),       TEST(head_is_get),
    TEST(any_method_is_any_but_options),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_route", tests, NULL, NULL);
}
