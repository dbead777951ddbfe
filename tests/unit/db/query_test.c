/* Statements on a real server. */
#include "check_db.h"

#define CONNECTIONS 4

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
    char said[512]; /* by the server, of its failure */
};

static enum err
ask(struct task *task, void *arg)
{
    struct asked *q = arg;
    struct db_result *result;
    const char *const params[] = {q->param, "x"};
    const size_t count = q->param == NULL ? 0 : q->stmt->kind == DB_GROUPED ? 2 : 1;
    const enum err e = db_query(task, q->stmt, params, count, &result);

    check_said(task, q->said, sizeof q->said);
    if (e != ERR_OK)
        return e;
    q->rows = db_rows(result);
    if (q->rows > 0) {
        const struct db_row row = db_row(result, 0);
        const char *text = db_text(&row, 0);

        (void)snprintf(q->text, sizeof q->text, "%s", text == NULL ? "" : text);
    }
    return ERR_OK;
}

/* All of them in one turn of the loop, to their ends. */
static void
ask_all(struct asked *all, size_t count)
{
    struct check_work works[128] = {0};

    assert_true(count <= ARRAY_LEN(works));
    for (size_t i = 0; i < count; i++) {
        works[i] = (struct check_work){.work = ask, .arg = &all[i], .limit_ms = all[i].limit_ms};
        check_start(&works[i]);
    }
    check_finish();
    for (size_t i = 0; i < count; i++) {
        all[i].err = works[i].err;
        all[i].took_ms = works[i].took_ms;
        all[i].fail = works[i].fail;
    }
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
           "'%pg_sleep($1%' AND pid <> pg_backend_pid() AND application_name = "
           "current_setting('application_name')",
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

    ask_all(&late, 1);
    assert_int_equal(late.err, ERR_TIMEOUT);
    run_for(500);
    assert_string_equal(ask_one(&sleepers).text, "0");
}

static void
late_statements_do_not_add_connections(void **state UNUSED)
{
    struct asked all[24];

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

/* The two parameters of each member of a group. */
#define OF_ALL                                                                                     \
    " FROM (SELECT $1::text[]) AS p (a) CROSS JOIN generate_series(1, cardinality(a) / 2) AS i"    \
    " ORDER BY i"

static void
each_member_of_a_group_gets_its_row(void **state UNUSED)
{
    static struct db_stmt group = {.sql = "SELECT a[2 * i - 1] || a[2 * i]" OF_ALL};
    static struct db_stmt grouped = {
        .sql = "SELECT $1::text || $2::text || '!'", .kind = DB_GROUPED, .group = &group};
    static const char *const params[] = {"a", "{", "\"", "\\", ",", "NULL", "", " "};
    struct asked all[40];
    int together = 0;

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i] = (struct asked){
            .stmt = &grouped, .param = params[i % ARRAY_LEN(params)], .limit_ms = 15000};
    ask_all(all, ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const size_t len = strlen(all[i].param);

        assert_int_equal(all[i].err, ERR_OK);
        assert_int_equal(all[i].rows, 1);
        assert_memory_equal(all[i].text, all[i].param, len);
        together += strcmp(all[i].text + len, "x") == 0; /* else it went by itself */
    }
    assert_true(together > 0);
}

static void
a_member_of_a_group_fails_alone(void **state UNUSED)
{
    static struct db_stmt group = {.sql = "SELECT 1 / a[2 * i - 1]::int" OF_ALL};
    static struct db_stmt grouped = {
        .sql = "SELECT 1 / $1::int, $2::text", .kind = DB_GROUPED, .group = &group};
    struct asked all[24];

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i] = (struct asked){.stmt = &grouped, .param = "1", .limit_ms = 15000};
    all[5].param = "0";
    ask_all(all, ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_int_equal(all[i].err, i == 5 ? ERR_INTERNAL : ERR_OK);
        assert_string_equal(all[i].text, i == 5 ? "" : "1");
    }
    assert_non_null(strstr(all[5].said, "division by zero"));
}

static void
a_group_without_a_row_for_each_is_an_error(void **state UNUSED)
{
    static struct db_stmt group = {.sql = "SELECT 1 WHERE $1::text[] IS NULL"};
    static struct db_stmt grouped = {
        .sql = "SELECT $1::text, $2::text", .kind = DB_GROUPED, .group = &group};
    struct asked all[24];
    int wrong = 0;

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i] = (struct asked){.stmt = &grouped, .param = "1", .limit_ms = 15000};
    ask_all(all, ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        wrong += all[i].err == ERR_INTERNAL;
    assert_true(wrong > 1);
}

static void
a_late_member_of_a_group_takes_no_other_with_it(void **state UNUSED)
{
    static struct db_stmt group = {.sql = "SELECT pg_sleep(a[2 * i - 1]::float8), a[2 * i]" OF_ALL};
    static struct db_stmt grouped = {
        .sql = "SELECT pg_sleep($1::float8), $2", .kind = DB_GROUPED, .group = &group};
    struct asked all[8];

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

    const struct asked q = ask_one(&wrong);
    assert_int_equal(q.err, ERR_INTERNAL);
    assert_string_equal(q.fail.sqlstate, "22012");
    assert_string_equal(ask_one(&one).fail.sqlstate, "");
}

static void
a_failure_has_what_the_server_said(void **state UNUSED)
{
    static struct db_stmt twice = {.sql = "INSERT INTO things VALUES (1, 'a'), (1, 'b')",
                                   .kind = DB_WRITE};
    static struct db_stmt none = {.sql = "INSERT INTO things VALUES (1, NULL)", .kind = DB_WRITE};
    static struct db_stmt raised = {
        .sql = "DO $$ BEGIN RAISE SQLSTATE 'PT418' USING message = 'm', detail = 'd', hint = 'h'; "
               "END $$",
        .kind = DB_WRITE};
    static struct db_stmt unknown = {.sql = "SELECT é.nothing FROM things é", .kind = DB_READ};
    static const char *const said[] = {
        "23505 duplicate key value violates unique constraint \"things_key\" | Key (id)=(1) "
        "already "
        "exists. | - | public things - things_key | 0 of 0",
        "23502 null value in column \"name\" of relation \"things\" violates not-null constraint | "
        "Failing row contains (1, null). | - | public things name - | 0 of 0",
        "PT418 m | d | h | - - - - | 0 of 0",
        "42703 column é.nothing does not exist | - | - | - - - - | 8 of 0",
    };
    struct db_stmt *const stmts[] = {&twice, &none, &raised, &unknown};

    for (size_t i = 0; i < ARRAY_LEN(stmts); i++)
        assert_string_equal(ask_one(stmts[i]).said, said[i]);
    assert_string_equal(ask_one(&one).said, "");
}

/* ---- encodings ---- */

static void
words_arrive_as_they_are_whatever_the_database_is_set_to(void **state UNUSED)
{
    static struct db_stmt echo = {.sql = "SELECT $1::text", .kind = DB_WRITE};
    static struct db_stmt length = {.sql = "SELECT length($1::text)", .kind = DB_WRITE};
    struct asked all[] = {{.stmt = &echo, .param = "Zoë 😀", .limit_ms = 5000},
                          {.stmt = &length, .param = "Zoë 😀", .limit_ms = 5000}};

    ask_all(all, ARRAY_LEN(all));
    assert_int_equal(all[0].err, ERR_OK);
    assert_string_equal(all[0].text, "Zoë 😀");
    assert_string_equal(all[1].text, "5");
}

static void
ask_latin1(void)
{
    check_db_load("latin1");
    (void)fprintf(stderr, "%s", ask_one(&one).fail.detail);
}

/* The first of the tests: the child must not have connections of ours. */
static void
a_database_in_another_encoding_is_refused(void **state UNUSED)
{
    char text[4096];

    (void)check_child(ask_latin1, text, sizeof text);
    assert_non_null(strstr(text, "the database, or this connection to it, is not in UTF8"));
}

/* ---- who is slow holds nobody up ---- */

#define CALLERS   64
#define SAMPLES   20000
#define FAIR_MS   1500
#define SPREAD_MS 20 /* what a machine with others on it may add */

static int64_t samples_us[SAMPLES];
static size_t sample_count;
static int64_t fair_until_ms;

static enum err
read_often(struct task *task, void *stmt)
{
    struct db_result *result;

    while (clock_ms() < fair_until_ms) {
        const int64_t began_us = clock_us();

        TRY(db_query(task, stmt, DB_PARAMS("7"), &result));
        if (sample_count < SAMPLES)
            samples_us[sample_count++] = clock_us() - began_us;
        co_sleep_ms(2);
    }
    return ERR_OK;
}

static enum err
sleep_often(struct task *task, void *sleep)
{
    struct db_result *result;

    while (clock_ms() < fair_until_ms)
        TRY(db_query(task, sleep, DB_PARAMS("0.3"), &result));
    return ERR_OK;
}

static int
by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* The 99th of a hundred keyed reads, in us, beside so many sleepers. */
static int64_t
keyed_p99(struct db_stmt *keyed, size_t sleepers_count)
{
    struct check_work works[CALLERS + 4];

    sample_count = 0;
    fair_until_ms = clock_ms() + FAIR_MS;
    for (size_t i = 0; i < CALLERS + sleepers_count; i++) {
        works[i] = (struct check_work){.work = i < CALLERS ? read_often : sleep_often,
                                       .arg = i < CALLERS ? keyed : &sleep_s,
                                       .limit_ms = 10000,
                                       .memory = (size_t)4 * 1024 * 1024};
        check_start(&works[i]);
    }
    check_finish();
    for (size_t i = 0; i < CALLERS + sleepers_count; i++)
        assert_int_equal(works[i].err, ERR_OK);
    qsort(samples_us, sample_count, sizeof samples_us[0], by_size);
    return samples_us[sample_count * 99 / 100];
}

static void
who_is_slow_holds_nobody_up(void **state UNUSED)
{
    static struct db_stmt keyed = {.sql = "SELECT name FROM things WHERE id = $1::int",
                                   .kind = DB_READ};

    const int64_t alone_us = keyed_p99(&keyed, 0);
    for (size_t sleepers_count = 1; sleepers_count <= 4; sleepers_count += 3) {
        const int64_t beside_us = keyed_p99(&keyed, sleepers_count);

        print_message("p99 %d us alone, %d us beside %zu sleepers\n", (int)alone_us, (int)beside_us,
                      sleepers_count);
        assert_in_range(beside_us, 0, 2 * alone_us + SPREAD_MS * 1000);
    }
}

static const struct CMUnitTest tests[] = {
    DB_TEST(a_database_in_another_encoding_is_refused),
    DB_TEST(words_arrive_as_they_are_whatever_the_database_is_set_to),
    DB_TEST(a_late_read_takes_no_neighbour_with_it),
    DB_TEST(the_server_is_told_to_end_what_is_late),
    DB_TEST(late_statements_do_not_add_connections),
    DB_TEST(each_member_of_a_group_gets_its_row),
    DB_TEST(a_member_of_a_group_fails_alone),
    DB_TEST(a_group_without_a_row_for_each_is_an_error),
    DB_TEST(a_late_member_of_a_group_takes_no_other_with_it),
    DB_TEST(a_statement_without_rows_is_done),
    DB_TEST(there_is_no_last_statement),
    DB_TEST(a_failure_has_its_sqlstate),
    DB_TEST(who_is_slow_holds_nobody_up),
    DB_TEST(a_failure_has_what_the_server_said),
};

int
main(void)
{
    return check_db_main("db_query", tests, ARRAY_LEN(tests),
                         "createdb -E LATIN1 -T template0 --locale=C ${d}_latin1",
                         "psql -qXd ${d}_utf8 -c \"create table things (id int constraint "
                         "things_key primary key, name text not null)\" -c \"alter database "
                         "${d}_utf8 set client_encoding = 'LATIN1'\"");
}
