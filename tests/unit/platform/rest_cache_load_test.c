/* The schema cache of a process, from a real server: loaded when it is asked for, and again when
 * something changed. */
#include "check_db.h"

#include "rest/cache/cache.h"

#define SQL FFX_SOURCE_DIR "/migrations/platform/"

static const struct cache *seen[3];

static enum err
look(struct task *task, void *arg)
{
    const struct cache *c;

    TRY(cache_get(task, &c));
    *(const struct cache **)arg = c;
    return ERR_OK;
}

/* One that reads for a while. */
static enum err
read_on(struct task *task, void *arg)
{
    const struct cache *c;

    TRY(look(task, arg));
    TRY(cache_get(task, &c));
    co_sleep_ms(600);
    assert_non_null(cache_table(c, STR("api"), STR("people")));
    assert_null(cache_table(c, STR("api"), STR("later")));
    return ERR_OK;
}

static bool
has_table(const char *name)
{
    const struct check_work w = check_do(look, &seen[0]);

    return w.err == ERR_OK && cache_table(seen[0], STR("api"), str_of(name)) != NULL;
}

static void
until_listening(void)
{
    char sql[256];

    (void)snprintf(sql, sizeof sql,
                   "select count(*) from pg_stat_activity where application_name = 'unit_%d' and "
                   "query like 'LISTEN%%pgrst%%' and state = 'idle'",
                   (int)getpid());
    for (int i = 0; i < 100; i++) {
        run_for(20);
        if (strcmp(check_db_ask(sql), "1") == 0)
            return;
    }
    fail_msg("nobody listens");
}

static void
without_it_nothing_is_served(void **state UNUSED)
{
    (void)check_db_ask("alter function platform.rest_schema(text[], text[]) rename to away");
    const struct check_work w = check_do(look, &seen[0]);
    (void)check_db_ask("alter function platform.away(text[], text[]) rename to rest_schema");
    assert_int_equal(w.err, ERR_UNAVAILABLE);
    assert_string_equal(w.fail.detail, "the schema cache could not be loaded");
}

static void
it_is_loaded_once_for_all_who_ask(void **state UNUSED)
{
    struct check_work works[3] = {{0}};

    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        works[i] = (struct check_work){.work = look, .arg = &seen[i], .limit_ms = 10000};
        check_start(&works[i]);
    }
    check_finish();
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        assert_int_equal(works[i].err, ERR_OK);
        assert_ptr_equal(seen[i], seen[0]);
    }
    assert_true(seen[0]->bytes > 1000 && seen[0]->bytes < 200000);
}

static void
it_has_what_the_database_has(void **state UNUSED)
{
    const struct cache_table *people = cache_table(seen[0], STR("api"), STR("people"));
    const struct cache_table *shown = cache_table(seen[0], STR("api"), STR("shown"));
    size_t count;

    assert_non_null(people);
    assert_string_equal(people->columns[1].type, "text");
    assert_int_equal(people->columns[0].pk_position, 1);
    /* from the view of a hidden table, whose key leads to people */
    assert_int_equal(shown->relation_count, 1);
    assert_ptr_equal(shown->relations[0].to, people);
    assert_string_equal(shown->relations[0].from_columns[0], "whose");
    assert_string_equal(shown->pk[0], "no");
    assert_int_equal(people->relation_count, 1);
    assert_null(cache_table(seen[0], STR("hidden"), STR("things")));
    assert_non_null(cache_routines(seen[0], STR("api"), STR("add"), &count));
    assert_true(cache_knows_type(seen[0], STR("timestamp with time zone")));
}

static void
what_changes_is_seen_and_who_reads_is_left_alone(void **state UNUSED)
{
    struct check_work reading = {.work = read_on, .arg = &seen[1], .limit_ms = 10000};

    cache_start();
    until_listening();
    check_start(&reading);
    run_for(20);
    (void)check_db_ask("create table api.later (id int primary key)");
    check_finish();
    assert_int_equal(reading.err, ERR_OK);
    assert_true(has_table("later"));
    assert_ptr_not_equal(seen[0], seen[1]);

    (void)check_db_ask("drop table api.later");
    run_for(500);
    assert_false(has_table("later"));
}

static void
what_is_temporary_or_no_word_of_ours_is_not(void **state UNUSED)
{
    (void)check_do(look, &seen[1]);
    (void)check_db_ask("create temporary table passing (id int primary key, n text default 'x')");
    (void)check_db_ask("drop table passing");
    (void)check_db_ask("grant select on api.people to fn_rest");
    (void)check_db_ask("create index on api.people (name)");
    (void)check_db_ask("notify pgrst, 'reload config'");
    run_for(400);
    (void)check_do(look, &seen[2]);
    assert_ptr_equal(seen[1], seen[2]);
    (void)check_db_ask("notify pgrst");
    run_for(400);
    (void)check_do(look, &seen[2]);
    assert_ptr_not_equal(seen[1], seen[2]);
}

static void
a_reload_that_fails_leaves_what_was(void **state UNUSED)
{
    (void)check_do(look, &seen[1]);
    (void)check_db_ask("alter function platform.rest_schema(text[], text[]) rename to away");
    run_for(400);
    assert_true(has_table("people"));
    assert_ptr_equal(seen[0], seen[1]);
    (void)check_db_ask("alter function platform.away(text[], text[]) rename to rest_schema");
    run_for(1500);
    assert_true(has_table("people"));
    assert_ptr_not_equal(seen[0], seen[1]);
}

static void
names_of_schemas_are_checked(void **state UNUSED)
{
    static const char *const bad[] = {"a,,b", ",", "public,pg_catalog", "information_schema",
                                      "Other one"};
    size_t count;
    const char *const *schemas = cache_schemas(&count);

    assert_int_equal(count, 2);
    assert_string_equal(schemas[0], "api");
    assert_string_equal(schemas[1], "Other_one");
    assert_null(schemas[2]);
    assert_string_equal(cache_extra_path(&count)[0], "extensions");
    assert_int_equal(count, 1);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_non_null(cfg_rest_schemas.check(bad[i]));
}

static int
load_settings(void **state UNUSED)
{
    struct setting *const own[] = {&cfg_rest_schemas, &cfg_rest_extra_path};
    struct buf problems;

    (void)setenv("REST_SCHEMAS", "api, Other_one", 1);
    (void)unsetenv("REST_EXTRA_PATH");
    buf_init_heap(&problems, 1024);
    const bool ok = settings_load(own, ARRAY_LEN(own), &problems);
    buf_release(&problems);
    return ok ? 0 : -1;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(names_of_schemas_are_checked),
    DB_TEST(without_it_nothing_is_served),
    DB_TEST(it_is_loaded_once_for_all_who_ask),
    DB_TEST(it_has_what_the_database_has),
    DB_TEST(what_changes_is_seen_and_who_reads_is_left_alone),
    DB_TEST(what_is_temporary_or_no_word_of_ours_is_not),
    DB_TEST(a_reload_that_fails_leaves_what_was),
};

int
main(void)
{
    return check_db_main_with(
        "platform_rest_cache_load", tests, ARRAY_LEN(tests),
        "psql -Xqd ${d}_utf8 -c 'create role fn_rest' 2>/dev/null; "
        "psql -Xqd ${d}_utf8 -v ON_ERROR_STOP=1 -c 'create schema platform' "
        "-c 'set check_function_bodies = off' -f " SQL "tables/0008_rest.sql "
        "-f " SQL "sql/rest_routines.sql -f " SQL "sql/rest_schema.sql "
        "-f " SQL "sql/rest_changes.sql",
        "psql -Xqd ${d}_utf8 -v ON_ERROR_STOP=1 -c 'create schema api; create schema hidden; "
        "create table api.people (id int primary key, name text); "
        "create table hidden.things (id int primary key, person_id int references api.people); "
        "create view api.shown as select id as no, person_id as whose from hidden.things; "
        "create function api.add(a int) returns int language sql return a'",
        load_settings, NULL);
}
