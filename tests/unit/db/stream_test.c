/* Rows one by one, from a real server. */
#include "check_db.h"

#include "db/stream.h"

#if defined(__SANITIZE_ADDRESS__)
#define MANY_ROWS 20000
#else
#define MANY_ROWS 200000
#endif

/* A stream that is read to its end, or left after `most` rows. */
struct read {
    const char *sql, *setting; /* the second: a step before, or NULL */
    int most;
    int64_t pause_ms; /* after the first row */
    int64_t took_ms;
    int rows;
    size_t bytes;
    char last[32];
    char said[256];
};

static enum err
read_rows(struct task *task, struct read *r, struct db_stream *s)
{
    struct db_row row;

    for (;;) {
        TRY(db_stream_next(s, &row));
        if (row.result == NULL)
            return ERR_OK;
        const struct str text = db_str(&row, 0);
        r->rows++;
        r->bytes += text.len;
        (void)snprintf(r->last, sizeof r->last, "%s", text.ptr);
        if (r->rows == r->most)
            return ERR_OK;
        if (r->rows == 1 && r->pause_ms > 0)
            co_sleep_ms(r->pause_ms);
        task->deadline_ms = clock_ms() + 5000;
    }
}

static enum err
read_all(struct task *task, void *arg)
{
    struct read *r = arg;
    struct db_step steps[2] = {{.sql = r->setting}, {.sql = r->sql}};
    const size_t first = r->setting == NULL ? 1 : 0;
    struct db_stream *s;

    enum err e = db_stream_open(
        task,
        &(struct db_script){.steps = steps + first, .count = 2 - first, .ret_took_ms = &r->took_ms},
        &s);
    if (e == ERR_OK)
        e = read_rows(task, r, s);
    check_said(task, r->said, sizeof r->said);
    return e;
}

static enum err
do_read(struct read *r)
{
    return check_do(read_all, r).err;
}

static int64_t
resident_kb(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    int64_t kb = 0;

    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    (void)fclose(f);
    return kb;
}

static void
rows_come_one_by_one(void **state UNUSED)
{
    for (int i = 0; i < 3; i++) {
        struct read r = {.sql = "SELECT 10000 + i FROM generate_series(1, 5000) i"};

        assert_int_equal(do_read(&r), ERR_OK);
        assert_int_equal(r.rows, 5000);
        assert_int_equal(r.bytes, 25000);
        assert_string_equal(r.last, "15000");
    }
}

static void
there_may_be_none(void **state UNUSED)
{
    struct read r = {.sql = "SELECT 1 WHERE false"};

    assert_int_equal(do_read(&r), ERR_OK);
    assert_int_equal(r.rows, 0);
}

static void
much_takes_little_memory(void **state UNUSED)
{
    char sql[96];
    struct read r = {.sql = sql};

    (void)snprintf(sql, sizeof sql, "SELECT repeat('x', 1000) FROM generate_series(1, %d)",
                   MANY_ROWS);
    const int64_t before_kb = resident_kb(), began_ms = clock_ms();
    assert_int_equal(do_read(&r), ERR_OK);
    assert_int_equal(r.rows, MANY_ROWS);
    if (MANY_ROWS == 200000) {
        assert_in_range(resident_kb() - before_kb, 0, 1500);
        print_message("200 MB in %d ms\n", (int)(clock_ms() - began_ms));
    }
}

static void
a_failure_before_the_first_row(void **state UNUSED)
{
    struct read r = {.sql = "SELECT nothing"};
    struct read setting = {.setting = "SELECT 1/0", .sql = "SELECT 1"};

    assert_int_equal(do_read(&r), ERR_INTERNAL);
    assert_string_equal(r.said,
                        "42703 column \"nothing\" does not exist | - | - | - - - - | 8 of 1");
    assert_int_equal(do_read(&setting), ERR_INTERNAL);
    assert_memory_equal(setting.said, "22012", 5);
    assert_int_equal(setting.rows, 0);
}

static void
a_failure_after_some_rows(void **state UNUSED)
{
    struct read r = {.sql = "SELECT 1/(5 - i) FROM generate_series(1, 9) i"};

    for (int i = 0; i < 3; i++) {
        r.rows = 0;
        assert_int_equal(do_read(&r), ERR_INTERNAL);
        assert_int_equal(r.rows, 4);
        assert_memory_equal(r.said, "22012", 5);
    }
}

static void
it_only_reads(void **state UNUSED)
{
    struct read r = {.sql = "INSERT INTO things SELECT 1 RETURNING 1"};

    assert_int_equal(do_read(&r), ERR_UNAVAILABLE);
    assert_memory_equal(r.said, "25006", 5);
}

static void
the_servers_time_ends_with_the_first_row(void **state UNUSED)
{
    struct read first = {
        .sql = "SELECT pg_sleep(0.1), repeat('x', 20000) FROM generate_series(1, 12)"};
    struct read failed = {.sql = "SELECT pg_sleep(0.1), 1/(i - 1) FROM generate_series(1, 1) i"};

    assert_int_equal(do_read(&first), ERR_OK);
    assert_true(first.took_ms >= 99 && first.took_ms < 1000);
    assert_int_equal(do_read(&failed), ERR_INTERNAL);
    assert_true(failed.took_ms >= 99);
}

static const char long_sql[] = "SELECT repeat('long', 500) FROM generate_series(1, 5000)";

static void
the_server_waits_for_who_is_slow(void **state UNUSED)
{
    struct read r = {.sql = long_sql,
                     .setting = "SELECT set_config('statement_timeout', '200', true)",
                     .pause_ms = 1500};
    struct check_work w = {.work = read_all, .arg = &r, .limit_ms = 5000};

    check_start(&w);
    check_db_until("SELECT repeat(''long%", "1");
    run_for(200);
    assert_int_equal(r.rows, 1);
    assert_string_equal(check_db_ask("select wait_event from pg_stat_activity where query like "
                                     "'SELECT repeat(''long%'"),
                        "ClientWrite");
    check_finish();
    assert_int_equal(w.err, ERR_OK);
    assert_int_equal(r.rows, 5000);
}

static void
one_that_is_left_is_ended(void **state UNUSED)
{
    for (int i = 0; i < 5; i++) {
        struct read r = {.sql = long_sql, .most = 1 + i};

        assert_int_equal(do_read(&r), ERR_OK);
        check_db_until("SELECT repeat(''long%", "0");
    }
}

static struct check_work leaver;

static void
leave(struct loop_timer *t UNUSED)
{
    leaver.task->gone = true;
    if (leaver.task->until_gone != NULL)
        co_wake(leaver.task->until_gone);
}

static void
it_ends_when_the_client_leaves(void **state UNUSED)
{
    static const char *const sqls[] = {
        "SELECT pg_sleep(20)", "SELECT pg_sleep(i - 1) FROM generate_series(1, 20) i", long_sql};
    struct loop_timer timer = {.fire = leave};

    for (size_t i = 0; i < ARRAY_LEN(sqls); i++) {
        struct read r = {.sql = sqls[i], .pause_ms = i == 2 ? 500 : 0};

        leaver = (struct check_work){.work = read_all, .arg = &r, .limit_ms = 5000};
        check_start(&leaver);
        check_db_until("SELECT %", "1");
        const int64_t left_ms = clock_ms() + 10;
        loop_timer_set(&timer, left_ms);
        check_finish();
        assert_int_equal(leaver.err, ERR_HUP);
        check_db_until("SELECT %", "0");
        print_message("ended %d ms after the client left\n", (int)(clock_ms() - left_ms));
    }
}

static void
a_lost_connection_ends_it(void **state UNUSED)
{
    struct read r = {.sql = long_sql, .pause_ms = 1000};
    struct check_work w = {.work = read_all, .arg = &r, .limit_ms = 5000};

    check_start(&w);
    check_db_until("SELECT repeat(''long%", "1");
    (void)check_db_ask("select pg_terminate_backend(pid) from pg_stat_activity where query like "
                       "'SELECT repeat(''long%'");
    check_finish();
    assert_int_equal(w.err, ERR_UNAVAILABLE);
}

static struct read streams[4];

static enum err
write_one(struct task *task, void *ret_rows)
{
    static struct db_stmt write = {.sql = "INSERT INTO things VALUES (1) RETURNING id",
                                   .kind = DB_WRITE};
    struct db_row row;

    TRY(db_one(task, &write, DB_NO_PARAMS, &row));
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        *(int *)ret_rows += streams[i].rows;
    return ERR_OK;
}

static void
streams_leave_connections_to_others(void **state UNUSED)
{
    struct check_work w[ARRAY_LEN(streams)];
    int rows = 0;

    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        streams[i] = (struct read){.sql = long_sql, .pause_ms = 1500};
        w[i] = (struct check_work){.work = read_all, .arg = &streams[i], .limit_ms = 25000};
        check_start(&w[i]);
    }
    struct check_work write = {.work = write_one, .arg = &rows, .limit_ms = 10000};
    check_start(&write);
    check_finish();
    assert_int_equal(write.err, ERR_OK);
    assert_in_range(rows, 0, 2); /* of those that had begun */
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        assert_int_equal(w[i].err, ERR_OK);
        assert_int_equal(streams[i].rows, 5000);
    }
}

static const struct CMUnitTest tests[] = {
    DB_TEST(rows_come_one_by_one),
    DB_TEST(there_may_be_none),
    DB_TEST(much_takes_little_memory),
    DB_TEST(a_failure_before_the_first_row),
    DB_TEST(a_failure_after_some_rows),
    DB_TEST(the_servers_time_ends_with_the_first_row),
    DB_TEST(it_only_reads),
    DB_TEST(the_server_waits_for_who_is_slow),
    DB_TEST(one_that_is_left_is_ended),
    DB_TEST(it_ends_when_the_client_leaves),
    DB_TEST(a_lost_connection_ends_it),
    DB_TEST(streams_leave_connections_to_others),
};

int
main(void)
{
    return check_db_main("db_stream", tests, ARRAY_LEN(tests), "true",
                         "psql -qXd ${d}_utf8 -c 'create table things (id int)'");
}
