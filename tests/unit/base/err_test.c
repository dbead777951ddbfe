#include "check.h"

#include "base/err.h"
#include "base/log.h"

static void
every_error_has_a_row(void **state UNUSED)
{
    for (int e = 0; e < ERR_MAX; e++)
        assert_non_null(err_info((enum err)e)->name);
}

static void
names_are_the_enum_names(void **state UNUSED)
{
    assert_string_equal(err_info(ERR_RATE_LIMITED)->name, "ERR_RATE_LIMITED");
}

static void
every_failure_has_a_text(void **state UNUSED)
{
    for (int e = ERR_OK + 1; e < ERR_MAX; e++)
        assert_true(err_info((enum err)e)->text[0] != '\0');
}

static void
levels_are_those_of_log(void **state UNUSED)
{
    assert_int_equal(err_info(ERR_INVALID)->log_level, LOG_INFO);
    assert_int_equal(err_info(ERR_PROVIDER)->log_level, LOG_WARN);
    assert_int_equal(err_info(ERR_INTERNAL)->log_level, LOG_ERROR);
}

static void
statuses_are_those_of_the_table(void **state UNUSED)
{
    assert_int_equal(err_info(ERR_UNAVAILABLE)->http_status, 503);
    assert_true(err_info(ERR_UNAVAILABLE)->retryable);
}

static void
ask_for_no_error(void)
{
    (void)err_info(ERR_MAX);
}

static void
unknown_error_dies(void **state UNUSED)
{
    check_dies(ask_for_no_error, "broken invariant");
}

static void
fail_set_returns_the_error(void **state UNUSED)
{
    struct fail f = {0};

    assert_int_equal(fail_set(&f, ERR_INVALID, "x"), ERR_INVALID);
}

static void
fail_set_keeps_the_text(void **state UNUSED)
{
    struct fail f = {0};

    (void)fail_set(&f, ERR_INVALID, "field %s is missing", "amount");
    assert_string_equal(fail_text(&f, ERR_INVALID), "field amount is missing");
}

static void
without_a_text_the_table_speaks(void **state UNUSED)
{
    struct fail f = {0};

    assert_string_equal(fail_text(&f, ERR_NOT_FOUND), "Not found");
}

static void
text_of_another_error_is_not_shown(void **state UNUSED)
{
    struct fail f = {0};

    (void)fail_set(&f, ERR_INVALID, "secret insight");
    assert_string_equal(fail_text(&f, ERR_INTERNAL), "Internal server error");
}

static void
detail_keeps_the_text_of_the_same_error(void **state UNUSED)
{
    struct fail f = {0};

    (void)fail_set(&f, ERR_CONFLICT, "wait");
    (void)fail_detail(&f, ERR_CONFLICT, "40001");
    assert_string_equal(fail_text(&f, ERR_CONFLICT), "wait");
}

static void
detail_of_another_error_drops_the_text(void **state UNUSED)
{
    struct fail f = {0};

    (void)fail_set(&f, ERR_INVALID, "wrong field");
    (void)fail_detail(&f, ERR_INTERNAL, "XX000");
    assert_string_equal(fail_text(&f, ERR_INTERNAL), "Internal server error");
}

static void
details_are_joined(void **state UNUSED)
{
    struct fail f = {0};

    (void)fail_detail(&f, ERR_INTERNAL, "one");
    (void)fail_detail(&f, ERR_INTERNAL, "two");
    assert_string_equal(f.detail, "one; two");
}

static void
details_never_overflow(void **state UNUSED)
{
    struct fail f = {0};

    for (int i = 0; i < 300; i++)
        (void)fail_detail(&f, ERR_INTERNAL, "%d", i);
    assert_int_equal(strlen(f.detail), sizeof(f.detail) - 1);
}

/* Texts of 2-, 3- and 4-byte characters, shifted so that the cut falls on each of their bytes. */
static void
long_texts_are_cut_between_characters(void **state UNUSED)
{
    static const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};

    for (size_t c = 0; c < ARRAY_LEN(characters); c++) {
        const size_t width = strlen(characters[c]);

        for (size_t shift = 0; shift < 4; shift++) {
            struct fail f = {0};
            char text[1024] = "";
            size_t len = shift;

            memset(text, '-', shift);
            for (; len < 600; len += width)
                memcpy(text + len, characters[c], width);
            (void)fail_set(&f, ERR_INVALID, "%s", text);
            const size_t room = sizeof(f.text) - 1 - shift;
            assert_int_equal(strlen(f.text), shift + room / width * width);
        }
    }
}

static enum err
try_it(enum err e, bool *ret_went_on)
{
    TRY(e);
    *ret_went_on = true;
    return ERR_OK;
}

static void
try_returns_early(void **state UNUSED)
{
    bool went_on = false;

    assert_int_equal(try_it(ERR_TIMEOUT, &went_on), ERR_TIMEOUT);
    assert_false(went_on);
}

static void
try_goes_on_after_success(void **state UNUSED)
{
    bool went_on = false;

    assert_int_equal(try_it(ERR_OK, &went_on), ERR_OK);
    assert_true(went_on);
}

static void
what_is_said_is_for_who_has_no_text_of_the_same_error(void **state UNUSED)
{
    struct fail f = {0};

    assert_int_equal(fail_say(&f, ERR_UPSTREAM, "Not reachable"), ERR_UPSTREAM);
    assert_string_equal(fail_text(&f, ERR_UPSTREAM), "Not reachable");
    (void)fail_say(&f, ERR_UPSTREAM, "Away");
    assert_string_equal(fail_text(&f, ERR_UPSTREAM), "Not reachable");
    f.retry_after_s = 7;
    (void)fail_say(&f, ERR_UNKNOWN_OUTCOME, "No answer");
    assert_string_equal(fail_text(&f, ERR_UNKNOWN_OUTCOME), "No answer");
    assert_int_equal(f.retry_after_s, 0);
}

static void
reason_is_the_detail_or_else_the_text(void **state UNUSED)
{
    struct fail f = {0};

    assert_string_equal(fail_reason(&f, ERR_TIMEOUT), err_info(ERR_TIMEOUT)->text);
    (void)fail_set(&f, ERR_TIMEOUT, "Too slow");
    assert_string_equal(fail_reason(&f, ERR_TIMEOUT), "Too slow");
    (void)fail_detail(&f, ERR_TIMEOUT, "no row in 3 s");
    assert_string_equal(fail_reason(&f, ERR_TIMEOUT), "no row in 3 s");
}

static void
nobody_may_want_to_know_why(void **state UNUSED)
{
    assert_int_equal(fail_say(NULL, ERR_UPSTREAM, "text"), ERR_UPSTREAM);
    assert_int_equal(fail_set(NULL, ERR_INVALID, "%d", 1), ERR_INVALID);
    assert_int_equal(fail_detail(NULL, ERR_INTERNAL, "%d", 1), ERR_INTERNAL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_error_has_a_row),
    cmocka_unit_test(names_are_the_enum_names),
    cmocka_unit_test(every_failure_has_a_text),
    cmocka_unit_test(levels_are_those_of_log),
    cmocka_unit_test(statuses_are_those_of_the_table),
    cmocka_unit_test(unknown_error_dies),
    cmocka_unit_test(fail_set_returns_the_error),
    cmocka_unit_test(fail_set_keeps_the_text),
    cmocka_unit_test(without_a_text_the_table_speaks),
    cmocka_unit_test(text_of_another_error_is_not_shown),
    cmocka_unit_test(detail_keeps_the_text_of_the_same_error),
    cmocka_unit_test(detail_of_another_error_drops_the_text),
    cmocka_unit_test(details_are_joined),
    cmocka_unit_test(details_never_overflow),
    cmocka_unit_test(long_texts_are_cut_between_characters),
    cmocka_unit_test(what_is_said_is_for_who_has_no_text_of_the_same_error),
    cmocka_unit_test(reason_is_the_detail_or_else_the_text),
    cmocka_unit_test(nobody_may_want_to_know_why),
    cmocka_unit_test(try_returns_early),
    cmocka_unit_test(try_goes_on_after_success),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_err", tests, NULL, NULL);
}
