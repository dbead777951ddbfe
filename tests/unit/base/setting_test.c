#include "check.h"

#include "base/setting.h"

#include <fcntl.h>

static struct buf problems;
static char *folder; /* credentials, where a test wants them */

static int
set_up(void **state)
{
    (void)state;
    buf_init_heap(&problems, 10000);
    for (size_t id = 0; id < CFG_MAX; id++)
        (void)unsetenv(config_entry((enum config_id)id)->env);
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    buf_release(&problems);
    if (folder != NULL)
        check_remove_folder(folder);
    folder = NULL;
    return 0;
}

static bool
load(enum config_id id)
{
    return config_load(&id, 1, &problems);
}

/* The setting with this value in the environment is refused; returns the problem's text. */
static const char *
refused(enum config_id id, const char *value)
{
    assert_int_equal(setenv(config_entry(id)->env, value, 1), 0);
    buf_clear(&problems);
    if (load(id))
        fail_msg("%s=%s was accepted", config_entry(id)->env, value);
    return problems.ptr;
}

static void
accepted(enum config_id id, const char *value)
{
    assert_int_equal(setenv(config_entry(id)->env, value, 1), 0);
    buf_clear(&problems);
    if (!load(id))
        fail_msg("%s=%s was refused: %s", config_entry(id)->env, value, problems.ptr);
    assert_string_equal(config_text(id), value);
}

static void
put_credential(const char *name, const char *bytes, size_t len)
{
    char path[256];

    if (folder == NULL)
        folder = check_folder();
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(close(fd), 0);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
}

static void
value_comes_from_the_environment(void **state)
{
    (void)state;
    accepted(CFG_NOWPAYMENTS_API_KEY, "key-1");
}

static void
default_fills_a_gap(void **state)
{
    (void)state;
    assert_true(load(CFG_RUN_DIR));
    assert_string_equal(config_text(CFG_RUN_DIR), "/run/flashfundx");
}

static void
empty_value_means_the_default(void **state)
{
    (void)state;
    assert_int_equal(setenv("RUN_DIR", "", 1), 0);
    assert_true(load(CFG_RUN_DIR));
    assert_string_equal(config_text(CFG_RUN_DIR), "/run/flashfundx");
}

static void
default_may_be_empty(void **state)
{
    (void)state;
    assert_true(load(CFG_PAYMENT_SUCCESS_URL));
    check_str(config_str(CFG_PAYMENT_SUCCESS_URL), "");
}

static void
every_default_is_valid(void **state)
{
    (void)state;
    for (size_t id = 0; id < CFG_MAX; id++)
        if (config_entry((enum config_id)id)->fallback != NULL)
            assert_true(load((enum config_id)id));
}

static void
missing_setting_is_named(void **state)
{
    (void)state;
    assert_false(load(CFG_JWT_SECRET));
    assert_non_null(strstr(problems.ptr, "JWT_SECRET: missing"));
}

static void
empty_required_setting_is_missing(void **state)
{
    (void)state;
    assert_non_null(strstr(refused(CFG_DATABASE_URL, ""), "DATABASE_URL: missing"));
}

static void
every_problem_gets_a_line(void **state)
{
    const enum config_id ids[] = {CFG_JWT_SECRET, CFG_WORKERS, CFG_DATABASE_URL, CFG_RUN_DIR};
    size_t lines = 0;

    (void)state;
    assert_int_equal(setenv("WORKERS", "many", 1), 0);
    assert_false(config_load(ids, ARRAY_LEN(ids), &problems));
    for (const char *p = problems.ptr; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 3);
}

static void
setting_named_twice_is_one_problem(void **state)
{
    const enum config_id ids[] = {CFG_WORKERS, CFG_WORKERS};

    (void)state;
    assert_int_equal(setenv("WORKERS", "0", 1), 0);
    assert_false(config_load(ids, ARRAY_LEN(ids), &problems));
    assert_ptr_equal(strchr(problems.ptr, '\n'), problems.ptr + problems.len - 1);
}

static void
fault_keeps_the_old_values(void **state)
{
    const enum config_id ids[] = {CFG_RUN_DIR, CFG_WORKERS};

    (void)state;
    accepted(CFG_RUN_DIR, "/one");
    assert_int_equal(setenv("RUN_DIR", "/two", 1), 0);
    assert_int_equal(setenv("WORKERS", "0", 1), 0);
    assert_false(config_load(ids, ARRAY_LEN(ids), &problems));
    assert_string_equal(config_text(CFG_RUN_DIR), "/one");
}

static void
url_is_http_or_https(void **state)
{
    (void)state;
    accepted(CFG_SUPABASE_URL, "http://127.0.0.1:54321");
    accepted(CFG_SUPABASE_URL, "https://api.example.com/v1");
    (void)refused(CFG_SUPABASE_URL, "ftp://example.com");
    (void)refused(CFG_SUPABASE_URL, "example.com");
    (void)refused(CFG_SUPABASE_URL, "https://");
    (void)refused(CFG_SUPABASE_URL, "https:///path");
}

static void
url_has_no_trailing_slash(void **state)
{
    (void)state;
    assert_non_null(strstr(refused(CFG_SUPABASE_URL, "https://example.com/"), "slash"));
}

static void
url_has_no_blanks(void **state)
{
    (void)state;
    (void)refused(CFG_SUPABASE_URL, "https://example.com/a b");
    (void)refused(CFG_SUPABASE_URL, "https://example.com\r\n");
}

static void
secret_has_32_characters(void **state)
{
    (void)state;
    (void)refused(CFG_JWT_SECRET, "1234567890123456789012345678901");
    accepted(CFG_JWT_SECRET, "12345678901234567890123456789012");
}

static void
keys_have_ids(void **state)
{
#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
    static const char *const wrong[] = {
        "k1", "k1:", ":" KEY, KEY, "k1:" KEY "0", "k1:" KEY ",", "k1:" KEY ",," "k2:" KEY,
        "k1:" KEY " ,k2:" KEY, "K1:" KEY, "k1:0" KEY, "abcdefghijklmnopq:" KEY, "k1:" KEY ",k2",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_null(strstr(refused(CFG_CREDENTIAL_KEYS, wrong[i]), "0011"));
    accepted(CFG_CREDENTIAL_KEYS, "k1:" KEY);
    accepted(CFG_CREDENTIAL_KEYS, "k2:" KEY ",k1:" KEY ",abcdefghijklmnop:" KEY);
#undef KEY
}

static void
integer_is_in_its_range(void **state)
{
    (void)state;
    accepted(CFG_DB_CONNECTIONS, "2");
    accepted(CFG_DB_CONNECTIONS, "64");
    (void)refused(CFG_DB_CONNECTIONS, "1");
    (void)refused(CFG_DB_CONNECTIONS, "65");
    accepted(CFG_WORKERS, "1");
    (void)refused(CFG_WORKERS, "0");
    (void)refused(CFG_WORKERS, "65");
}

static void
integer_fits_int32(void **state)
{
    (void)state;
    accepted(CFG_DB_IDLE_S, "2147483647");
    (void)refused(CFG_DB_IDLE_S, "2147483648");
    (void)refused(CFG_DB_IDLE_S, "-1");
}

static void
integer_is_digits(void **state)
{
    (void)state;
    (void)refused(CFG_DB_IDLE_S, "60s");
    (void)refused(CFG_DB_IDLE_S, " 60");
    (void)refused(CFG_DB_IDLE_S, "1e3");
}

static void
integer_is_given_as_number(void **state)
{
    (void)state;
    accepted(CFG_DB_IDLE_S, "123");
    assert_int_equal(config_int(CFG_DB_IDLE_S), 123);
}

static void
bool_has_four_spellings(void **state)
{
    (void)state;
    accepted(CFG_RATE_LIMIT, "false");
    assert_false(config_bool(CFG_RATE_LIMIT));
    accepted(CFG_RATE_LIMIT, "1");
    assert_true(config_bool(CFG_RATE_LIMIT));
    accepted(CFG_RATE_LIMIT, "0");
    assert_false(config_bool(CFG_RATE_LIMIT));
    accepted(CFG_RATE_LIMIT, "true");
    assert_true(config_bool(CFG_RATE_LIMIT));
    (void)refused(CFG_RATE_LIMIT, "yes");
    (void)refused(CFG_RATE_LIMIT, "TRUE");
}

static void
log_level_is_known(void **state)
{
    (void)state;
    accepted(CFG_LOG_LEVEL, "debug");
    (void)refused(CFG_LOG_LEVEL, "loud");
}

static void
text_is_one_line(void **state)
{
    (void)state;
    (void)refused(CFG_NOWPAYMENTS_API_KEY, "key\r\nx-evil: 1");
}

static void
secret_values_are_not_shown(void **state)
{
    (void)state;
    assert_null(strstr(refused(CFG_JWT_SECRET, "hunter2"), "hunter2"));
    assert_null(strstr(refused(CFG_NOWPAYMENTS_API_KEY, "hunter2\n"), "hunter2"));
}

static void
other_values_are_shown(void **state)
{
    (void)state;
    assert_non_null(strstr(refused(CFG_WORKERS, "many"), "not \"many\""));
}

static void
credential_file_is_read(void **state)
{
    (void)state;
    put_credential("NOWPAYMENTS_API_KEY", "from-file\n", 10);
    assert_true(load(CFG_NOWPAYMENTS_API_KEY));
    assert_string_equal(config_text(CFG_NOWPAYMENTS_API_KEY), "from-file");
}

static void
credential_of_one_character_is_read(void **state)
{
    (void)state;
    put_credential("NOWPAYMENTS_API_KEY", "k", 1);
    assert_true(load(CFG_NOWPAYMENTS_API_KEY));
    assert_string_equal(config_text(CFG_NOWPAYMENTS_API_KEY), "k");
}

static void
only_the_last_line_feed_is_cut(void **state)
{
    (void)state;
    put_credential("NOWPAYMENTS_API_KEY", "k\n\n", 3);
    assert_false(load(CFG_NOWPAYMENTS_API_KEY)); /* more than one line */
}

static void
empty_credentials_folder_means_none(void **state)
{
    (void)state;
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "", 1), 0);
    assert_true(load(CFG_RUN_DIR));
}

static void
environment_goes_before_the_file(void **state)
{
    (void)state;
    put_credential("NOWPAYMENTS_API_KEY", "from-file", 9);
    accepted(CFG_NOWPAYMENTS_API_KEY, "from-environment");
}

static void
empty_credential_file_is_missing(void **state)
{
    (void)state;
    put_credential("NOWPAYMENTS_API_KEY", "\n", 1);
    assert_false(load(CFG_NOWPAYMENTS_API_KEY));
    assert_non_null(strstr(problems.ptr, "missing"));
}

static void
credential_file_with_nul_is_refused(void **state)
{
    (void)state;
    put_credential("NOWPAYMENTS_API_KEY", "a\0b", 3);
    assert_false(load(CFG_NOWPAYMENTS_API_KEY));
    assert_non_null(strstr(problems.ptr, "not text"));
}

static void
credential_file_has_a_bound(void **state)
{
    static char big[70000];

    (void)state;
    memset(big, 'x', sizeof(big));
    put_credential("NOWPAYMENTS_API_KEY", big, sizeof(big));
    assert_false(load(CFG_NOWPAYMENTS_API_KEY));
    assert_non_null(strstr(problems.ptr, "too long"));
}

static void
unreadable_credential_is_a_problem(void **state)
{
    char path[256];

    (void)state;
    folder = check_folder();
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    (void)snprintf(path, sizeof(path), "%s/NOWPAYMENTS_API_KEY", folder);
    assert_int_equal(symlink(".", path), 0); /* a folder: opens, but cannot be read */
    assert_false(load(CFG_NOWPAYMENTS_API_KEY));
    assert_non_null(strstr(problems.ptr, "Is a directory"));
}

static void
use_unloaded(void)
{
    (void)config_text(CFG_SERVICE_ROLE_KEY);
}

static void
unloaded_setting_dies(void **state)
{
    (void)state;
    check_dies(use_unloaded, "SUPABASE_SERVICE_ROLE_KEY is used but not loaded");
}

static void
use_as_wrong_kind(void)
{
    (void)config_int(CFG_RATE_LIMIT);
}

static void
wrong_kind_dies(void **state)
{
    (void)state;
    accepted(CFG_RATE_LIMIT, "1");
    check_dies(use_as_wrong_kind, "broken invariant");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(value_comes_from_the_environment),
        TEST(default_fills_a_gap),
        TEST(empty_value_means_the_default),
        TEST(default_may_be_empty),
        TEST(every_default_is_valid),
        TEST(missing_setting_is_named),
        TEST(empty_required_setting_is_missing),
        TEST(every_problem_gets_a_line),
        TEST(setting_named_twice_is_one_problem),
        TEST(fault_keeps_the_old_values),
        TEST(url_is_http_or_https),
        TEST(url_has_no_trailing_slash),
        TEST(url_has_no_blanks),
        TEST(secret_has_32_characters),
        TEST(keys_have_ids),
        TEST(integer_is_in_its_range),
        TEST(integer_fits_int32),
        TEST(integer_is_digits),
        TEST(integer_is_given_as_number),
        TEST(bool_has_four_spellings),
        TEST(log_level_is_known),
        TEST(text_is_one_line),
        TEST(secret_values_are_not_shown),
        TEST(other_values_are_shown),
        TEST(credential_file_is_read),
        TEST(credential_of_one_character_is_read),
        TEST(only_the_last_line_feed_is_cut),
        TEST(empty_credentials_folder_means_none),
        TEST(environment_goes_before_the_file),
        TEST(empty_credential_file_is_missing),
        TEST(credential_file_with_nul_is_refused),
        TEST(credential_file_has_a_bound),
        TEST(unreadable_credential_is_a_problem),
        TEST(unloaded_setting_dies),
        TEST(wrong_kind_dies),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
