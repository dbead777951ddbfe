#include "check.h"

#include "db/hosts.h"

static void
a_socket_folder_needs_no_lookup(void **state UNUSED)
{
    assert_false(db_hosts_need_lookup("host=/run/postgresql dbname=x"));
    assert_false(db_hosts_need_lookup("postgresql://u:p@%2Frun%2Fpg/x"));
    assert_false(db_hosts_need_lookup("dbname=x"));
}

static void
an_address_needs_no_lookup(void **state UNUSED)
{
    assert_false(db_hosts_need_lookup("postgresql://u@127.0.0.1:5432/x"));
    assert_false(db_hosts_need_lookup("postgresql://u@[::1]:5432/x"));
    assert_false(db_hosts_need_lookup("host=db.example hostaddr=192.0.2.1"));
}

static void
a_name_needs_a_lookup(void **state UNUSED)
{
    assert_true(db_hosts_need_lookup("postgresql://u@db.example/x"));
    assert_true(db_hosts_need_lookup("host=127.0.0.1,db.example"));
}

static void
a_broken_string_is_left_to_libpq(void **state UNUSED)
{
    assert_false(db_hosts_need_lookup("postgresql://%zz"));
}

static void
every_address_of_every_host_is_listed_with_its_port(void **state UNUSED)
{
    struct db_addresses a = {.conninfo = "host=/run/pg,localhost port=1,2"};

    db_hosts_find(&a);
    assert_non_null(a.hosts);
    assert_true(strncmp(a.hosts, "/run/pg,localhost", 17) == 0);
    assert_true(strncmp(a.ports, "1,2", 3) == 0);
    assert_int_equal(a.addresses[0], ','); /* nothing for the socket */
    assert_true(strstr(a.addresses, "127.0.0.1") != NULL || strstr(a.addresses, "::1") != NULL);
    db_hosts_release(&a);
}

static void
an_unknown_name_gives_nothing(void **state UNUSED)
{
    struct db_addresses a = {.conninfo = "host=no-such-host.invalid"};

    db_hosts_find(&a);
    assert_null(a.hosts);
    db_hosts_release(&a);
}

static void
the_list_begins_where_it_is_told(void **state UNUSED)
{
    struct db_addresses a = {.conninfo = "host=/run/a,127.0.0.1,/run/c port=1,2,3", .first = 2};

    db_hosts_find(&a);
    assert_int_equal(a.count, 3);
    assert_string_equal(a.hosts, "/run/c,/run/a,127.0.0.1");
    assert_string_equal(a.ports, "3,1,2");
    assert_string_equal(a.addresses, ",,");
    db_hosts_release(&a);
    a.first = 7; /* the list may have become shorter */
    db_hosts_find(&a);
    assert_string_equal(a.ports, "2,3,1");
    db_hosts_release(&a);
}

static void
addresses_of_the_string_are_kept(void **state UNUSED)
{
    struct db_addresses a = {.conninfo = "hostaddr=192.0.2.1,192.0.2.2 port=5433", .first = 1};

    db_hosts_find(&a);
    assert_string_equal(a.hosts, ",");
    assert_string_equal(a.addresses, "192.0.2.2,192.0.2.1");
    assert_string_equal(a.ports, "5433,5433");
    db_hosts_release(&a);
}

static void
several_hosts_are_seen(void **state UNUSED)
{
    assert_true(db_hosts_several("postgresql://u@a:1,b:2/x"));
    assert_true(db_hosts_several("postgresql://u@%2Frun%2Fa,%2Frun%2Fb/x"));
    assert_true(db_hosts_several("hostaddr=192.0.2.1,192.0.2.2"));
    assert_false(db_hosts_several("postgresql://u@a:1/x"));
    assert_false(db_hosts_several("postgresql://%zz"));
}

static void
a_connection_is_found_in_the_list(void **state UNUSED)
{
    struct db_addresses a = {.conninfo = "host=/run/a,127.0.0.1,/run/a port=1,2,3", .first = 1};

    db_hosts_find(&a);
    assert_int_equal(db_hosts_which(&a, "/run/a", "", "1"), 0);
    assert_int_equal(db_hosts_which(&a, "127.0.0.1", "127.0.0.1", "2"), 1);
    assert_int_equal(db_hosts_which(&a, "/run/a", NULL, "3"), 2);
    assert_int_equal(db_hosts_which(&a, "elsewhere", "", "9"), 1); /* where it began */
    db_hosts_release(&a);
}

static void
lists_are_copied_from_another_beginning(void **state UNUSED)
{
    struct db_addresses a = {.conninfo = "host=/run/a,127.0.0.1,/run/c port=1,2,3"}, b;

    assert_false(db_hosts_copy(&a, 0, &b)); /* not found yet */
    db_hosts_find(&a);
    assert_true(db_hosts_copy(&a, 4, &b));
    assert_int_equal(b.count, 3);
    assert_string_equal(b.hosts, "127.0.0.1,/run/c,/run/a");
    assert_string_equal(b.addresses, ",,");
    assert_string_equal(b.ports, "2,3,1");
    assert_int_equal(db_hosts_which(&b, "/run/c", NULL, "3"), 2);
    db_hosts_release(&a);
    db_hosts_release(&b);
}

static void
what_libpq_says_too_late_is_a_problem(void **state UNUSED)
{
    static const char *const good[] = {
        "postgresql://u:p@a:1,b:2/x?target_session_attrs=read-write", "dbname=x",
        "host=a,b,c port=5432 sslmode=verify-full connect_timeout=2",
        "hostaddr=192.0.2.1,192.0.2.2 port=5433", "host=a,b port=,5433"};
    static const char *const wrong[] = {
        "mysql://u@a/x", "shop", "postgresql://u@a:x/y", "host=a port=5x", "host=a port=0",
        "host=a port=65536", "host=a,b,c port=1,2", "host=a hostaddr=192.0.2.1,192.0.2.2",
        "postgresql://u@a/x?target_session_attrs=readwrite", "host=a sslmode=on",
        "host=a sslmode=require,", "host=a connect_timeout=2s"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (db_hosts_problem(good[i]) != NULL)
            fail_msg("%s: %s", good[i], db_hosts_problem(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (db_hosts_problem(wrong[i]) == NULL)
            fail_msg("%s is none", wrong[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_libpq_says_too_late_is_a_problem),
    cmocka_unit_test(a_socket_folder_needs_no_lookup),
    cmocka_unit_test(an_address_needs_no_lookup),
    cmocka_unit_test(a_name_needs_a_lookup),
    cmocka_unit_test(a_broken_string_is_left_to_libpq),
    cmocka_unit_test(every_address_of_every_host_is_listed_with_its_port),
    cmocka_unit_test(an_unknown_name_gives_nothing),
    cmocka_unit_test(the_list_begins_where_it_is_told),
    cmocka_unit_test(addresses_of_the_string_are_kept),
    cmocka_unit_test(several_hosts_are_seen),
    cmocka_unit_test(a_connection_is_found_in_the_list),
    cmocka_unit_test(lists_are_copied_from_another_beginning),
};

int
main(void)
{
    return cmocka_run_group_tests_name("db_hosts", tests, NULL, NULL);
}
