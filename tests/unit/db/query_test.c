/*
 * Statements on a real server: the one that PGHOST, PGPORT and PGUSER name (tests/sql/run gives
 * them); without PGHOST there is none, and these tests are left out.
 */
#include "check_loop.h"

#include "base/task.h"
#include "db/query.h"
#include "loop/wait.h"

#define CONNECTIONS 4

static const char *server; /* NULL: there is none */

/* ---- statements on coroutines of their own ---- */

struct asked {
    struct db_stmt *stmt;
    const char *param;
    int64_t limit_ms;
    enum err err;
    int64_t took_ms;
    int rows;
    char text[64]; /* of the first column */
    struct fail fail;
};

static size_t under_way;

static enum err
ask(struct task *task, void *arg)
{
    struct asked *q = arg;
    struct db_result *result;
    const char *const params[] = {q->param, "x"};
    const size_t count = q->param == NULL ? 0 : q->stmt->kind == DB_GROUPED ? 2 : 1;

    TRY(db_query(task, q->stmt, params, count, &result));
    q->rows = db_rows(result);
    if (q->rows > 0) {
        const struct db_row row = db_row(result, 0);
        const char *text = db_text(&row, 0);

        (void)snprintf(q->text, sizeof q->text, "%s", text == NULL ? "" : text);
    }
    return ERR_OK;
}

static void
ask_on_coroutine(void *arg)
{
    struct asked *q = arg;
    const int64_t began_ms = clock_ms();
    struct task task = {.arena = arena_new((size_t)256 * 1024),
                        .deadline_ms = began_ms + q->limit_ms};

    q->err = task_run(&task, ask, q);
    q->took_ms = clock_ms() - began_ms;
    q->fail = task.fail;
    arena_free(task.arena);
    if (--under_way == 0)
        loop_exit();
}

/* All of them in one turn of the loop, to their ends. */
static void
ask_all(struct asked *all, size_t count)
{
    under_way = count;
    for (size_t i = 0; i < count; i++)
        co_start(ask_on_coroutine, &all[i]);
    run_for(20000);
    assert_int_equal(under_way, 0);
}

static struct asked
ask_one(struct db_stmt *stmt)
{
    struct asked q = {.stmt = stmt, .limit_ms = 5000};

    ask_all(&q, 1);
    return q;
}

/* ---- late statements ---- */

static struct db_stmt sleep_s = {.sql = "SELECT pg_sleep($1::float8)", .kind = DB_READ};
static struct db_stmt sleep_and_write = {.sql = "SELECT pg_sleep($1::float8)", .kind = DB_WRITE};
static struct db_stmt one = {.sql = "SELECT 1", .kind = DB_READ};
static struct db_stmt sleepers = {
    .sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
           "'%pg_sleep($1%' AND pid <> pg_backend_pid()",
    .kind = DB_READ};
static struct db_stmt backends = {
    .sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
           "current_setting('application_name')",
    .kind = DB_READ};

static void
a_late_read_takes_no_neighbour_with_it(void **state UNUSED)
{
    struct asked all[] = {{.stmt = &one, .limit_ms = 15000},
                          {.stmt = &sleep_s, .param = "3", .limit_ms = 300},
                          {.stmt = &one, .limit_ms = 15000},
                          {.stmt = &one, .limit_ms = 15000}};

    if (server == NULL)
        skip();
    ask_all(all, ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (i == 1)
            continue;
        if (all[i].err != ERR_OK)
            fail_msg("neighbour %zu: %s", i, all[i].fail.detail);
        assert_string_equal(all[i].text, "1");
        assert_in_range(all[i].took_ms, 0, 1000);
    }
    assert_int_equal(all[1].err, ERR_TIMEOUT);
    assert_in_range(all[1].took_ms, 300, 500);
}

static void
the_server_is_told_to_end_what_is_late(void **state UNUSED)
{
    struct asked late = {.stmt = &sleep_and_write, .param = "30", .limit_ms = 100};

    if (server == NULL)
        skip();
    ask_all(&late, 1);
    assert_int_equal(late.err, ERR_TIMEOUT);
    run_for(500);
    assert_string_equal(ask_one(&sleepers).text, "0");
}

static void
late_statements_do_not_add_connections(void **state UNUSED)
{
    struct asked all[24];

    if (server == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i] = (struct asked){.stmt = i % 2 == 0 ? &sleep_and_write : &sleep_s,
                                .param = "30",
                                .limit_ms = 100 + 20 * (int64_t)i};
    ask_all(all, ARRAY_LEN(all));
    const struct asked seen = ask_one(&backends);
    assert_int_equal(seen.err, ERR_OK);
    if (seen.text[1] != '\0' || seen.text[0] > '0' + CONNECTIONS)
        fail_msg("%s connections of %d", seen.text, CONNECTIONS);
    run_for(500);
    assert_string_equal(ask_one(&sleepers).text, "0");
}

static void
a_late_member_of_a_group_takes_no_other_with_it(void **state UNUSED)
{
    static struct db_stmt lock = {.sql = "SELECT $1::text[], $2::text[]"};
    static struct db_stmt grouped = {.sql = "SELECT pg_sleep($1::float8), $2",
                                     .kind = DB_GROUPED,
                                     .lock = &lock,
                                     .lock_params = {1, 2}};
    struct asked all[8];

    if (server == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i] = (struct asked){.stmt = &grouped, .param = "0", .limit_ms = 15000};
    all[3].param = "0.6";
    all[3].limit_ms = 200;
    ask_all(all, ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_int_equal(all[i].err, i == 3 ? ERR_TIMEOUT : ERR_OK);
}

/* ---- statements of any kind and number ---- */

static void
a_statement_without_rows_is_done(void **state UNUSED)
{
    static struct db_stmt none = {.sql = "DO $$ BEGIN END $$", .kind = DB_WRITE};

    if (server == NULL)
        skip();
    for (int i = 0; i < 2; i++) {
        const struct asked q = ask_one(&none);

        assert_int_equal(q.err, ERR_OK);
        assert_int_equal(q.rows, 0);
    }
}

static void
there_is_no_last_statement(void **state UNUSED)
{
    static struct db_stmt many[100];
    static char texts[ARRAY_LEN(many)][32];
    static struct asked all[ARRAY_LEN(many)];

    if (server == NULL)
        skip();
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < ARRAY_LEN(many); i++) {
            (void)snprintf(texts[i], sizeof texts[i], "SELECT %zu", i);
            many[i].sql = texts[i];
            many[i].kind = DB_READ;
            all[i] = (struct asked){.stmt = &many[i], .limit_ms = 15000};
        }
        ask_all(all, ARRAY_LEN(all));
        for (size_t i = 0; i < ARRAY_LEN(many); i++) {
            assert_int_equal(all[i].err, ERR_OK);
            assert_string_equal(all[i].text, texts[i] + strlen("SELECT "));
        }
    }
}

static void
a_failure_has_its_sqlstate(void **state UNUSED)
{
    static struct db_stmt wrong = {.sql = "SELECT 1/0", .kind = DB_READ};

    if (server == NULL)
        skip();
    const struct asked q = ask_one(&wrong);
    assert_int_equal(q.err, ERR_INTERNAL);
    assert_string_equal(q.fail.sqlstate, "22012");
    assert_string_equal(ask_one(&one).fail.sqlstate, "");
}

static const struct CMUnitTest tests[] = {
    TEST(a_late_read_takes_no_neighbour_with_it),
    TEST(the_server_is_told_to_end_what_is_late),
    TEST(late_statements_do_not_add_connections),
    TEST(a_late_member_of_a_group_takes_no_other_with_it),
    TEST(a_statement_without_rows_is_done),
    TEST(there_is_no_last_statement),
    TEST(a_failure_has_its_sqlstate),
};

static void
load_settings(void)
{
    struct buf problems;
    size_t count = 0;
    char url[512];

    (void)snprintf(url, sizeof url, "host=%s dbname=postgres application_name=query_test_%d",
                   server, (int)getpid());
    while (db_settings[count] != NULL)
        count++;
    buf_init_heap(&problems, 4096);
    MUST(setenv("DATABASE_URL", url, 1) == 0);
    if (!settings_load(db_settings, count, &problems))
        die("%s", problems.ptr);
    buf_release(&problems);
}

int
main(void)
{
    server = getenv("PGHOST");
    if (server != NULL)
        load_settings();
    loop_init();
    return cmocka_run_group_tests_name("db_query", tests, NULL, NULL);
}
