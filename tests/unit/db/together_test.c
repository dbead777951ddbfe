/* Reads that are asked in one call, on a real server. */
#include "check_db.h"

struct asked {
    struct db_stmt *stmt;
    const char *param;
    char told[64]; /* the row's columns */
};

static enum err
ask(struct task *task, void *arg)
{
    struct asked *q = arg;
    struct db_row row;

    TRY(db_one(task, q->stmt, DB_PARAMS(q->param), &row));
    const char *first = db_text(&row, 0), *second = db_text(&row, 1);
    (void)snprintf(q->told, sizeof q->told, "%s %s", first == NULL ? "NULL" : first, second);
    return ERR_OK;
}

/* All of them in one turn of the loop, to their ends. */
static void
ask_all(struct asked *all, struct check_work *works, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        works[i].work = ask;
        works[i].arg = &all[i];
        if (works[i].limit_ms == 0)
            works[i].limit_ms = 5000;
        check_start(&works[i]);
    }
    check_finish();
}

/* A caller's own element, and how many were asked for with it. */
static struct db_stmt echo = {
    .sql = "SELECT array[x, array_length($1::text[], 1)::text] "
           "FROM unnest($1::text[]) WITH ORDINALITY AS t (x, n) ORDER BY n",
    .kind = DB_READ,
    .together = true,
};

static void
one_alone_is_a_call_for_one(void **state UNUSED)
{
    struct asked q = {.stmt = &echo, .param = "a"};
    struct check_work w = {0};

    ask_all(&q, &w, 1);
    assert_int_equal(w.err, ERR_OK);
    assert_string_equal(q.told, "a 1");
}

static void
those_of_a_turn_are_one_call_and_each_gets_its_own(void **state UNUSED)
{
    static const char *const texts[] = {"a", NULL, "", "NULL", "{\"b\\\",c}", "d'", "ä", "a"};
    struct asked all[ARRAY_LEN(texts)];
    struct check_work works[ARRAY_LEN(texts)] = {0};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        all[i] = (struct asked){.stmt = &echo, .param = texts[i]};
    ask_all(all, works, ARRAY_LEN(texts));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char expected[64];

        (void)snprintf(expected, sizeof expected, "%s 8", texts[i] == NULL ? "NULL" : texts[i]);
        assert_int_equal(works[i].err, ERR_OK);
        assert_string_equal(all[i].told, expected);
    }
}

static void
more_than_a_call_may_have_are_several(void **state UNUSED)
{
    struct asked all[100];
    struct check_work works[ARRAY_LEN(all)] = {0};
    char texts[ARRAY_LEN(all)][8];

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%zu", i);
        all[i] = (struct asked){.stmt = &echo, .param = texts[i]};
    }
    ask_all(all, works, ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char expected[64];

        (void)snprintf(expected, sizeof expected, "%zu %d", i, i < 64 ? 64 : 36);
        assert_string_equal(all[i].told, expected);
    }
}

static void
one_that_fails_fails_alone(void **state UNUSED)
{
    static struct db_stmt divide = {
        .sql = "SELECT array[(100 / x)::text, array_length($1::int[], 1)::text] "
               "FROM unnest($1::int[]) WITH ORDINALITY AS t (x, n) ORDER BY n",
        .kind = DB_READ,
        .together = true,
    };
    struct asked all[] = {{.stmt = &divide, .param = "4"},
                          {.stmt = &divide, .param = "0"},
                          {.stmt = &divide, .param = "5"}};
    struct check_work works[ARRAY_LEN(all)] = {0};

    ask_all(all, works, ARRAY_LEN(all));
    assert_string_equal(all[0].told, "25 1");
    assert_string_equal(all[2].told, "20 1");
    assert_int_equal(works[1].err, ERR_INTERNAL);
    assert_string_equal(works[1].fail.sqlstate, "22012");
}

static struct db_stmt sleepy = {
    .sql = "SELECT array[x, (SELECT 'slept' FROM pg_sleep(x::float8))] "
           "FROM unnest($1::text[]) WITH ORDINALITY AS t (x, n) ORDER BY n",
    .kind = DB_READ,
    .together = true,
};

static void
a_slow_one_holds_the_others_up_for_a_moment(void **state UNUSED)
{
    struct asked all[] = {{.stmt = &sleepy, .param = "0"},
                          {.stmt = &sleepy, .param = "20"},
                          {.stmt = &sleepy, .param = "0"}};
    struct check_work works[] = {{.limit_ms = 5000}, {.limit_ms = 1000}, {.limit_ms = 5000}};

    ask_all(all, works, ARRAY_LEN(all));
    assert_string_equal(all[0].told, "0 slept");
    assert_string_equal(all[2].told, "0 slept");
    assert_in_range(works[0].took_ms, 200, 900);
    assert_int_equal(works[1].err, ERR_TIMEOUT);
    assert_in_range(works[1].took_ms, 1000, 1500);
}

static void
who_gives_up_takes_nobody_with_it(void **state UNUSED)
{
    struct asked all[] = {{.stmt = &sleepy, .param = "0.1"},
                          {.stmt = &sleepy, .param = "0"},
                          {.stmt = &sleepy, .param = "0"}};
    struct check_work works[] = {{.limit_ms = 5000}, {.limit_ms = 30}, {.limit_ms = 5000}};

    ask_all(all, works, ARRAY_LEN(all));
    assert_string_equal(all[0].told, "0.1 slept");
    assert_int_equal(works[1].err, ERR_TIMEOUT);
    assert_in_range(works[1].took_ms, 30, 90);
    assert_string_equal(all[2].told, "0 slept");
}

static void
who_comes_while_a_call_takes_long_gets_another(void **state UNUSED)
{
    struct asked slow = {.stmt = &sleepy, .param = "0.15"}, quick = {.stmt = &sleepy, .param = "0"};
    struct check_work works[] = {{.work = ask, .arg = &slow, .limit_ms = 5000},
                                 {.work = ask, .arg = &quick, .limit_ms = 5000}};

    check_start(&works[0]);
    run_for(20);
    check_start(&works[1]);
    check_finish();
    assert_string_equal(slow.told, "0.15 slept");
    assert_string_equal(quick.told, "0 slept");
    assert_in_range(works[1].took_ms, 0, 100);
}

static void
another_number_of_rows_is_refused(void **state UNUSED)
{
    static struct db_stmt short_one = {
        .sql = "SELECT array['x'] WHERE $1::text[] IS NULL", .kind = DB_READ, .together = true};
    struct asked all[] = {{.stmt = &short_one, .param = "a"}, {.stmt = &short_one, .param = "b"}};
    struct check_work works[ARRAY_LEN(all)] = {0};

    ask_all(all, works, ARRAY_LEN(all));
    assert_int_equal(works[0].err, ERR_INTERNAL);
    assert_int_equal(works[1].err, ERR_INTERNAL);
}

static const struct CMUnitTest tests[] = {
    DB_TEST(one_alone_is_a_call_for_one),
    DB_TEST(those_of_a_turn_are_one_call_and_each_gets_its_own),
    DB_TEST(more_than_a_call_may_have_are_several),
    DB_TEST(one_that_fails_fails_alone),
    DB_TEST(who_gives_up_takes_nobody_with_it),
    DB_TEST(who_comes_while_a_call_takes_long_gets_another),
    DB_TEST(another_number_of_rows_is_refused),
    DB_TEST(a_slow_one_holds_the_others_up_for_a_moment),
};

int
main(void)
{
    return check_db_main("db_together", tests, ARRAY_LEN(tests), "true", "true");
}
