/* Several pools in one process, on a real server: the default one, one of another database and
 * role, one whose server is away, and one whose server says nothing. */
#include "check_db.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "db/stream.h"

#define DEFAULT_CONNECTIONS 4
#define OTHER_CONNECTIONS   3
#define QUICK_MS            250 /* what is not held up takes less */

#define POOL(name, env)                                                                            \
    static struct setting name##_url = DB_POOL_URL(env "_URL", "connection string");               \
    static struct setting name##_connections =                                                     \
        DB_POOL_CONNECTIONS(env "_CONNECTIONS", "2", "connections");                               \
    static struct db_pool name = {.url = &name##_url, .connections = &name##_connections}

POOL(other, "OTHER");
POOL(away, "AWAY");
POOL(mute, "MUTE");

static struct setting *const settings[] = {
    &other_url, &other_connections, &away_url, &away_connections, &mute_url, &mute_connections};

/* ---- statements on coroutines of their own ---- */

struct asked {
    struct db_stmt *stmt;
    const char *param;
    char told[96];
};

static enum err
ask(struct task *task, void *arg)
{
    struct asked *q = arg;
    struct db_row row;

    TRY(db_one(task, q->stmt, (const char *const[]){q->param, "x"},
               q->stmt->kind == DB_GROUPED ? 2 : 1, &row));
    (void)snprintf(q->told, sizeof q->told, "%s", db_text(&row, 0));
    return ERR_OK;
}

static void
start(struct asked *all, struct check_work *works, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        works[i] = (struct check_work){.work = ask, .arg = &all[i], .limit_ms = 10000};
        check_start(&works[i]);
    }
}

static void
all_done(const struct check_work *works, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (works[i].err != ERR_OK)
            fail_msg("%zu: %s", i, works[i].fail.detail);
}

static struct check_work
ask_one(struct asked *q)
{
    return check_do(ask, q);
}

/* ---- which pool ---- */

#define WHERE "concat_ws(' ', split_part(current_database(), '_', 4), current_setting('role')"

static struct db_stmt group = {
    .sql = "SELECT " WHERE ", a[2 * i - 1], a[2 * i]) FROM (SELECT $1::text[]) AS p (a) "
           "CROSS JOIN generate_series(1, cardinality(a) / 2) AS i ORDER BY i"};

/* Alike but for their pool. */
/* clang-format off */
#define STATEMENTS(where) {                                                                        \
    {.sql = "SELECT " WHERE ", $1::text)", .kind = DB_READ, .pool = (where)},                      \
    {.sql = "SELECT " WHERE ", $1::text)", .kind = DB_WRITE, .pool = (where)},                     \
    {.sql = "SELECT " WHERE ", $1::text, $2::text)", .kind = DB_GROUPED, .pool = (where),          \
     .group = &group},                                                                             \
    {.sql = "SELECT array[" WHERE ", x)] FROM unnest($1::text[]) WITH ORDINALITY AS t (x, n) "     \
            "ORDER BY n", .kind = DB_READ, .pool = (where), .together = true},                     \
}
/* clang-format on */
#define KINDS 4
#define EACH  6 /* so many that writes are grouped, and reads asked together */

static struct db_stmt here[KINDS] = STATEMENTS(NULL);
static struct db_stmt there[KINDS] = STATEMENTS(&other);

static void
statements_go_where_they_say(void **state UNUSED)
{
    struct asked all[KINDS * EACH * 2];
    struct check_work works[ARRAY_LEN(all)];

    for (int again = 0; again < 2; again++) { /* prepared by then */
        for (size_t i = 0; i < ARRAY_LEN(all); i++)
            all[i] =
                (struct asked){.stmt = (i % 2 == 0 ? here : there) + i / 2 % KINDS, .param = "p"};
        start(all, works, ARRAY_LEN(all));
        check_finish();
        all_done(works, ARRAY_LEN(works));
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            char expected[96];

            (void)snprintf(expected, sizeof expected, "%s p%s",
                           i % 2 == 0 ? "utf8 none" : "other pg_read_all_data",
                           all[i].stmt->kind == DB_GROUPED ? " x" : "");
            assert_string_equal(all[i].told, expected);
        }
    }
}

static const char made[] = "SELECT " WHERE ")";

/* A constant, a text made at run time, and the role that somebody has. */
static enum err
script_in(struct task *task, void *arg)
{
    struct asked *q = arg;
    const struct db_step steps[] = {
        {.stmt = q->stmt, .params = (const char *const[]){"c"}, .param_count = 1},
        db_step_as(task, "pg_monitor", "{}", true),
        {.sql = made},
    };
    struct db_result *results[ARRAY_LEN(steps)];

    TRY(db_script(
        task, &(struct db_script){.steps = steps, .count = ARRAY_LEN(steps), .pool = q->stmt->pool},
        results));
    const struct db_row first = db_row(results[0], 0), last = db_row(results[2], 0);
    (void)snprintf(q->told, sizeof q->told, "%s, %s", db_text(&first, 0), db_text(&last, 0));
    return ERR_OK;
}

static enum err
stream_in(struct task *task, void *arg)
{
    struct asked *q = arg;
    const struct db_step step = {.sql = made};
    struct db_stream *s;
    struct db_row row;

    TRY(db_stream_open(task, &(struct db_script){.steps = &step, .count = 1, .pool = q->stmt->pool},
                       &s));
    TRY(db_stream_next(s, &row));
    (void)snprintf(q->told, sizeof q->told, "%s", db_text(&row, 0));
    return db_stream_next(s, &row);
}

static void
scripts_and_streams_go_where_they_say(void **state UNUSED)
{
    for (int i = 0; i < 4; i++) {
        struct asked q = {.stmt = i % 2 == 0 ? &here[1] : &there[1]};

        assert_int_equal(check_do(script_in, &q).err, ERR_OK);
        assert_string_equal(q.told, i % 2 == 0 ? "utf8 none c, utf8 pg_monitor"
                                               : "other pg_read_all_data c, other pg_monitor");
        assert_int_equal(check_do(stream_in, &q).err, ERR_OK);
        assert_string_equal(q.told, i % 2 == 0 ? "utf8 none" : "other pg_read_all_data");
    }
}

static enum err
script_of_two_pools(struct task *task, void *arg UNUSED)
{
    const struct db_step steps[] = {
        {.stmt = &here[1], .params = (const char *const[]){"c"}, .param_count = 1},
        {.stmt = &there[1], .params = (const char *const[]){"c"}, .param_count = 1}};
    struct db_result *results[ARRAY_LEN(steps)];

    return db_script(task, &(struct db_script){.steps = steps, .count = ARRAY_LEN(steps)}, results);
}

static void
run_script_of_two_pools(void)
{
    (void)check_do(script_of_two_pools, NULL);
}

/* Before the others: the child must not have connections of ours. */
static void
a_script_is_of_one_pool(void **state UNUSED)
{
    check_dies(run_script_of_two_pools, "broken invariant");
}

/* ---- nobody waits for another pool ---- */

static struct db_stmt sleep_here = {.sql = "SELECT pg_sleep($1::float8)::text", .kind = DB_WRITE};
static struct db_stmt rest_here = {.sql = "SELECT pg_sleep($1::float8)::text", .kind = DB_READ};
static struct db_stmt sleep_there = {
    .sql = "SELECT pg_sleep($1::float8)::text", .kind = DB_WRITE, .pool = &other};
static struct db_stmt rest_there = {
    .sql = "SELECT pg_sleep($1::float8)::text", .kind = DB_READ, .pool = &other};

/* So many sleepers that some wait for a connection, and then one of each kind beside them: those
 * of `quick` do not wait, one of `busy` does. */
static void
busy_beside_quick(struct db_stmt *sleep, struct db_stmt *rest, struct db_stmt *busy,
                  struct db_stmt *quick)
{
    struct asked sleepers[5], last = {.stmt = &busy[0], .param = "p"}, all[KINDS];
    struct check_work sleeping[ARRAY_LEN(sleepers)], waiting, works[ARRAY_LEN(all)];

    for (size_t i = 0; i < ARRAY_LEN(sleepers); i++)
        sleepers[i] = (struct asked){.stmt = i == 0 ? rest : sleep, .param = "0.4"};
    start(sleepers, sleeping, ARRAY_LEN(sleepers));
    run_for(100);
    start(&last, &waiting, 1);
    for (size_t i = 0; i < KINDS; i++)
        all[i] = (struct asked){.stmt = &quick[i], .param = "p"};
    start(all, works, ARRAY_LEN(all));
    check_finish();
    all_done(sleeping, ARRAY_LEN(sleeping));
    all_done(works, ARRAY_LEN(works));
    all_done(&waiting, 1);
    assert_in_range(waiting.took_ms, QUICK_MS + 1, 5000);
    for (size_t i = 0; i < ARRAY_LEN(works); i++)
        assert_in_range(works[i].took_ms, 0, QUICK_MS);
}

static void
a_busy_pool_holds_no_other_up(void **state UNUSED)
{
    busy_beside_quick(&sleep_there, &rest_there, there, here);
    busy_beside_quick(&sleep_here, &rest_here, here, there);
}

/* A late statement is found on its own pool's connection, and ended there. */
static void
late_statements_are_ended_in_their_pool(void **state UNUSED)
{
    struct asked all[] = {{.stmt = &sleep_here, .param = "30"},
                          {.stmt = &sleep_there, .param = "30"},
                          {.stmt = &sleep_here, .param = "0.4"},
                          {.stmt = &sleep_there, .param = "0.4"}};
    struct check_work works[ARRAY_LEN(all)];

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        works[i] =
            (struct check_work){.work = ask, .arg = &all[i], .limit_ms = i < 2 ? 200 : 10000};
        check_start(&works[i]);
    }
    check_finish();
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_int_equal(works[i].err, i < 2 ? ERR_TIMEOUT : ERR_OK);
    run_for(100);
    assert_string_equal(
        check_db_ask("select count(*) from pg_stat_activity where state = 'active' and query like "
                     "'SELECT pg_sleep%' and datname like replace(current_database(), 'utf8', "
                     "'%')"),
        "0");
}

/* ---- bounds ---- */

static int
backends(const char *database)
{
    char sql[256];

    (void)snprintf(sql, sizeof sql,
                   "select count(*) from pg_stat_activity where application_name = 'unit_%d' and "
                   "datname = 'ffx_unit_%d_%s'",
                   (int)getpid(), (int)own_pid, database);
    return (int)strtol(check_db_ask(sql), NULL, 10);
}

static void
each_pool_keeps_to_its_bound(void **state UNUSED)
{
    struct asked all[48];
    struct check_work works[ARRAY_LEN(all)];
    struct db_stmt *const stmts[] = {&sleep_here, &rest_here, &sleep_there, &rest_there};
    int most_here = 0, most_there = 0;
    size_t most = 0;

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i] = (struct asked){.stmt = stmts[i % ARRAY_LEN(stmts)], .param = "0.04"};
    start(all, works, ARRAY_LEN(all));
    while (check_under_way > 0) {
        run_for(10);
        most_here = MAX(most_here, backends("utf8"));
        most_there = MAX(most_there, backends("other"));
        most = MAX(most, db_connections());
    }
    all_done(works, ARRAY_LEN(works));
    assert_int_equal(most_here, DEFAULT_CONNECTIONS);
    assert_int_equal(most_there, OTHER_CONNECTIONS);
    assert_int_equal(most, DEFAULT_CONNECTIONS + OTHER_CONNECTIONS);
}

/* ---- servers that do not serve ---- */

static struct db_stmt ask_away = {.sql = "SELECT $1", .kind = DB_READ, .pool = &away};
static struct db_stmt ask_mute = {.sql = "SELECT $1", .kind = DB_READ, .pool = &mute};

/* Not even one that has to connect itself: back-off is a pool's own. */
static void
a_server_that_is_away_takes_no_other_with_it(void **state UNUSED)
{
    for (int i = 0; i < 10; i++) {
        struct asked lost = {.stmt = &ask_away, .param = "p"};
        struct asked all[] = {{.stmt = &here[0], .param = "p"}, {.stmt = &there[1], .param = "p"}};
        struct check_work works[ARRAY_LEN(all)];

        (void)check_db_ask("select pg_terminate_backend(pid, 1000) from pg_stat_activity where "
                           "application_name like 'unit%' and datname like "
                           "replace(current_database(), 'utf8', '%')");
        run_for(10);
        assert_int_equal(db_connections(), 0);
        const struct check_work failed = ask_one(&lost);
        assert_int_equal(failed.err, ERR_UNAVAILABLE);
        assert_non_null(strstr(failed.fail.detail, "cannot connect"));
        assert_in_range(failed.took_ms, 0, QUICK_MS);
        start(all, works, ARRAY_LEN(all));
        check_finish();
        all_done(works, ARRAY_LEN(works));
        assert_in_range(works[0].took_ms, 0, QUICK_MS);
        assert_in_range(works[1].took_ms, 0, QUICK_MS);
    }
}

static void
a_server_that_says_nothing_holds_nobody_up(void **state UNUSED)
{
    struct asked lost = {.stmt = &ask_mute, .param = "p"};
    struct asked all[] = {{.stmt = &here[0], .param = "p"}, {.stmt = &there[1], .param = "p"}};
    struct check_work failed = {.work = ask, .arg = &lost, .limit_ms = 300}, works[ARRAY_LEN(all)];

    check_start(&failed);
    run_for(20);
    start(all, works, ARRAY_LEN(all));
    check_finish();
    assert_int_equal(failed.err, ERR_TIMEOUT);
    all_done(works, ARRAY_LEN(works));
    for (size_t i = 0; i < ARRAY_LEN(works); i++)
        assert_in_range(works[i].took_ms, 0, QUICK_MS);
}

/* ---- rest ---- */

static void
connections_of_all_pools_are_closed_when_idle(void **state UNUSED)
{
    struct asked all[] = {{.stmt = &here[0], .param = "p"}, {.stmt = &there[0], .param = "p"}};
    struct check_work works[ARRAY_LEN(all)];

    start(all, works, ARRAY_LEN(all));
    check_finish();
    all_done(works, ARRAY_LEN(works));
    assert_in_range(backends("utf8"), 1, DEFAULT_CONNECTIONS);
    assert_in_range(backends("other"), 1, OTHER_CONNECTIONS);
    for (int i = 0; i < 100 && db_connections() > 0; i++)
        run_for(100);
    assert_int_equal(db_connections(), 0);
    run_for(100);
    assert_int_equal(backends("utf8") + backends("other"), 0);
    assert_int_equal(ask_one(&all[1]).err, ERR_OK);
    assert_int_equal(db_connections(), 1);
}

static const struct CMUnitTest tests[] = {
    DB_TEST(a_script_is_of_one_pool),
    DB_TEST(statements_go_where_they_say),
    DB_TEST(scripts_and_streams_go_where_they_say),
    DB_TEST(a_busy_pool_holds_no_other_up),
    DB_TEST(late_statements_are_ended_in_their_pool),
    DB_TEST(each_pool_keeps_to_its_bound),
    DB_TEST(a_server_that_is_away_takes_no_other_with_it),
    DB_TEST(a_server_that_says_nothing_holds_nobody_up),
    DB_TEST(connections_of_all_pools_are_closed_when_idle),
};

/* ---- set up ---- */

static char *mute_folder;

/* Whoever connects to it waits. */
static void
listen_mutely(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    mute_folder = check_folder();
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.1", mute_folder);
    MUST(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
         listen(fd, 8) == 0);
}

static int
set_up(void **state UNUSED)
{
    struct buf problems;
    char url[512];

    if (server == NULL)
        return 0;
    (void)snprintf(url, sizeof url,
                   "host=%s dbname=ffx_unit_%d_other application_name=unit_%d "
                   "options='-c role=pg_read_all_data'",
                   server, (int)own_pid, (int)getpid());
    MUST(setenv("OTHER_URL", url, 1) == 0 && setenv("OTHER_CONNECTIONS", "3", 1) == 0);
    listen_mutely();
    (void)snprintf(url, sizeof url, "host=%s port=1", mute_folder);
    MUST(setenv("MUTE_URL", url, 1) == 0);
    (void)snprintf(url, sizeof url, "host=%s port=2", mute_folder);
    MUST(setenv("AWAY_URL", url, 1) == 0);
    buf_init_heap(&problems, 4096);
    if (!settings_load(settings, ARRAY_LEN(settings), &problems))
        die("%s", problems.ptr);
    buf_release(&problems);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    if (server != NULL)
        check_remove_folder(mute_folder);
    return 0;
}

int
main(void)
{
    MUST(setenv("DB_IDLE_S", "1", 1) == 0);
    return check_db_main_with("db_pools", tests, ARRAY_LEN(tests),
                              "createdb -E UTF8 -T template0 ${d}_other", "true", set_up,
                              tear_down);
}
