/* Notifications of a real server. */
#include "check_db.h"

#include "db/listen.h"

static void
heard(const char *payload)
{
    note(payload[0] == '\0' ? "nothing" : payload);
    loop_exit();
}

static void
heard_other(const char *payload)
{
    note("other:");
    heard(payload);
}

static void
missed(void)
{
    note("missed");
    loop_exit();
}

static struct db_listen first = {.channel = "First one", .notified = heard, .missed = missed};
static struct db_listen second = {.channel = "second", .notified = heard_other, .missed = missed};

static void
until_listening(const char *channels)
{
    char sql[256];

    (void)snprintf(sql, sizeof sql,
                   "select count(*) from pg_stat_activity where application_name = 'unit_%d' and "
                   "query like '%s' and state = 'idle'",
                   (int)getpid(), channels);
    for (int i = 0; i < 100; i++) {
        run_for(20);
        if (strcmp(check_db_ask(sql), "1") == 0)
            return;
    }
    fail_msg("nobody listens: %s", channels);
}

static void
what_is_notified_is_heard(void **state UNUSED)
{
    db_listen(&first);
    until_listening("LISTEN%First one%");
    (void)check_db_ask("notify \"First one\", 'word'; notify third, 'lost'");
    run_for(2000);
    (void)check_db_ask("notify \"First one\"");
    run_for(2000);
    assert_string_equal(trace, "word nothing");
}

static void
a_second_channel_uses_the_same_connection(void **state UNUSED)
{
    db_listen(&second);
    until_listening("LISTEN%First one%");
    (void)check_db_ask("notify second, 'two'");
    run_for(2000);
    (void)check_db_ask("notify \"First one\", 'one'");
    run_for(2000);
    assert_string_equal(trace, "other: two one");
}

static void
after_a_lost_connection_it_listens_again_and_says_so(void **state UNUSED)
{
    (void)check_db_ask("select pg_terminate_backend(pid, 5000) from pg_stat_activity where query "
                       "like 'LISTEN%'");
    (void)check_db_ask("notify second, 'lost'");
    run_for(5000);
    assert_string_equal(trace, "missed missed");
    (void)check_db_ask("notify second, 'again'");
    run_for(2000);
    assert_string_equal(trace, "missed missed other: again");
}

static const struct CMUnitTest tests[] = {
    DB_TEST(what_is_notified_is_heard),
    DB_TEST(a_second_channel_uses_the_same_connection),
    DB_TEST(after_a_lost_connection_it_listens_again_and_says_so),
};

int
main(void)
{
    return check_db_main("db_listen", tests, ARRAY_LEN(tests), "true", "true");
}
