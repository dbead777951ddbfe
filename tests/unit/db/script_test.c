/* Scripts, and statements made at run time, on a real server. */
#include "check_db.h"

#include "db/script.h"

#define STEPS(...)                                                                                 \
    .steps = (const struct db_step[]){__VA_ARGS__},                                                \
    .count = ARRAY_LEN(((const struct db_step[]){__VA_ARGS__}))
#define SQL(text)                                                                                  \
    {                                                                                              \
        .sql = (text)                                                                              \
    }
#define SQL_1(text, p1)                                                                            \
    {                                                                                              \
        .sql = (text), .params = (const char *const[]){p1}, .param_count = 1                       \
    }

/* A script, and the first column of the first row of each step. */
struct asked {
    const struct db_step *steps;
    size_t count;
    const char *role; /* the first step is done as it, or NULL */
    bool read_only;
    bool until_gone;
    const char *asker; /* or NULL */
    int64_t took_ms;
    char text[DB_STEPS_MAX][64];
    char said[512];
};

static enum err
ask(struct task *task, void *arg)
{
    struct asked *q = arg;
    struct db_step steps[DB_STEPS_MAX];
    struct db_result *results[DB_STEPS_MAX];
    const size_t more = q->role == NULL ? 0 : 1;
    const struct db_script script = {.steps = steps,
                                     .count = more + q->count,
                                     .until_gone = q->until_gone,
                                     .asker = str_of(q->asker),
                                     .ret_took_ms = &q->took_ms};

    if (q->role != NULL)
        steps[0] = db_step_as(task, q->role, "{\"sub\":\"me\"}", q->read_only);
    memcpy(steps + more, q->steps, q->count * sizeof steps[0]);
    const enum err e = db_script(task, &script, results);
    check_said(task, q->said, sizeof q->said);
    for (size_t i = 0; e == ERR_OK && i < script.count; i++) {
        const struct db_row row =
            db_rows(results[i]) == 0 ? (struct db_row){0} : db_row(results[i], 0);
        const char *text = row.result == NULL ? NULL : db_text(&row, 0);

        (void)snprintf(q->text[i], sizeof q->text[i], "%s", text == NULL ? "-" : text);
    }
    return e;
}

static enum err
ask_one(struct asked *q)
{
    return check_do(ask, q).err;
}

static void
each_step_has_its_answer(void **state UNUSED)
{
    struct asked q = {STEPS(SQL("SELECT 'first'"), SQL_1("SELECT $1::int + 1", "41"),
                            SQL("SELECT 1 WHERE false"), SQL("SELECT generate_series(7, 9)"))};

    assert_int_equal(ask_one(&q), ERR_OK);
    assert_string_equal(q.text[0], "first");
    assert_string_equal(q.text[1], "42");
    assert_string_equal(q.text[2], "-");
    assert_string_equal(q.text[3], "7");
}

static void
all_steps_are_one_transaction(void **state UNUSED)
{
    struct asked q = {STEPS(SQL("SELECT pg_current_xact_id()"),
                            SQL("INSERT INTO things VALUES (1, 'kept')"),
                            SQL("SELECT pg_current_xact_id()"))};

    assert_int_equal(ask_one(&q), ERR_OK);
    assert_string_equal(q.text[0], q.text[2]);
    assert_string_equal(check_db_ask("select name from things where id = 1"), "kept");
}

static void
a_step_that_fails_undoes_the_others(void **state UNUSED)
{
    struct asked q = {STEPS(SQL("INSERT INTO things VALUES (2, 'gone')"), SQL("SELECT 1"),
                            SQL("INSERT INTO things VALUES (2, 'again')"), SQL("SELECT 2"))};

    assert_int_equal(ask_one(&q), ERR_CONFLICT);
    assert_string_equal(q.said,
                        "23505 duplicate key value violates unique constraint "
                        "\"things_pkey\" | Key (id)=(2) already exists. | - | public things "
                        "- things_pkey | 0 of 2");
    assert_string_equal(check_db_ask("select count(*) from things where id = 2"), "0");
}

static void
what_fails_with_the_commit_fails_the_script(void **state UNUSED)
{
    struct asked q = {STEPS(SQL("INSERT INTO parts VALUES (77)"), SQL("SELECT 1"))};

    assert_int_equal(ask_one(&q), ERR_INTERNAL);
    assert_memory_equal(q.said, "23503 insert", 12);
    assert_string_equal(check_db_ask("select count(*) from parts"), "0");
}

static void
a_last_rollback_undoes_it_and_its_answers_are_there(void **state UNUSED)
{
    struct asked q = {
        STEPS(SQL("INSERT INTO things VALUES (3, 'tried') RETURNING name"), SQL("ROLLBACK"))};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask_one(&q), ERR_OK);
        assert_string_equal(q.text[0], "tried");
    }
    assert_string_equal(check_db_ask("select count(*) from things where id = 3"), "0");
}

static void
role_and_claims_are_those_of_the_script_alone(void **state UNUSED)
{
    static const char *const who =
        "SELECT current_user || ' ' || current_setting('request.jwt.claims', true)";
    struct asked q = {STEPS(SQL("SELECT 1"), {.sql = who}), .role = "pg_monitor"};
    struct asked failing = {STEPS(SQL("SELECT 1/0")), .role = "pg_monitor"};
    struct asked after = {STEPS({.sql = who})};

    for (int i = 0; i < 8; i++) { /* on every connection that there may be */
        assert_int_equal(ask_one(&q), ERR_OK);
        assert_string_equal(q.text[2], "pg_monitor {\"sub\":\"me\"}");
        assert_int_equal(ask_one(&failing), ERR_INTERNAL);
        assert_int_equal(ask_one(&after), ERR_OK);
        assert_string_equal(after.text[0], "postgres ");
    }
}

static void
what_only_reads_cannot_write(void **state UNUSED)
{
    struct asked q = {STEPS(SQL("INSERT INTO things VALUES (4, 'no')")), .role = "postgres",
                      .read_only = true};

    assert_int_equal(ask_one(&q), ERR_UNAVAILABLE);
    assert_memory_equal(q.said, "25006", 5);
    q.read_only = false;
    assert_int_equal(ask_one(&q), ERR_OK);
}

static void
constants_and_made_ones_go_together(void **state UNUSED)
{
    static struct db_stmt read = {.sql = "SELECT $1::text", .kind = DB_READ};
    static struct db_stmt packed = {
        .sql = "SELECT array['one', 'two']", .kind = DB_READ, .packed = true};
    const char *const word[] = {"word"};
    struct asked q = {STEPS({.stmt = &read, .params = word, .param_count = 1}, SQL("SELECT 2"),
                            {.stmt = &packed})};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask_one(&q), ERR_OK);
        assert_string_equal(q.text[0], "word");
        assert_string_equal(q.text[1], "2");
        assert_string_equal(q.text[2], "one");
    }
}

/* ---- what stays prepared ---- */

/* In one script, so that all are of one connection. */
static const char *
prepared_here(const char *first)
{
    static struct asked q;
    const struct db_step steps[] = {
        {.sql = first}, SQL("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'd%'")};

    q = (struct asked){.steps = steps, .count = ARRAY_LEN(steps)};
    assert_int_equal(ask_one(&q), ERR_OK);
    return q.text[1];
}

static void
the_last_texts_stay_prepared_and_others_do_not(void **state UNUSED)
{
    char sql[64];

    for (int i = 0; i < 200; i++) {
        (void)snprintf(sql, sizeof sql, "SELECT %d, 'text'", i);
        assert_in_range(strtol(prepared_here(sql), NULL, 10), 1, 33);
    }
    assert_in_range(strtol(prepared_here("SELECT 199, 'text'"), NULL, 10), 30, 33);
}

static void
one_that_cannot_be_parsed_is_tried_anew(void **state UNUSED)
{
    struct asked q = {STEPS(SQL("SELECT * FROM later"))};

    for (int i = 0; i < 6; i++) {
        assert_int_equal(ask_one(&q), ERR_INTERNAL);
        assert_memory_equal(q.said, "42P01", 5);
    }
    (void)check_db_ask("create table later as select 'there' as word");
    assert_int_equal(ask_one(&q), ERR_OK);
    assert_string_equal(q.text[0], "there");
}

static void
scripts_that_fail_leave_no_statements_behind(void **state UNUSED)
{
    char sql[64];

    for (int i = 0; i < 300; i++) {
        (void)snprintf(sql, sizeof sql, "SELECT %d, 'left'", i);
        struct asked q = {STEPS(SQL("SELECT 1/0"), {.sql = sql})};

        assert_int_equal(ask_one(&q), ERR_INTERNAL);
        assert_memory_equal(q.said, "22012", 5);
        (void)snprintf(sql, sizeof sql, "SELECT %d, 'kept'", i);
        assert_in_range(strtol(prepared_here(sql), NULL, 10), 1, 70);
    }
}

static void
a_table_that_changes_is_read_again(void **state UNUSED)
{
    struct asked q = {STEPS(SQL("SELECT * FROM changing"), SQL("SELECT 'behind'"))};

    (void)check_db_ask("create table changing as select 1 as a");
    for (int i = 0; i < 8; i++)
        assert_int_equal(ask_one(&q), ERR_OK);
    (void)check_db_ask("alter table changing add column b int");
    for (int i = 0; i < 8; i++) {
        assert_int_equal(ask_one(&q), ERR_OK);
        assert_string_equal(q.text[0], "1");
        assert_string_equal(q.text[1], "behind");
    }
}

static void
what_is_not_supported_keeps_its_connection(void **state UNUSED)
{
    struct asked q = {STEPS(SQL("DO $$ BEGIN RAISE feature_not_supported; END $$"))};
    struct asked pid = {STEPS(SQL("SELECT pg_backend_pid()"))};
    char before[64];

    assert_int_equal(ask_one(&pid), ERR_OK);
    memcpy(before, pid.text[0], sizeof before);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask_one(&q), ERR_INTERNAL);
    assert_int_equal(ask_one(&pid), ERR_OK);
    assert_string_equal(pid.text[0], before);
}

/* ---- late ones, and those whose client left ---- */

static void
a_late_script_is_ended(void **state UNUSED)
{
    struct asked q = {STEPS(SQL("SELECT 1"), SQL("SELECT pg_sleep(30)"))};
    struct check_work w = {.work = ask, .arg = &q, .limit_ms = 100};

    check_start(&w);
    check_finish();
    assert_int_equal(w.err, ERR_TIMEOUT);
    check_db_until("SELECT pg_sleep%", "0");
}

/* Its own time, whatever came of it, and not what it waited for a connection. */
static void
the_servers_time_is_told(void **state UNUSED)
{
    struct asked late = {STEPS(SQL("SELECT pg_sleep(30)"))};
    struct asked failed = {STEPS(SQL("SELECT pg_sleep(0.1)"), SQL("SELECT 1/0"))};
    struct asked never = {STEPS(SQL("SELECT 1")), .took_ms = 7};
    struct check_work w = {.work = ask, .arg = &late, .limit_ms = 200};
    struct check_work no_time = {.work = ask, .arg = &never, .limit_ms = -1};
    struct asked many[12];
    struct check_work works[ARRAY_LEN(many)];
    const struct db_step step = SQL("SELECT pg_sleep(0.2)");
    int64_t waited_ms = 0;

    check_start(&w);
    check_start(&no_time);
    check_finish();
    assert_true(late.took_ms >= 100 && late.took_ms <= w.took_ms);
    assert_int_equal(never.took_ms, 0);
    assert_int_equal(ask_one(&failed), ERR_INTERNAL);
    assert_true(failed.took_ms >= 99);
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        many[i] = (struct asked){.steps = &step, .count = 1};
        works[i] = (struct check_work){.work = ask, .arg = &many[i], .limit_ms = 20000};
        check_start(&works[i]);
    }
    check_finish();
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        assert_true(many[i].took_ms >= 199);
        waited_ms = MAX(waited_ms, works[i].took_ms - many[i].took_ms);
    }
    assert_true(waited_ms >= 199);
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
only_what_says_so_is_ended_when_the_client_leaves(void **state UNUSED)
{
    struct loop_timer timer = {.fire = leave};

    for (int until_gone = 0; until_gone < 2; until_gone++) {
        struct asked q = {
            STEPS(SQL("SELECT pg_sleep(2)"),
                  SQL("INSERT INTO things VALUES (50, 'finished') ON CONFLICT DO NOTHING")),
            .until_gone = until_gone == 1};

        (void)check_db_ask("delete from things where id = 50");
        leaver = (struct check_work){.work = ask, .arg = &q, .limit_ms = 5000};
        check_start(&leaver);
        check_db_until("SELECT pg_sleep%", "1");
        loop_timer_set(&timer, clock_ms() + 10);
        check_finish();
        assert_int_equal(leaver.err, until_gone == 1 ? ERR_HUP : ERR_OK);
        check_db_until("SELECT pg_sleep%", "0");
        assert_string_equal(check_db_ask("select count(*) from things where id = 50"),
                            until_gone == 1 ? "0" : "1");
    }
}

/* ---- what is slow ---- */

#define SLEEPERS 20
#define BUSY_MS  1500

/* Keyed reads, one after the other, beside sleepers that are there first; the longest of them. */
struct beside {
    struct check_work works[SLEEPERS];
    int64_t longest_ms;
};

static enum err
read_beside(struct task *task, void *arg)
{
    struct beside *b = arg;
    struct asked keyed = {STEPS(SQL_1("SELECT name FROM things WHERE id = $1::int", "1")),
                          .asker = "another one"};
    enum err e = ERR_OK;

    for (const int64_t end_ms = clock_ms() + BUSY_MS; e == ERR_OK && clock_ms() < end_ms;) {
        const int64_t began_ms = clock_ms();

        e = ask(task, &keyed);
        b->longest_ms = MAX(b->longest_ms, clock_ms() - began_ms);
        co_sleep_ms(5);
    }
    for (size_t i = 0; i < SLEEPERS; i++) {
        leaver = b->works[i];
        if (leaver.task != NULL)
            leave(NULL);
    }
    return e;
}

static int64_t
longest_beside(struct asked *sleepers)
{
    struct beside b = {.longest_ms = 0};
    struct check_work one = {
        .work = read_beside, .arg = &b, .limit_ms = 20000, .memory = (size_t)4 * 1024 * 1024};

    for (size_t i = 0; i < SLEEPERS; i++) {
        b.works[i] = (struct check_work){.work = ask, .arg = &sleepers[i], .limit_ms = 20000};
        check_start(&b.works[i]);
    }
    check_db_until("%pg_sleep(60)%", "3");
    check_start(&one);
    check_finish();
    assert_int_equal(one.err, ERR_OK);
    check_db_until("%pg_sleep(60)%", "0");
    print_message("the longest keyed read took %d ms\n", (int)b.longest_ms);
    return b.longest_ms;
}

static void
one_text_that_nobody_knew_to_be_slow(void **state UNUSED)
{
    static const struct db_step step = SQL("SELECT 'one', pg_sleep(60)");
    struct asked sleepers[SLEEPERS];

    for (size_t i = 0; i < SLEEPERS; i++)
        sleepers[i] = (struct asked){.steps = &step, .count = 1, .until_gone = true};
    assert_in_range(longest_beside(sleepers), 0, 1000);
}

static void
many_slow_texts_of_one_asker(void **state UNUSED)
{
    struct asked sleepers[SLEEPERS];
    struct db_step steps[SLEEPERS];
    char texts[SLEEPERS][64];

    for (size_t i = 0; i < SLEEPERS; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "SELECT %zu, pg_sleep(60)", i);
        steps[i] = (struct db_step){.sql = texts[i]};
        sleepers[i] = (struct asked){
            .steps = &steps[i], .count = 1, .until_gone = true, .asker = "who asks for much"};
    }
    assert_in_range(longest_beside(sleepers), 0, 1000);
}

static const struct CMUnitTest tests[] = {
    DB_TEST(each_step_has_its_answer),
    DB_TEST(all_steps_are_one_transaction),
    DB_TEST(a_step_that_fails_undoes_the_others),
    DB_TEST(what_fails_with_the_commit_fails_the_script),
    DB_TEST(a_last_rollback_undoes_it_and_its_answers_are_there),
    DB_TEST(role_and_claims_are_those_of_the_script_alone),
    DB_TEST(what_only_reads_cannot_write),
    DB_TEST(constants_and_made_ones_go_together),
    DB_TEST(the_last_texts_stay_prepared_and_others_do_not),
    DB_TEST(one_that_cannot_be_parsed_is_tried_anew),
    DB_TEST(scripts_that_fail_leave_no_statements_behind),
    DB_TEST(a_table_that_changes_is_read_again),
    DB_TEST(what_is_not_supported_keeps_its_connection),
    DB_TEST(a_late_script_is_ended),
    DB_TEST(the_servers_time_is_told),
    DB_TEST(only_what_says_so_is_ended_when_the_client_leaves),
    DB_TEST(one_text_that_nobody_knew_to_be_slow),
    DB_TEST(many_slow_texts_of_one_asker),
};

int
main(void)
{
    return check_db_main(
        "db_script", tests, ARRAY_LEN(tests), "true",
        "psql -qXd ${d}_utf8 -c 'create table things (id int primary key, name text not null)' -c "
        "'create table parts (thing int references things deferrable initially deferred)'");
}
