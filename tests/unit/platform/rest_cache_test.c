/* The schema cache from rows as platform.rest_schema writes them: what is read, relations, what is
 * found, and what is nearly found. */
#include "check_arena.h"

#include "rest/cache/cache.h"

#define COLUMN(name) "{\"name\":\"" name "\",\"type\":\"integer\"}"
#define TABLE(name, ...)                                                                           \
    "table", "{\"schema\":\"api\",\"name\":\"" name "\",\"exposed\":true," __VA_ARGS__ "}"
#define KEY(table, name, column, to, to_column, more)                                              \
    "key", "{\"schema\":\"api\",\"table\":\"" table "\",\"constraint\":\"" name                    \
           "\",\"columns\":[\"" column "\"],\"to_schema\":\"api\",\"to_table\":\"" to              \
           "\",\"to_columns\":[\"" to_column "\"]" more "}"
#define COLUMNS(...) "\"pk\":[\"id\"],\"columns\":[" __VA_ARGS__ "]"
#define ROUTINE(name, more)                                                                        \
    "routine", "{\"schema\":\"api\",\"name\":\"" name                                              \
               "\",\"type\":\"integer\",\"callable\":true" more "}"
#define ARGUMENT(name, type) "{\"name\":\"" name "\",\"type\":\"" type "\",\"required\":true}"

/* The tables of the vectors (rest-contract.md, 3), a few columns left out. */
static const char *const vectors[] = {
    TABLE("people",
          "\"description\":\"Who.\",\"insertable\":true,\"pk\":[\"id\"],\"columns\":[" COLUMN(
              "id") ","
                    "{\"name\":\"name\",\"type\":\"character varying(20)\",\"bare\":\"character "
                    "varying\","
                    "\"max\":20,\"default\":\"'x'\",\"description\":\"d\",\"nullable\":true},"
                    "{\"name\":\"mood\",\"type\":\"api.mood\",\"enum\":[\"low\",\"high\"],\"json\":"
                    "true,"
                    "\"tsvector\":true,\"fixed\":true}]"),
    TABLE("badges", COLUMNS(COLUMN("id"))),
    TABLE("person_badges", "\"pk\":[\"person_id\",\"badge_id\"],\"columns\":[" COLUMN(
                               "badge_id") "," COLUMN("person_id") "]"),
    TABLE("passports", "\"pk\":[\"person_id\"],\"columns\":[" COLUMN(
                           "person_id") ","
                                        "{\"name\":\"no\",\"type\":\"text\",\"reader\":\"api."
                                        "reader\",\"row_id\":\"person_id\"}]"),
    TABLE("orders", COLUMNS(COLUMN("id") "," COLUMN("person_id"))),
    TABLE("nodes", COLUMNS(COLUMN("id") "," COLUMN("parent_id"))),
    TABLE("msgs", COLUMNS(COLUMN("id") "," COLUMN("from_id") "," COLUMN("to_id"))),
    TABLE("paid",
          "\"view\":true," COLUMNS(COLUMN("id") "," COLUMN("person_id") "," COLUMN("again_id"))),
    "table",
    "{\"schema\":\"hidden\",\"name\":\"people\",\"columns\":[]}",
    KEY("person_badges", "pb_person", "person_id", "people", "id", ""),
    KEY("person_badges", "pb_badge", "badge_id", "badges", "id", ""),
    KEY("passports", "passports_fk", "person_id", "people", "id", ",\"unique\":true"),
    KEY("orders", "orders_fk", "person_id", "people", "id", ""),
    KEY("nodes", "nodes_fk", "parent_id", "nodes", "id", ""),
    KEY("msgs", "msgs_to_fk", "to_id", "people", "id", ""),
    KEY("msgs", "msgs_from_fk", "from_id", "people", "id", ""),
    KEY("nowhere", "nowhere_fk", "a", "people", "id", ""),
    "view",
    "{\"schema\":\"api\",\"name\":\"paid\",\"columns\":["
    "[\"id\",\"api\",\"orders\",\"id\"],[\"person_id\",\"api\",\"orders\",\"person_id\"],"
    "[\"again_id\",\"api\",\"orders\",\"person_id\"]]}",
    "computed",
    "{\"schema\":\"api\",\"table\":\"people\",\"to_schema\":\"api\",\"to_table\":\"orders\","
    "\"function_schema\":\"api\",\"function\":\"best\",\"to_one\":true}",
    "computed",
    "{\"schema\":\"api\",\"table\":\"people\",\"to_schema\":\"api\",\"to_table\":\"orders\","
    "\"function_schema\":\"api\",\"function\":\"passports\"}",
    ROUTINE("over", ",\"arguments\":[" ARGUMENT("x", "text") "]"),
    ROUTINE("over", ",\"arguments\":[" ARGUMENT("x", "integer") "]"),
    ROUTINE("over", ""),
    ROUTINE("add", ",\"volatility\":\"i\",\"arguments\":[" ARGUMENT(
                       "b", "integer") ",{\"name\":\"a\","
                                       "\"type\":\"integer\",\"variadic\":true}]"),
    ROUTINE("cheap",
            ",\"returns\":\"row\",\"set\":true,\"table_schema\":\"api\",\"table\":\"orders\","
            "\"volatility\":\"s\",\"settings\":[\"statement_timeout\",\"2s\"],"
            "\"isolation\":\"repeatable read\""),
    ROUTINE(
        "page",
        ",\"domain\":\"text/html\",\"description\":\"A page.\",\"void\":true,\"returns\":\"out\""),
    ROUTINE("initial", ",\"of_schema\":\"api\",\"of\":\"people\",\"arguments\":[" ARGUMENT(
                           "p", "api.people") "]"),
    "routine",
    "{\"schema\":\"extensions\",\"name\":\"initial\",\"type\":\"text\",\"of_schema\":\"api\","
    "\"of\":\"people\"}",
    "routine",
    "{\"schema\":\"extensions\",\"name\":\"initial\",\"type\":\"text\",\"of_schema\":\"api\","
    "\"of\":\"orders\"}",
    "handler",
    "{\"media\":\"text/"
    "x\",\"function_schema\":\"api\",\"function\":\"as_x\",\"table_schema\":\"api\",\"table\":"
    "\"orders\"}",
    "handler",
    "{\"media\":\"text/y\",\"function_schema\":\"api\",\"function\":\"as_y\",\"bytes\":true}",
    "handler",
    "{\"media\":\"text/"
    "z\",\"function_schema\":\"api\",\"function\":\"as_z\",\"table_schema\":\"api\",\"table\":"
    "\"gone\"}",
    "role",
    "{\"name\":\"anon\",\"settings\":[\"statement_timeout\",\"3s\"],\"isolation\":"
    "\"serializable\"}",
    "role",
    "{\"name\":\"staff\",\"sees_all\":true}",
    "types",
    "[\"text\",\"int4\",\"double precision\"]",
    "description",
    "\"All \\\"of\\\" it.\"",
};

static struct cache *c;

static int
set_up_vectors(void **state)
{
    const char *why = "none";

    (void)set_up(state);
    c = cache_decode(a, vectors, ARRAY_LEN(vectors) / 2, &why);
    if (c == NULL)
        fail_msg("%s", why);
    return 0;
}

static int
tear_down_vectors(void **state)
{
    cache_free(c);
    return tear_down(state);
}

#define WITH_VECTORS(name) cmocka_unit_test_setup_teardown(name, set_up_vectors, tear_down_vectors)

static const struct cache_table *
table(const char *name)
{
    const struct cache_table *t = cache_table(c, STR("api"), str_of(name));

    if (t == NULL)
        fail_msg("no table %s", name);
    return t;
}

static void
tables_and_columns_are_as_they_are_told(void **state UNUSED)
{
    const struct cache_table *t = table("people");
    const struct cache_column *name = cache_column(t, STR("name"));
    const struct cache_column *mood = cache_column(t, STR("mood"));

    assert_int_equal(c->table_count, 9);
    assert_string_equal(t->description, "Who.");
    assert_true(t->exposed && t->insertable && !t->updatable && !t->deletable && !t->is_view);
    assert_string_equal(t->pk[0], "id");
    assert_null(t->pk[1]);
    assert_int_equal(t->column_count, 3);
    assert_int_equal(t->columns[0].pk_position, 1);
    assert_string_equal(t->columns[0].bare_type, "integer");
    assert_string_equal(name->type, "character varying(20)");
    assert_string_equal(name->bare_type, "character varying");
    assert_string_equal(name->default_expr, "'x'");
    assert_string_equal(name->description, "d");
    assert_int_equal(name->max_length, 20);
    assert_true(name->nullable && !name->is_json && !name->generated_always);
    assert_string_equal(mood->enum_values[1], "high");
    assert_null(mood->enum_values[2]);
    assert_true(mood->is_json && mood->is_tsvector && mood->generated_always && !mood->nullable);
    assert_null(mood->reader);
    assert_null(cache_column(t, STR("nam")));
    assert_null(cache_column(t, STR("names")));
    assert_int_equal(cache_column(table("person_badges"), STR("badge_id"))->pk_position, 2);
    assert_string_equal(c->description, "All \"of\" it.");
    assert_false(t->has_sealed);
    assert_true(table("passports")->has_sealed);
    assert_string_equal(table("passports")->columns[1].reader, "api.reader");
    assert_string_equal(table("passports")->columns[1].row_id, "person_id");
    assert_false(cache_table(c, STR("hidden"), STR("people"))->exposed);
    assert_null(cache_table(c, STR("ap"), STR("people")));
    assert_null(cache_table(c, STR("api"), STR("zebras")));
    assert_null(cache_table(c, STR("api"), STR_NONE));
}

static void
say_columns(struct buf *out, const char *const *columns)
{
    for (size_t i = 0; columns[i] != NULL; i++)
        buf_printf(out, "%s%s", i == 0 ? "(" : ",", columns[i]);
    buf_printf(out, ")");
}

/* All that lead out of a table, in their order. */
static const char *
relations(const char *name)
{
    static const char *const kinds[] = {"m2o", "o2m", "parent", "child", "m2m", "computed"};
    const struct cache_table *t = table(name);
    struct buf out;

    buf_init_arena(&out, a, 4096);
    for (size_t i = 0; i < t->relation_count; i++) {
        const struct cache_relation *r = &t->relations[i];

        assert_ptr_equal(r->from, t);
        buf_printf(&out, "%s%s %s %s", i == 0 ? "" : "; ", kinds[r->kind], r->to->name,
                   r->constraint);
        if (r->kind == CACHE_COMPUTED) {
            buf_printf(&out, " %s%s", r->function_schema, r->to_one ? " one" : "");
            continue;
        }
        say_columns(&out, r->from_columns);
        if (r->kind == CACHE_M2M) {
            buf_printf(&out, " %s", r->junction->name);
            say_columns(&out, r->junction_from);
            say_columns(&out, r->junction_to);
            buf_printf(&out, " %s ", r->constraint2);
        }
        say_columns(&out, r->to_columns);
        if (r->is_self)
            buf_printf(&out, " self");
    }
    return arena_copy(a, buf_str(&out));
}

static void
keys_lead_both_ways(void **state UNUSED)
{
    assert_string_equal(relations("orders"), "m2o people orders_fk(person_id)(id)");
    assert_string_equal(relations("msgs"), "m2o people msgs_from_fk(from_id)(id); "
                                           "m2o people msgs_to_fk(to_id)(id)");
    assert_string_equal(relations("passports"), "child people passports_fk(person_id)(id)");
    assert_string_equal(relations("nodes"), "o2m nodes nodes_fk(id)(parent_id) self; "
                                            "m2o nodes nodes_fk(parent_id)(id) self");
}

static void
two_keys_of_a_junction_join_what_they_lead_to(void **state UNUSED)
{
    assert_string_equal(
        relations("badges"),
        "m2m people pb_badge(id) person_badges(badge_id)(person_id) pb_person (id); "
        "o2m person_badges pb_badge(id)(badge_id)");
    assert_string_equal(relations("person_badges"), "m2o badges pb_badge(badge_id)(id); "
                                                    "m2o people pb_person(person_id)(id)");
}

static void
views_have_the_keys_of_their_columns(void **state UNUSED)
{
    assert_string_equal(relations("paid"), "m2o people orders_fk(again_id)(id); "
                                           "m2o people orders_fk(person_id)(id)");
}

/* (The function passports hides the key of the table so named.) */
static void
computed_relations_are_last_and_hide_keys(void **state UNUSED)
{
    assert_string_equal(
        relations("people"),
        "m2m badges pb_person(id) person_badges(person_id)(badge_id) pb_badge (id); "
        "o2m msgs msgs_from_fk(id)(from_id); o2m msgs msgs_to_fk(id)(to_id); "
        "o2m orders orders_fk(id)(person_id); "
        "o2m paid orders_fk(id)(again_id); o2m paid orders_fk(id)(person_id); "
        "o2m person_badges pb_person(id)(person_id); "
        "computed orders best api one; computed orders passports api");
}

static void
functions_are_found_by_name(void **state UNUSED)
{
    size_t count;
    const struct cache_routine *r = cache_routines(c, STR("api"), STR("over"), &count);

    assert_int_equal(c->routine_count, 7);
    assert_int_equal(count, 3);
    assert_int_equal(r[0].argument_count, 0);
    assert_string_equal(r[1].arguments[0].type, "integer");
    assert_string_equal(r[2].arguments[0].type, "text");
    assert_true(r[2].arguments[0].required && !r[2].arguments[0].variadic);
    assert_true(r->returns == CACHE_SCALAR && r->volatility == CACHE_VOLATILE && !r->is_set);
    r = cache_routines(c, STR("api"), STR("cheap"), &count);
    assert_int_equal(count, 1);
    assert_true(r->is_set && r->returns == CACHE_COMPOSITE && r->volatility == CACHE_STABLE);
    assert_ptr_equal(r->table, table("orders"));
    assert_string_equal(r->settings[1], "2s");
    assert_null(r->settings[2]);
    assert_string_equal(r->isolation, "repeatable read");
    r = cache_routines(c, STR("api"), STR("page"), &count);
    assert_string_equal(r->return_domain, "text/html");
    assert_string_equal(r->description, "A page.");
    assert_true(r->is_void && r->returns == CACHE_TABLE_OF_OUT && r->settings[0] == NULL);
    assert_null(r->isolation);
    assert_true(cache_routines(c, STR("api"), STR("add"), &count)->volatility == CACHE_IMMUTABLE);
    assert_null(cache_routines(c, STR("extensions"), STR("initial"), &count));
    assert_null(cache_routines(c, STR("api"), STR("zoo"), &count));
    assert_int_equal(count, 0);
}

static void
functions_of_a_row_are_found_by_table_and_name(void **state UNUSED)
{
    const struct cache_routine *r = cache_computed(c, table("people"), STR("initial"));

    assert_int_equal(c->computed_count, 3);
    assert_string_equal(r->schema, "api"); /* the exposed one of two */
    assert_string_equal(cache_computed(c, table("orders"), STR("initial"))->schema, "extensions");
    assert_null(cache_computed(c, table("badges"), STR("initial")));
    assert_null(cache_computed(c, table("people"), STR("initials")));
}

static void
the_rest_is_there(void **state UNUSED)
{
    assert_int_equal(c->handler_count, 2);
    assert_string_equal(c->handlers[0].media, "text/x");
    assert_ptr_equal(c->handlers[0].table, table("orders"));
    assert_null(c->handlers[1].table);
    assert_true(!c->handlers[0].is_bytes && c->handlers[1].is_bytes);
    assert_string_equal(cache_role(c, "anon")->settings[1], "3s");
    assert_string_equal(cache_role(c, "anon")->isolation, "serializable");
    assert_null(cache_role(c, "staff")->settings[0]);
    assert_true(cache_role(c, "staff")->sees_all && !cache_role(c, "anon")->sees_all);
    assert_null(cache_role(c, "root"));
    assert_true(cache_knows_type(c, STR("text")) && cache_knows_type(c, STR("Double Precision")));
    assert_true(cache_knows_type(c, STR("INT4")));
    assert_false(cache_knows_type(c, STR("int")) || cache_knows_type(c, STR("zzz")) ||
                 cache_knows_type(c, STR("")));
    assert_null(c->types[3]);
}

static void
near_names_are_offered(void **state UNUSED)
{
    static const char *const none[] = {NULL};
    static const char *const a_and_c[] = {"a", "c", NULL};
    static const char *const x[] = {"zzz", NULL};

#define NEAR_TABLE(name)              cache_near_table(a, c, STR("api"), STR(name))
#define NEAR_RELATION(parent, child)  cache_near_relation(a, c, STR("api"), STR(parent), STR(child))
#define NEAR_ROUTINE(name, arguments) cache_near_routine(a, c, STR("api"), STR(name), arguments)
    assert_string_equal(NEAR_TABLE("order"), "orders");
    assert_string_equal(NEAR_TABLE("Orders"), "orders");
    assert_string_equal(NEAR_TABLE("pasports"), "passports");
    assert_null(NEAR_TABLE("ord"));
    assert_null(NEAR_TABLE("zebras"));
    assert_null(NEAR_TABLE(""));
    assert_null(cache_near_table(a, c, STR("other"), STR("order")));
    assert_string_equal(NEAR_RELATION("people", "order"),
                        "Perhaps you meant 'orders' instead of 'order'.");
    assert_string_equal(NEAR_RELATION("person", "orders"),
                        "Perhaps you meant 'person_badges' instead of 'person'.");
    assert_null(NEAR_RELATION("people", "orders"));
    assert_null(NEAR_RELATION("people", "zebras"));
    assert_null(NEAR_RELATION("zebras", "orders"));
    assert_string_equal(NEAR_ROUTINE("chea", none), "api.cheap");
    assert_string_equal(NEAR_ROUTINE("add", a_and_c), "api.add(a, b)");
    assert_string_equal(NEAR_ROUTINE("over", none), "api.over()");
    assert_null(NEAR_ROUTINE("add", x));
    assert_null(NEAR_ROUTINE("zoo", none));
}

static void
nobody_is_kept_busy_by_a_long_name(void **state UNUSED)
{
    char *name = arena_bytes(a, 100000);

    memset(name, 'o', 100000);
    assert_null(cache_near_table(a, c, STR("api"), (struct str){name, 100000}));
    assert_null(cache_near_relation(a, c, STR("api"), STR("people"), (struct str){name, 100000}));
}

static void
what_is_not_expected_is_told(void **state UNUSED)
{
    static const struct {
        const char *kind, *row, *why;
    } rows[] = {
        {"table", "{", "table: Invalid JSON at byte 2: expected a key in double quotes"},
        {"table", "[]", "table: no object"},
        {"table", "{\"name\":\"x\"}", "table: no text \"schema\""},
        {"table", "{\"schema\":\"x\",\"name\":\"x\"}", "table: no columns"},
        {"table", "{\"schema\":\"x\",\"name\":\"x\",\"columns\":[{\"name\":1}]}",
         "table: no text \"name\""},
        {"table", "{\"schema\":\"x\",\"name\":\"x\",\"pk\":[1]}",
         "table: \"pk\" has something else than texts"},
        {"view", "{\"schema\":\"x\",\"name\":\"x\",\"columns\":[[\"a\"]]}",
         "view: a view's column is no list of four texts"},
        {"key",
         "{\"constraint\":\"x\",\"schema\":\"x\",\"table\":\"x\",\"to_schema\":\"x\",\"to_table\":"
         "\"x\","
         "\"columns\":[\"a\"],\"to_columns\":[]}",
         "key: \"columns\" and \"to_columns\" do not belong together"},
        {"routine", "{\"schema\":\"x\",\"name\":\"x\",\"arguments\":1}",
         "routine: \"arguments\" is no list"},
        {"types", "{}", "types: no list"},
        {"description", "[]", "description: no text"},
        {"other", "{}", "other: a kind that nobody knows"},
        {"role", "{\"name\":\"x\"}", "types: missing"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *const row[] = {rows[i].kind, rows[i].row};
        const char *why = NULL;

        assert_null(cache_decode(a, row, 1, &why));
        assert_string_equal(why, rows[i].why);
    }
}

/* Ten columns, a key, and nothing said of most. */
static void
a_thousand_tables_are_small(void **state UNUSED)
{
    const char **rows = ARENA_ARRAY(a, const char *, 4002);
    const char *why = NULL;

    for (int i = 0; i < 1000; i++) {
        rows[4 * i] = "table";
        rows[4 * i + 1] = arena_printf(
            a,
            "{\"schema\":\"api\",\"name\":\"t%d\",\"exposed\":true,\"pk\":[\"id\"],\"columns\":["
            "{\"name\":\"id\",\"type\":\"integer\"},{\"name\":\"a\",\"type\":\"text\"},"
            "{\"name\":\"b\",\"type\":\"text\"},{\"name\":\"c\",\"type\":\"text\"},"
            "{\"name\":\"d\",\"type\":\"text\"},{\"name\":\"e\",\"type\":\"text\"},"
            "{\"name\":\"f\",\"type\":\"text\"},{\"name\":\"g\",\"type\":\"text\"},"
            "{\"name\":\"h\",\"type\":\"text\"},{\"name\":\"parent_id\",\"type\":\"integer\"}]}",
            i);
        rows[4 * i + 2] = "key";
        rows[4 * i + 3] = arena_printf(
            a,
            "{\"schema\":\"api\",\"table\":\"t%d\",\"constraint\":\"t%d_fk\",\"columns\":"
            "[\"parent_id\"],\"to_schema\":\"api\",\"to_table\":\"t%d\",\"to_columns\":[\"id\"]}",
            i, i, i / 2);
    }
    rows[4000] = "types";
    rows[4001] = "[]";
    c = cache_decode(a, rows, 2001, &why);
    assert_non_null(c);
    if (c->bytes > 1300000)
        fail_msg("%zu bytes", c->bytes);
    for (int i = 0; i < 1000; i++)
        (void)table(arena_printf(a, "t%d", i));
    assert_int_equal(table("t400")->relation_count, 3);
    assert_int_equal(table("t500")->relation_count, 1);
    assert_null(cache_near_table(a, c, STR("api"), STR("t50000")));
    cache_free(c);
}

static const struct CMUnitTest tests[] = {
    WITH_VECTORS(tables_and_columns_are_as_they_are_told),
    WITH_VECTORS(keys_lead_both_ways),
    WITH_VECTORS(two_keys_of_a_junction_join_what_they_lead_to),
    WITH_VECTORS(views_have_the_keys_of_their_columns),
    WITH_VECTORS(computed_relations_are_last_and_hide_keys),
    WITH_VECTORS(functions_are_found_by_name),
    WITH_VECTORS(functions_of_a_row_are_found_by_table_and_name),
    WITH_VECTORS(the_rest_is_there),
    WITH_VECTORS(near_names_are_offered),
    WITH_VECTORS(nobody_is_kept_busy_by_a_long_name),
    TEST(what_is_not_expected_is_told),
    TEST(a_thousand_tables_are_small),
};

int
main(void)
{
    return cmocka_run_group_tests_name("platform_rest_cache", tests, NULL, NULL);
}
