#include "check.h"

static void
str_eq_of_empty_texts(void **state UNUSED)
{
    assert_true(str_eq(STR_NONE, STR("")));
}

static void
call_die(void)
{
    die("number %d", 7);
}

static void
die_says_why(void **state UNUSED)
{
    check_dies(call_die, "fatal: number 7\n");
}

static void
call_die_long(void)
{
    char text[2000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    die("%s", text);
}

static void
die_cuts_long_texts(void **state UNUSED)
{
    check_dies(call_die_long, "xxx\n");
}

static void
break_invariant(void)
{
    MUST(1 + 1 == 3);
}

static void
must_names_the_condition(void **state UNUSED)
{
    check_dies(break_invariant, "broken invariant: 1 + 1 == 3");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(str_eq_of_empty_texts),
    cmocka_unit_test(die_says_why),
    cmocka_unit_test(die_cuts_long_texts),
    cmocka_unit_test(must_names_the_condition),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_prelude", tests, NULL, NULL);
}
