/* What the log tells of slow statements: when, and of what is asked and planned which words. */
#include "check_arena.h"

#include "base/buf.h"
#include "rest/explained.h"
#include "rest/slow.h"

static const char *
names(const char *query)
{
    struct buf b;

    buf_init_arena(&b, a, 4096);
    buf_add_text(&b, "?");
    slow_names(str_of(query), &b);
    return b.ptr;
}

static const char *
steps(const char *json)
{
    struct buf b;

    buf_init_arena(&b, a, 65536);
    buf_add_text(&b, "");
    explained_steps(str_of(json), &b);
    return b.len == 0 ? "" : b.ptr;
}

static void
names_have_no_values(void **state UNUSED)
{
    assert_string_equal(names(""), "?");
    assert_string_equal(names("select=secret&id=eq.secret&or=(a.eq.secret)"), "?select,id,or");
    assert_string_equal(names("secret&a=&&=secret&b=x=secret"), "?a,,b");
    assert_string_equal(names("meta->>secret=eq.1&meta-%3Esecret=eq.1&orders.id=gt.1"),
                        "?meta,meta,orders.id");
}

static void
many_names_are_cut(void **state UNUSED)
{
    struct buf query;

    buf_init_arena(&query, a, 65536);
    for (int i = 0; i < 5000; i++)
        buf_printf(&query, "name%d=secret&", i);
    assert_true(strlen(names(query.ptr)) < 400);
    buf_clear(&query);
    for (int i = 0; i < 5000; i++)
        buf_add_text(&query, "n");
    buf_add_text(&query, "=secret");
    assert_true(strlen(names(query.ptr)) < 400);
    assert_null(strstr(names(query.ptr), "secret"));
}

/* As PostgreSQL 15 writes it, shortened. */
static const char plan[] =
    "[\n  {\n    \"Plan\": {\n      \"Node Type\": \"Aggregate\",\n      \"Strategy\": \"Plain\",\n"
    "      \"Parallel Aware\": false,\n      \"Total Cost\": 47.02,\n      \"Plan Rows\": 1,\n"
    "      \"Plan Width\": 32,\n      \"Plans\": [\n        {\n"
    "          \"Node Type\": \"Seq Scan\",\n          \"Parent Relationship\": \"InitPlan\",\n"
    "          \"Subplan Name\": \"CTE pgrst_source\",\n          \"Relation Name\": \"big\",\n"
    "          \"Alias\": \"big_1\",\n          \"Plan Rows\": 2550,\n"
    "          \"Filter\": \"(name = '\\\"Relation Name\\\": \\\"secret\\\"'::text)\"\n        },\n"
    "        {\n          \"Node Type\": \"Sort\",\n          \"Plan Rows\": 7,\n"
    "          \"Sort Key\": [\"secret\", \"(\\\"Plan Rows\\\": 99)\"],\n          \"Plans\": [\n"
    "            {\n              \"Node Type\": \"Index Scan\",\n"
    "              \"Index Name\": \"orders_pkey\",\n              \"Relation Name\": \"orders\",\n"
    "              \"Index Cond\": \"(id = 5)\",\n              \"Plan Rows\": 7\n            }\n"
    "          ]\n        }\n      ]\n    },\n    \"JIT\": {\n      \"Functions\": 4\n    }\n  "
    "}\n]";

static void
a_plan_is_its_steps(void **state UNUSED)
{
    assert_string_equal(steps(plan), "Aggregate ~1 (Seq Scan on big ~2550, Sort ~7 "
                                     "(Index Scan using orders_pkey on orders ~7))");
    assert_int_equal(explained_rows(str_of(plan)), 1);
}

/* More deeply than a tree of JSON may be. */
static void
deep_and_large_plans(void **state UNUSED)
{
    struct buf b;

    buf_init_arena(&b, a, 1 << 19);
    buf_add_text(&b, "[{\"Plan\": {\"Plan Rows\": 12345678901, \"Node Type\": \"Top\"");
    for (int i = 0; i < 40; i++)
        buf_add_text(&b, ", \"Plans\": [{\"Node Type\": \"Limit\"");
    for (int i = 0; i < 40; i++)
        buf_add_text(&b, "}]");
    buf_add_text(&b, "}}]");
    assert_true(explained_rows(buf_str(&b)) == 12345678901);
    assert_non_null(strstr(steps(b.ptr), "(Limit))))"));
    buf_clear(&b);
    buf_add_text(&b, "[{\"Plan\": {\"Node Type\": \"Append\", \"Plans\": [");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "{\"Node Type\": \"Seq Scan\", \"Relation Name\": \"part_%d\"},", i);
    assert_true(strlen(steps(b.ptr)) < 1700);
    assert_non_null(strstr(steps(b.ptr), "part_9"));
}

static void
what_is_no_plan(void **state UNUSED)
{
    static const char *const texts[] = {"", "[]", "\"", "{", "]]]]", "\"a\\", "[{\"Plan Rows\": }"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(explained_rows(str_of(texts[i])), 0);
        assert_string_equal(steps(texts[i]), "");
    }
    for (size_t len = 0; len < sizeof plan - 1; len++) {
        struct buf b;

        buf_init_arena(&b, a, 65536);
        explained_steps((struct str){arena_copy(a, (struct str){plan, len}), len}, &b);
        arena_reset(a);
    }
}

static void
a_shape_is_told_once_in_a_while(void **state UNUSED)
{
    int64_t others, now = 1000000;

    assert_true(slow_is_due(STR("GET /a?"), now, &others));
    assert_int_equal(others, 0);
    assert_false(slow_is_due(STR("GET /b?"), now + 9999, &others)); /* lines are rare */
    assert_true(slow_is_due(STR("GET /b?"), now + 10000, &others));
    assert_int_equal(others, 1);
    assert_false(slow_is_due(STR("GET /a?"), now + 30000, &others));
    assert_false(slow_is_due(STR("GET /a?"), now + 599999, &others));
    assert_true(slow_is_due(STR("GET /a?"), now + 600000, &others));
    assert_int_equal(others, 2);
}

static const struct CMUnitTest tests[] = {
    TEST(names_have_no_values), TEST(many_names_are_cut), TEST(a_plan_is_its_steps),
    TEST(deep_and_large_plans), TEST(what_is_no_plan),    TEST(a_shape_is_told_once_in_a_while),
};

int
main(void)
{
    return cmocka_run_group_tests_name("platform_rest_slow", tests, NULL, NULL);
}
