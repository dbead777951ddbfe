/*
 * check_db: for tests on a real server: the one that PGHOST, PGPORT and PGUSER name (the level
 * `unit` starts one).  Without PGHOST there is none, and check_db_set_up leaves the tests out.
 * Each program has databases of its own, ffx_unit_PID_NAME, and an application_name to be known by.
 */
#ifndef FFX_CHECK_DB_H
#define FFX_CHECK_DB_H

#include "check_loop.h"

#include <libpq-fe.h>

#include "base/task.h"
#include "db/failure.h"
#include "db/query.h"
#include "loop/wait.h"

#define CHECK_DB_MEMORY ((size_t)256 * 1024)

static const char *server; /* NULL: there is none */
static pid_t own_pid;

static inline int
check_db_set_up(void **state)
{
    if (server == NULL)
        skip();
    return clear_trace(state);
}

#define DB_TEST(name) cmocka_unit_test_setup(name, check_db_set_up)

/* ---- work on coroutines ---- */

struct check_work {
    enum err (*work)(struct task *task, void *arg);
    void *arg;
    int64_t limit_ms;
    size_t memory;
    struct task *task; /* while it runs */
    enum err err;
    int64_t took_ms;
    struct fail fail; /* without `statement`, which was in the arena */
};

static size_t check_under_way;

static inline void
check_run_work(void *arg)
{
    struct check_work *w = arg;
    const int64_t began_ms = clock_ms();
    struct task task = {.arena = arena_new(w->memory == 0 ? CHECK_DB_MEMORY : w->memory),
                        .deadline_ms = began_ms + w->limit_ms};

    w->task = &task;
    w->err = task_run(&task, w->work, w->arg);
    w->task = NULL;
    w->took_ms = clock_ms() - began_ms;
    w->fail = task.fail;
    w->fail.statement = NULL;
    arena_free(task.arena);
    if (--check_under_way == 0)
        loop_exit();
}

static inline void
check_start(struct check_work *w)
{
    check_under_way++;
    co_start(check_run_work, w);
}

/* To the ends of all that was started. */
static inline void
check_finish(void)
{
    if (check_under_way > 0)
        run_for(30000);
    assert_int_equal(check_under_way, 0);
}

/* On a coroutine of its own, to its end. */
static inline struct check_work
check_do(enum err (*work)(struct task *task, void *arg), void *arg)
{
    struct check_work w = {.work = work, .arg = arg, .limit_ms = 10000};

    check_start(&w);
    check_finish();
    return w;
}

/* All that the server said of a failure; nothing when it said nothing. */
static inline void
check_said(const struct task *task, char *ret, size_t size)
{
    const struct db_failure *f = task->fail.statement;

    ret[0] = '\0';
    if (f == NULL)
        return;
#define TOLD(field) (f->field == NULL ? "-" : f->field)
    (void)snprintf(ret, size, "%s %s | %s | %s | %s %s %s %s | %d of %d", f->sqlstate,
                   TOLD(message), TOLD(detail), TOLD(hint), TOLD(schema), TOLD(table), TOLD(column),
                   TOLD(constraint), f->position, f->step);
#undef TOLD
}

/* ---- the server ---- */

static inline void
check_db_load(const char *name)
{
    struct buf problems;
    size_t count = 0;
    char url[512];

    (void)snprintf(url, sizeof url, "host=%s dbname=ffx_unit_%d_%s application_name=unit_%d",
                   server, (int)own_pid, name, (int)getpid());
    while (db_settings[count] != NULL)
        count++;
    buf_init_heap(&problems, 4096);
    MUST(setenv("DATABASE_URL", url, 1) == 0);
    if (!settings_load(db_settings, count, &problems))
        die("%s", problems.ptr);
    buf_release(&problems);
}

/* A shell command in which $d begins the names of this program's databases. */
static inline void
check_db_shell(const char *command)
{
    char text[2048];

    MUST(snprintf(text, sizeof text, "d=ffx_unit_%d; %s", (int)own_pid, command) <
         (int)sizeof text);
    if (system(text) != 0)
        die("failed: %s", text);
}

/* What the database `utf8` answers to somebody else: the first row's first column, or "". */
static inline const char *
check_db_ask(const char *sql)
{
    static PGconn *other;
    static char text[256];

    if (other == NULL) {
        (void)snprintf(text, sizeof text, "host=%s dbname=ffx_unit_%d_utf8", server, (int)own_pid);
        other = PQconnectdb(text);
    }
    PGresult *r = PQexec(other, sql);
    const ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(other));
    (void)snprintf(text, sizeof text, "%s", PQntuples(r) == 0 ? "" : PQgetvalue(r, 0, 0));
    PQclear(r);
    return text;
}

/* How many statements of ours the server runs that are like this. */
static inline const char *
check_db_running(const char *like)
{
    char sql[256];

    (void)snprintf(
        sql, sizeof sql,
        "select count(*) from pg_stat_activity where state = 'active' and "
        "application_name like 'unit_%%' and datname = 'ffx_unit_%d_utf8' and query like "
        "'%s' and query not like 'select count%%'",
        (int)own_pid, like);
    return check_db_ask(sql);
}

/* Run the loop until so many of them run. */
static inline void
check_db_until(const char *like, const char *count)
{
    const int64_t began_ms = clock_ms();

    while (strcmp(check_db_running(like), count) != 0) {
        if (clock_ms() - began_ms > 5000)
            fail_msg("%s run like %s, not %s", check_db_running(like), like, count);
        run_for(5);
    }
}

/* main of such a test: makes the database `utf8`, runs these two commands, runs the tests, drops
 * its databases. */
static inline int
check_db_main_with(const char *name, const struct CMUnitTest *tests, size_t count, const char *more,
                   const char *sql, int (*set_up)(void **state), int (*tear_down)(void **state))
{
    server = getenv("PGHOST");
    own_pid = getpid();
    if (server != NULL) {
        check_db_shell("createdb -E UTF8 -T template0 ${d}_utf8");
        check_db_shell(more);
        check_db_shell(sql);
        check_db_load("utf8");
    }
    loop_init();
    const int failed = _cmocka_run_group_tests(name, tests, count, set_up, tear_down);
    if (server != NULL)
        check_db_shell(
            "for n in $(psql -XqAtd template1 -c \"select datname from pg_database where "
            "datname like '${d}_%'\"); do dropdb -f $n; done");
    return failed;
}

static inline int
check_db_main(const char *name, const struct CMUnitTest *tests, size_t count, const char *more,
              const char *sql)
{
    return check_db_main_with(name, tests, count, more, sql, NULL, NULL);
}

#endif
