/* select, as the original reads it; the messages are those of its own documentation. */
#include "check_rest.h"

/* select=… is read as … */
static void
reads(const char *select, const char *expected)
{
    check_get(arena_join(a, "select=", select));
    if (strcmp(check_items(), expected) != 0)
        fail_msg("%s is read as %s", select, check_items());
}

static void
refuses(const char *select, int column, const char *details)
{
    check_refused(arena_join(a, "select=", select),
                  arena_printf(a, "\"failed to parse select parameter (%s)\" (line 1, column %d)",
                               select, column),
                  details);
}

static void
all_without_select(void **state UNUSED)
{
    check_get("");
    assert_string_equal(check_items(), "*");
    assert_false(request.has_select);
    reads("", "*");
    assert_false(request.has_select);
}

static void
first_select_counts(void **state UNUSED)
{
    check_get("select&select=a&select=b");
    assert_string_equal(check_items(), "a");
    assert_true(request.has_select);
}

static void
columns_are_read(void **state UNUSED)
{
    reads("*", "*");
    reads("id,name", "id,name");
    reads("n:name", "n:name");
    reads("id::text,total::int", "id::text,total::int");
    reads("count", "count");
    reads("id::timestamp without time zone", "id::timestamp without time zone");
    reads("\"any, \\\"x\\\":.()\",b", "any, \"x\":.(),b");
    reads("a-b-c", "a-b-c");
    reads("$x_1", "$x_1");
    reads("größe,日本", "größe,日本");
}

static void
blanks_are_allowed(void **state UNUSED)
{
    reads(" id , name ", "id,name");
    reads("* , people ( name , id ) , x", "*,people(name,id),x");
    reads("two words", "two words");
    reads("a - b", "a-b");
    reads("a::int ,b", "a::int,b");
}

static void
json_paths_are_read(void **state UNUSED)
{
    reads("meta->>plan,meta->l->1->>k", "meta->>plan,meta->l->#1->>k");
    reads("meta->-1", "meta->#-1");
    reads("meta->1st", "meta->1st");
    reads("p:meta->\"a.b\"->>c::int", "p:meta->a.b->>c::int");
    reads("data->!@#$%^*_a", "data->!@#$%^*_a");
    reads("r(data->0)", "r(data->#0)");
    reads("meta->a-b", "meta->a-b");
}

static void
aggregates_are_read(void **state UNUSED)
{
    reads("count()", "count()");
    reads("n:count()::text", "n:count()=>text");
    reads("total.sum(),total::int.avg()::text", "total.sum,total::int.avg=>text");
    reads("s:meta->>n.max()", "s:meta->>n.max");
    reads("a.min(),a.count()", "a.min,a.count");
    reads("count(),people(count())", "count(),people(count())");
}

static void
embeds_are_read(void **state UNUSED)
{
    reads("id,people(name)", "id,people(name)");
    reads("f:people!msgs_from_fk(name),t:people!to_id(name)",
          "f:people!msgs_from_fk(name),t:people!to_id(name)");
    reads("orders!inner(id)", "orders!inner(id)");
    reads("orders!left(id)", "orders!left(id)");
    reads("a:orders!fk!inner(*)", "a:orders!fk!inner(*)");
    reads("orders!inner!fk(*)", "orders!fk!inner(*)");
    reads("orders!left_fk(*)", "orders!left_fk(*)");
    reads("orders()", "orders()");
    reads("*,client(*,nested(*))", "*,client(*,nested(*))");
    reads("id,...people(name)", "id,...people(name)");
    reads("...people!fk!inner(name)", "...people!fk!inner(name)");
    reads("\"a b\"(c)", "a b(c)");
}

static void
text_behind_the_end_is_ignored(void **state UNUSED)
{
    reads("id,people(name)x", "id,people(name)");
    reads("id)", "id");
}

static void
mistakes_are_placed(void **state UNUSED)
{
    refuses("id,clients(name[])", 16,
            "unexpected '[' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", "
            "\")\", \",\" or end of input");
    refuses("data->>-78xy", 11,
            "unexpected 'x' expecting digit, \"->\", \"::\", \".\", \",\" or end of input");
    refuses("data->>--34", 9, "unexpected \"-\" expecting digit");
    check_refused("select=data->(!@%23$%25^%26*_d->>!@%23$%25^%26*_e::integer",
                  "\"failed to parse select parameter (data->(!@#$%^&*_d->>!@#$%^&*_e::integer)\" "
                  "(line 1, column 7)",
                  "unexpected \"(\" expecting \"-\", digit or any non reserved character different "
                  "from: .,>()");
    refuses("name!hint", 5,
            "unexpected '!' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", "
            "\")\", \",\" or end of input");
    refuses("*!hint", 2, NULL);
    refuses("name::", 7, "unexpected end of input expecting letter or digit");
    refuses("prt.*,u.email", 5,
            "unexpected \"*\" expecting \"sum\", \"avg\", \"count\", \"max\" or \"min\"");
    refuses("*,created_by:auth.users!fk(id)", 19,
            "unexpected \"u\" expecting \"sum\", \"avg\", \"count\", \"max\" or \"min\"");
    refuses("id,title,description,images,technologies,year,featured,", 56, NULL);
    refuses("alias:...rel(*)", 7, NULL);
    refuses("ä,b[", 4, NULL);
    refuses("a\tb", 9, NULL);
    refuses("\"a", 3, "unexpected end of input expecting \"\\\\\" or \"\\\"\"");
    refuses("a(b", 4, NULL);
    refuses(",a", 1, NULL);
    refuses("a-", 3, NULL);
    refuses("a->", 4, NULL);
}

static void
unexpected_characters_are_shown_as_haskell_does(void **state UNUSED)
{
    check_refused("select=a%C2%A0%5B",
                  "\"failed to parse select parameter (a\xC2\xA0[)\" (line 1, column 3)", NULL);
    check_refused("select=%E2%82%AC%0Aa",
                  "\"failed to parse select parameter (€\na)\" (line 1, column 2)",
                  "unexpected '\\n' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", "
                  "\".\", \")\", \",\" or end of input");
    check_refused("select=%2C%0A", "\"failed to parse select parameter (,\n)\" (line 1, column 1)",
                  NULL);
}

static void
nesting_has_an_end(void **state UNUSED)
{
    const char *good = arena_join(a, check_repeat("a(", 32), check_repeat(")", 32));
    const char *bad = arena_join(a, check_repeat("a(", 33), check_repeat(")", 33));

    check_get(arena_join(a, "select=", good));
    assert_false(check_read("GET", "/t", arena_join(a, "select=", bad), NULL, STR("")));
    assert_string_equal(error.details, "nested too deeply");
    assert_false(check_read("GET", "/t", arena_join(a, "select=", check_repeat("a(", 20000)), NULL,
                            STR("")));
}

static void
long_lists_cost_no_more_than_their_length(void **state UNUSED)
{
    check_get(arena_join(a, "select=x", check_repeat(",a-b", 5000)));
    check_get(arena_join(a, "select=x", check_repeat(",a:b->c->>1::int", 2000)));
    assert_false(check_read("GET", "/t", arena_join(a, "select=", check_repeat("\"", 19999)), NULL,
                            STR("")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_without_select),  TEST(first_select_counts),
        TEST(columns_are_read),    TEST(blanks_are_allowed),
        TEST(json_paths_are_read), TEST(aggregates_are_read),
        TEST(embeds_are_read),     TEST(text_behind_the_end_is_ignored),
        TEST(mistakes_are_placed), TEST(unexpected_characters_are_shown_as_haskell_does),
        TEST(nesting_has_an_end),  TEST(long_lists_cost_no_more_than_their_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
