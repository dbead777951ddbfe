/* Filters, and/or, order: what a query string says about places. */
#include "check_rest.h"

/* c=… is read as … */
static void
reads(const char *value, const char *expected)
{
    check_get(arena_join(a, "c=", value));
    if (strcmp(check_where(request.places), expected) != 0)
        fail_msg("%s is read as %s", value, check_where(request.places));
}

static void
refuses(const char *value, int column, const char *details)
{
    check_refused(
        arena_join(a, "c=", value),
        arena_printf(a, "\"failed to parse filter (%s)\" (line 1, column %d)", value, column),
        details);
}

static void
operators_are_read(void **state UNUSED)
{
    static const char *const plain[] = {"eq",    "neq",   "gt",    "gte",    "lt",         "lte",
                                        "like",  "ilike", "match", "imatch", "isdistinct", "fts",
                                        "plfts", "phfts", "wfts",  "cs",     "cd",         "ov",
                                        "sl",    "sr",    "nxr",   "nxl",    "adj"};

    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        reads(arena_join(a, plain[i], ".v"), arena_printf(a, "c %s v", plain[i]));
        reads(arena_printf(a, "not.%s.", plain[i]), arena_printf(a, "c not %s ", plain[i]));
    }
}

static void
values_are_kept(void **state UNUSED)
{
    reads("eq.a.b,c(d)\"e", "c eq a.b,c(d)\"e");
    reads("eq. x ", "c eq  x ");
    reads("cs.{a,b}", "c cs {a,b}");
    reads("cs.{\"k\":1}", "c cs {\"k\":1}");
    reads("ov.[4,6)", "c ov [4,6)");
    reads("eq.a+b%2Bc", "c eq a b+c");
    reads("match.^a*", "c match ^a*");
}

static void
star_of_like_is_percent(void **state UNUSED)
{
    reads("like.A*b*", "c like A%b%");
    reads("ilike.*", "c ilike %");
    reads("like.50%", "c like 50%");
    reads("ilike.%zz%", "c ilike %zz%");
}

static void
any_and_all_are_read(void **state UNUSED)
{
    reads("like(any).{A*,C*}", "c like(any) {A%,C%}");
    reads("eq(all).{1}", "c eq(all) {1}");
    reads("not.imatch(any).{x}", "c not imatch(any) {x}");
    refuses("neq(any).{1}", 4, NULL);
    refuses("cs(any).{1}", 3, NULL);
    refuses("eq(some).{1}", 4, NULL);
    refuses("eq().value", 4, "unexpected \")\" expecting operator (eq, gt, ...)");
    refuses("in().value", 3, "unexpected \"(\" expecting operator (eq, gt, ...)");
    refuses("is().value", 3, "unexpected \"(\" expecting operator (eq, gt, ...)");
}

static void
languages_are_read(void **state UNUSED)
{
    reads("fts(english).ada", "c fts:english ada");
    reads("not.wfts(german).a b", "c not wfts:german a b");
    refuses("plfts(library.arabic).x", 14, NULL);
    refuses("fts().value", 5, NULL);
}

static void
lists_are_read(void **state UNUSED)
{
    reads("in.(1,2)", "c in {\"1\",\"2\"}");
    reads("in.(\"paid\",new)", "c in {\"paid\",\"new\"}");
    reads("in.(\"a,b\",\"c)d\")", "c in {\"a,b\",\"c)d\"}");
    reads("not.in.(1,2)", "c not in {\"1\",\"2\"}");
    reads("in.()", "c in {}");
    reads("in.(\"\")", "c in {}");
    reads("in.(,)", "c in {\"\",\"\"}");
    reads("in.( a, b )", "c in {\"a\",\" b \"}");
    reads("in.(\"a\\\"b\",c\\d)", "c in {\"a\\\"b\",\"c\\\\d\"}");
    reads("in.(\"a\"b,c\"d\")", "c in {\"\\\"a\\\"b\",\"c\\\"d\\\"\"}");
    reads("in.({a},{b})", "c in {\"{a}\",\"{b}\"}");
    reads("in.(1)trailing", "c in {\"1\"}");
    reads("in.(NULL,null)", "c in {\"NULL\",\"null\"}");
    refuses("in.1", 4, "unexpected \"1\" expecting \"(\"");
    refuses("in.(1", 6, "unexpected end of input expecting \",\" or \")\"");
}

static void
truth_values_are_read(void **state UNUSED)
{
    reads("is.null", "c is null");
    reads("is.NULL", "c is null");
    reads("not.is.Not_Null", "c not is not_null");
    reads("is.true", "c is true");
    reads("is.FALSE", "c is false");
    reads("is.unknown", "c is unknown");
    reads("is.nullx", "c is null");
    refuses("is.x", 4, "unexpected \"x\" expecting isVal: (null, not_null, true, false, unknown)");
    refuses("is.not null", 7, NULL);
    refuses("is.", 4, NULL);
}

static void
mistakes_are_placed(void **state UNUSED)
{
    refuses("0", 1, "unexpected \"0\" expecting \"not\" or operator (eq, gt, ...)");
    refuses("noop.0", 1, "unexpected \"o\" expecting \"not\" or operator (eq, gt, ...)");
    refuses("val", 1, NULL);
    refuses("", 1, NULL);
    refuses("not.", 5, NULL);
    refuses("eq", 3, NULL);
    refuses("failed", 1, NULL);
}

static void
keys_are_paths(void **state UNUSED)
{
    check_get("meta->>k=eq.v&meta->l->0=eq.5&\"order\"=eq.1&a-b=eq.2");
    assert_string_equal(check_where(request.places),
                        "meta->>k eq v; meta->l->#0 eq 5; order eq 1; a-b eq 2");
    check_refused(".x=eq.1", "\"failed to parse tree path (.x)\" (line 1, column 1)", NULL);
    check_refused("x.=eq.1", "\"failed to parse tree path (x.)\" (line 1, column 3)", NULL);
    check_refused("=eq.1", "\"failed to parse tree path ()\" (line 1, column 1)", NULL);
}

static void
places_are_kept_apart(void **state UNUSED)
{
    check_get("rel.status=eq.paid&id=eq.1&a.b.c=eq.2&rel.x=eq.3&rel.order=id.desc&a.b.limit=5"
              "&rel.or=(x.eq.1,y.eq.2)&rel.offset=-4");
    const struct rest_place *p = request.places;
    assert_null(p->path);
    assert_string_equal(check_where(p), "id eq 1");
    p = p->next;
    assert_string_equal(check_names(p->path, "."), "rel");
    assert_string_equal(check_where(p), "or(x eq 1; y eq 2); status eq paid; x eq 3");
    assert_string_equal(check_order(p), "id desc");
    assert_true(p->has_offset && p->offset == 0 && !p->has_limit);
    p = p->next;
    assert_string_equal(check_names(p->path, "."), "a.b");
    assert_string_equal(check_where(p), "c eq 2");
    assert_true(p->has_limit && p->limit == 5);
    assert_null(p->next);
}

/* ---- and, or, not ---- */

static void
reads_tree(const char *query, const char *expected)
{
    check_get(query);
    if (strcmp(check_where(request.places), expected) != 0)
        fail_msg("%s is read as %s", query, check_where(request.places));
}

static void
refuses_tree(const char *key, const char *tree, int column, const char *details)
{
    check_refused(
        arena_printf(a, "%s=%s", key, tree),
        arena_printf(a, "\"failed to parse logic tree (%s)\" (line 1, column %d)", tree, column),
        details);
}

static void
trees_are_read(void **state UNUSED)
{
    reads_tree("or=(status.eq.new,and(total.gt.5,person_id.is.null))",
               "or(status eq new; and(total gt 5; person_id is null))");
    reads_tree("not.or=(status.eq.paid,status.eq.new)", "not or(status eq paid; status eq new)");
    reads_tree("and=(a.eq.1,not.and(b.not.lt.2,c.is.true))",
               "and(a eq 1; not and(b not lt 2; c is true))");
    reads_tree("or=(a.in.(1,\"2,3\"),b.cs.{x,y})", "or(a in {\"1\",\"2,3\"}; b cs {x,y})");
    reads_tree("or=(a->>b.eq.\"x,\\\"y\",c.like.*z)", "or(a->>b eq x,\"y; c like %z)");
    reads_tree("or=( a.eq.1 , b.eq.2 )", "or(a eq 1 ; b eq 2 )");
    reads_tree("and=( and ( id.in.( 1, 2, 3 ) , id.eq.3 ) , or ( id.eq.2 , id.eq.3 ) )",
               "and(and(id in {\"1\",\" 2\",\" 3 \"}; id eq 3 ); or(id eq 2 ; id eq 3 ))");
    reads_tree("and=(id.eq.1,id.neq.2))", "and(id eq 1; id neq 2)");
    reads_tree("or=(arr.isdistinct.{1,2},name.like.\"*ity,4*\")",
               "or(arr isdistinct {1,2}; name like %ity,4%)");
    reads_tree("or=(orders.is.null,x.eq.)", "or(orders is null; x eq )");
    reads_tree("or=(\"and\".eq.1,or.eq.2)", "or(and eq 1; or eq 2)");
    reads_tree("or=(a.fts(english).b,c.like(any).{d*})", "or(a fts:english b; c like(any) {d%})");
    reads_tree("or=(a.eq.1)trailing", "or(a eq 1)");
    reads_tree("and=(a.eq.x.y:z)", "and(a eq x.y:z)");
}

static void
tree_keys_are_paths(void **state UNUSED)
{
    check_get("rel.not.or=(a.eq.1)&a.b.and=(c.eq.2)");
    assert_string_equal(check_names(request.places->next->path, "."), "rel");
    assert_string_equal(check_where(request.places->next), "not or(a eq 1)");
    assert_string_equal(check_names(request.places->next->next->path, "."), "a.b");
}

static void
tree_mistakes_are_placed(void **state UNUSED)
{
    refuses_tree("or", "()", 4,
                 "unexpected \")\" expecting field name (* or [a..z0..9_$]), negation operator "
                 "(not) or logic operator (and, or)");
    refuses_tree("or", "(id.in.1,2,id.eq.3)", 10, "unexpected \"1\" expecting \"(\"");
    refuses_tree("or", ")(", 3, "unexpected \")\" expecting \"(\"");
    refuses_tree("and", "(ord(id.eq.1,id.eq.1),id.eq.2)", 7, "unexpected \"d\" expecting \"(\"");
    refuses_tree("or", "(id.eq.1,not.xor(id.eq.2,id.eq.3))", 16,
                 "unexpected \"x\" expecting logic operator (and, or)");
    refuses_tree("or",
                 "(name.ilike.%israel%,fec_committee_id.ilike.%israel%,candidates.name.ilike."
                 "%israel%)",
                 67, NULL);
    refuses_tree("or", "", 3, NULL);
    refuses_tree("or", "(a.eq.1", 10, NULL);
    check_refused(".or=(a.eq.1)", "\"failed to parse logic path (.or)\" (line 1, column 1)", NULL);
}

static void
trees_have_an_end(void **state UNUSED)
{
    char deep[20001] = "or=";

    for (size_t i = 3; i + 4 < sizeof(deep); i += 4)
        memcpy(deep + i, "(and", 4);
    assert_false(check_read("GET", "/t", deep, NULL, STR("")));
    assert_string_equal(error.details, "nested too deeply");
}

/* ---- order ---- */

static void
orders(const char *order, const char *expected)
{
    check_get(arena_join(a, "order=", order));
    if (strcmp(check_order(request.places), expected) != 0)
        fail_msg("%s is read as %s", order, check_order(request.places));
}

static void
refuses_order(const char *order, int column, const char *details)
{
    check_refused(
        arena_join(a, "order=", order),
        arena_printf(a, "\"failed to parse order (%s)\" (line 1, column %d)", order, column),
        details);
}

static void
orders_are_read(void **state UNUSED)
{
    orders("id", "id");
    orders("id.desc,name.asc", "id desc, name asc");
    orders("a.desc.nullsfirst,b.nullslast", "a desc first, b last");
    orders("json->k->>0.asc.nullslast", "json->k->>#0 asc last");
    orders("people(name).desc.nullslast,id", "people.name desc last, id");
    orders("clients(j->k).nullsfirst", "clients.j->k first");
    orders(" a , b.desc , c(d) ", "a, b desc, c.d");
    orders("\"a.b\".desc", "a.b desc");
    check_get("order=a&order=b");
    assert_string_equal(check_order(request.places), "a");
}

static void
order_mistakes_are_placed(void **state UNUSED)
{
    refuses_order("id.asc.nullslasttt", 17, "unexpected 't' expecting \",\" or end of input");
    refuses_order("id.nullslasttt", 13, "unexpected 't' expecting \",\" or end of input");
    refuses_order("id.ac", 4,
                  "unexpected \"c\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\"");
    refuses_order("id.descc", 8, "unexpected 'c' expecting delimiter (.), \",\" or end of input");
    refuses_order("id.asc.nlsfst", 8, "unexpected \"l\" expecting \"nullsfirst\" or \"nullslast\"");
    refuses_order("clients(name,id)", 8,
                  "unexpected '(' expecting letter, digit, \"-\", \"->>\", \"->\", delimiter (.), "
                  "\",\" or end of input");
    refuses_order("", 1, NULL);
    refuses_order("a,", 3, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(operators_are_read),        TEST(values_are_kept),     TEST(star_of_like_is_percent),
        TEST(any_and_all_are_read),      TEST(languages_are_read),  TEST(lists_are_read),
        TEST(truth_values_are_read),     TEST(mistakes_are_placed), TEST(keys_are_paths),
        TEST(places_are_kept_apart),     TEST(trees_are_read),      TEST(tree_keys_are_paths),
        TEST(tree_mistakes_are_placed),  TEST(trees_have_an_end),   TEST(orders_are_read),
        TEST(order_mistakes_are_placed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
