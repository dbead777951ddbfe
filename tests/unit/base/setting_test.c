#include "check.h"

#include <fcntl.h>

#include "base/setting.h"

/* One of every kind. */
static struct setting api_key = {.env = "API_KEY", .meaning = "a key", .secret = true};
static struct setting other_key = {.env = "OTHER_KEY", .meaning = "never loaded"};
static struct setting database_url = {.env = "DATABASE_URL", .meaning = "a text", .secret = true};
static struct setting run_dir = {.env = "RUN_DIR", .fallback = "/run/ffx"};
static struct setting success_page = {.env = "SUCCESS_PAGE", .fallback = ""};
static struct setting public_url = {.env = "PUBLIC_URL", .kind = SETTING_URL};
static struct setting page = {.env = "PAGE", .kind = SETTING_LINK, .fallback = ""};
static struct setting word = {.env = "WORD", .kind = SETTING_WORD};
static struct setting jwt_secret = {
    .env = "JWT_SECRET", .kind = SETTING_SECRET32, .meaning = "a secret", .secret = true};
static struct setting workers = {
    .env = "WORKERS", .kind = SETTING_INT, .fallback = "1", .min = 1, .max = 64};
static struct setting connections = {
    .env = "CONNECTIONS", .kind = SETTING_INT, .fallback = "4", .min = 2, .max = 64};
static struct setting idle_s = {.env = "IDLE_S", .kind = SETTING_INT, .fallback = "60"};
static struct setting rate_limit = {.env = "RATE_LIMIT", .kind = SETTING_BOOL, .fallback = "true"};

static const char *
check_word(const char *text)
{
    return strcmp(text, "word") == 0 ? NULL : "must be word";
}

static struct setting ruled = {.env = "RULED", .fallback = "word", .check = check_word};

static struct setting *const all[] = {
    &api_key, &other_key,   &database_url, &run_dir,    &success_page, &public_url, &jwt_secret,
    &workers, &connections, &idle_s,       &rate_limit, &ruled,        &page,       &word};

static struct buf problems;
static char *folder; /* credentials, where a test wants them */

static int
set_up(void **state UNUSED)
{
    buf_init_heap(&problems, 10000);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        (void)unsetenv(all[i]->env);
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    buf_release(&problems);
    if (folder != NULL)
        check_remove_folder(folder);
    folder = NULL;
    return 0;
}

static bool
load(struct setting *s)
{
    return settings_load(&s, 1, &problems);
}

/* The setting with this value in the environment is refused; returns the problem's text. */
static const char *
refused(struct setting *s, const char *value)
{
    assert_int_equal(setenv(s->env, value, 1), 0);
    buf_clear(&problems);
    if (load(s))
        fail_msg("%s=%s was accepted", s->env, value);
    return problems.ptr;
}

static void
accepted(struct setting *s, const char *value)
{
    assert_int_equal(setenv(s->env, value, 1), 0);
    buf_clear(&problems);
    if (!load(s))
        fail_msg("%s=%s was refused: %s", s->env, value, problems.ptr);
    assert_string_equal(setting_text(s), value);
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
value_comes_from_the_environment(void **state UNUSED)
{
    accepted(&api_key, "key-1");
}

static void
default_fills_a_gap(void **state UNUSED)
{
    assert_true(load(&run_dir));
    assert_string_equal(setting_text(&run_dir), "/run/ffx");
}

static void
empty_value_means_the_default(void **state UNUSED)
{
    assert_int_equal(setenv("RUN_DIR", "", 1), 0);
    assert_true(load(&run_dir));
    assert_string_equal(setting_text(&run_dir), "/run/ffx");
}

static void
default_may_be_empty(void **state UNUSED)
{
    assert_true(load(&success_page));
    check_str(setting_str(&success_page), "");
}

static void
further_rule_is_kept(void **state UNUSED)
{
    assert_non_null(strstr(refused(&ruled, "other"), "RULED: must be word, not \"other\""));
    accepted(&ruled, "word");
}

static void
missing_setting_is_named(void **state UNUSED)
{
    assert_false(load(&jwt_secret));
    assert_non_null(strstr(problems.ptr, "JWT_SECRET: missing"));
}

static void
empty_required_setting_is_missing(void **state UNUSED)
{
    assert_non_null(strstr(refused(&database_url, ""), "DATABASE_URL: missing"));
}

static void
every_problem_gets_a_line(void **state UNUSED)
{
    struct setting *const list[] = {&jwt_secret, &workers, &database_url, &run_dir};
    size_t lines = 0;

    assert_int_equal(setenv("WORKERS", "many", 1), 0);
    assert_false(settings_load(list, ARRAY_LEN(list), &problems));
    for (const char *p = problems.ptr; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 3);
}

static void
setting_named_twice_is_one_problem(void **state UNUSED)
{
    struct setting *const list[] = {&workers, &workers};

    assert_int_equal(setenv("WORKERS", "0", 1), 0);
    assert_false(settings_load(list, ARRAY_LEN(list), &problems));
    assert_ptr_equal(strchr(problems.ptr, '\n'), problems.ptr + problems.len - 1);
}

static void
fault_keeps_the_old_values(void **state UNUSED)
{
    struct setting *const list[] = {&run_dir, &workers};

    accepted(&run_dir, "/one");
    assert_int_equal(setenv("RUN_DIR", "/two", 1), 0);
    assert_int_equal(setenv("WORKERS", "0", 1), 0);
    assert_false(settings_load(list, ARRAY_LEN(list), &problems));
    assert_string_equal(setting_text(&run_dir), "/one");
}

static void
url_is_http_or_https(void **state UNUSED)
{
    accepted(&public_url, "http://127.0.0.1:54321");
    accepted(&public_url, "https://api.example.com/v1");
    (void)refused(&public_url, "ftp://example.com");
    (void)refused(&public_url, "example.com");
    (void)refused(&public_url, "https://");
    (void)refused(&public_url, "https:///path");
    accepted(&public_url, "https://example.com:8443/x");
    accepted(&public_url, "http://[::1]:80/x");
    accepted(&public_url, "https://example.com:"); /* the port of its scheme, RFC 3986 3.2.3 */
    (void)refused(&public_url, "https://example.com:99999");
    (void)refused(&public_url, "https://user:secret@example.com");
    (void)refused(&public_url, "https://exa,mple.com");
    (void)refused(&public_url, "http://[]");
    (void)refused(&public_url, "http://[::1");
}

static void
url_has_a_host_and_a_port_that_can_be(void **state UNUSED)
{
    accepted(&public_url, "https://[2001:db8::1]:8443/v1");
    accepted(&public_url, "http://localhost:1");
    (void)refused(&public_url, "https://exa_mple.com");
    (void)refused(&public_url, "https://example..com");
    (void)refused(&public_url, "https://user@example.com");
    (void)refused(&public_url, "https://example.com:port");
    (void)refused(&public_url, "https://example.com:65536");
    (void)refused(&public_url, "https://example.com:0");
    (void)refused(&public_url, "https:example.com");
}

static void
url_has_no_query(void **state UNUSED)
{
    (void)refused(&public_url, "https://example.com?x=1");
    (void)refused(&public_url, "https://example.com/v1#x");
}

static void
link_may_have_a_query_and_a_slash_at_its_end(void **state UNUSED)
{
    accepted(&page, "https://example.com/paid/?order=1#top");
    (void)refused(&page, "/paid");
    (void)refused(&page, "javascript:alert(1)");
    (void)refused(&page, "https://example.com/a b");
}

static void
word_is_visible_ascii(void **state UNUSED)
{
    accepted(&word, "re_123-ABC.x/y=");
    (void)refused(&word, "two words");
    (void)refused(&word, "key ");
    (void)refused(&word, "k\303\251y");
}

static void
text_has_no_blanks_around_it_unless_it_is_secret(void **state UNUSED)
{
    (void)refused(&run_dir, " /run/ffx");
    (void)refused(&run_dir, "/run/ffx ");
    accepted(&api_key, " key ");
}

static void
none_has_no_form(void **state UNUSED)
{
    assert_true(load(&page));
    check_str(setting_str(&page), "");
}

static void
url_has_no_trailing_slash(void **state UNUSED)
{
    assert_non_null(strstr(refused(&public_url, "https://example.com/"), "slash"));
}

static void
url_has_no_blanks(void **state UNUSED)
{
    (void)refused(&public_url, "https://example.com/a b");
    (void)refused(&public_url, "https://example.com\r\n");
}

static void
secret_has_32_characters(void **state UNUSED)
{
    (void)refused(&jwt_secret, "1234567890123456789012345678901");
    accepted(&jwt_secret, "12345678901234567890123456789012");
}

static void
integer_is_in_its_range(void **state UNUSED)
{
    accepted(&connections, "2");
    accepted(&connections, "64");
    (void)refused(&connections, "1");
    (void)refused(&connections, "65");
    accepted(&workers, "1");
    (void)refused(&workers, "0");
    (void)refused(&workers, "65");
}

static void
integer_fits_int32(void **state UNUSED)
{
    accepted(&idle_s, "2147483647");
    (void)refused(&idle_s, "2147483648");
    (void)refused(&idle_s, "-1");
}

static void
integer_is_digits(void **state UNUSED)
{
    (void)refused(&idle_s, "60s");
    (void)refused(&idle_s, " 60");
    (void)refused(&idle_s, "1e3");
}

static void
integer_is_given_as_number(void **state UNUSED)
{
    accepted(&idle_s, "123");
    assert_int_equal(setting_int(&idle_s), 123);
}

static void
bool_has_four_spellings(void **state UNUSED)
{
    accepted(&rate_limit, "false");
    assert_false(setting_bool(&rate_limit));
    accepted(&rate_limit, "1");
    assert_true(setting_bool(&rate_limit));
    accepted(&rate_limit, "0");
    assert_false(setting_bool(&rate_limit));
    accepted(&rate_limit, "true");
    assert_true(setting_bool(&rate_limit));
    (void)refused(&rate_limit, "yes");
    (void)refused(&rate_limit, "TRUE");
}

static void
text_is_one_line(void **state UNUSED)
{
    (void)refused(&api_key, "key\r\nx-evil: 1");
}

static void
secret_values_are_not_shown(void **state UNUSED)
{
    assert_null(strstr(refused(&jwt_secret, "hunter2"), "hunter2"));
    assert_null(strstr(refused(&api_key, "hunter2\n"), "hunter2"));
}

static void
other_values_are_shown(void **state UNUSED)
{
    assert_non_null(strstr(refused(&workers, "many"), "not \"many\""));
}

static void
credential_file_is_read(void **state UNUSED)
{
    put_credential("API_KEY", "from-file\n", 10);
    assert_true(load(&api_key));
    assert_string_equal(setting_text(&api_key), "from-file");
}

static void
credential_of_one_character_is_read(void **state UNUSED)
{
    put_credential("API_KEY", "k", 1);
    assert_true(load(&api_key));
    assert_string_equal(setting_text(&api_key), "k");
}

static void
only_the_last_line_feed_is_cut(void **state UNUSED)
{
    put_credential("API_KEY", "k\n\n", 3);
    assert_false(load(&api_key)); /* more than one line */
}

static void
empty_credentials_folder_means_none(void **state UNUSED)
{
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "", 1), 0);
    assert_true(load(&run_dir));
}

static void
environment_goes_before_the_file(void **state UNUSED)
{
    put_credential("API_KEY", "from-file", 9);
    accepted(&api_key, "from-environment");
}

static void
empty_credential_file_is_missing(void **state UNUSED)
{
    put_credential("API_KEY", "\n", 1);
    assert_false(load(&api_key));
    assert_non_null(strstr(problems.ptr, "missing"));
}

static void
credential_file_with_nul_is_refused(void **state UNUSED)
{
    put_credential("API_KEY", "a\0b", 3);
    assert_false(load(&api_key));
    assert_non_null(strstr(problems.ptr, "not text"));
}

static void
credential_file_has_a_bound(void **state UNUSED)
{
    static char big[70000];

    memset(big, 'x', sizeof(big));
    put_credential("API_KEY", big, sizeof(big));
    assert_false(load(&api_key));
    assert_non_null(strstr(problems.ptr, "too long"));
}

static void
unreadable_credential_is_a_problem(void **state UNUSED)
{
    char path[256];

    folder = check_folder();
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    (void)snprintf(path, sizeof(path), "%s/API_KEY", folder);
    assert_int_equal(symlink(".", path), 0); /* a folder: opens, but cannot be read */
    assert_false(load(&api_key));
    assert_non_null(strstr(problems.ptr, "Is a directory"));
}

static void
use_unloaded(void)
{
    (void)setting_text(&other_key);
}

static void
unloaded_setting_dies(void **state UNUSED)
{
    check_dies(use_unloaded, "OTHER_KEY is used but not loaded");
}

static void
use_as_wrong_kind(void)
{
    (void)setting_int(&rate_limit);
}

static void
wrong_kind_dies(void **state UNUSED)
{
    accepted(&rate_limit, "1");
    check_dies(use_as_wrong_kind, "broken invariant");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(value_comes_from_the_environment),
    TEST(default_fills_a_gap),
    TEST(empty_value_means_the_default),
    TEST(default_may_be_empty),
    TEST(further_rule_is_kept),
    TEST(missing_setting_is_named),
    TEST(empty_required_setting_is_missing),
    TEST(every_problem_gets_a_line),
    TEST(setting_named_twice_is_one_problem),
    TEST(fault_keeps_the_old_values),
    TEST(url_is_http_or_https),
    TEST(url_has_no_trailing_slash),
    TEST(url_has_no_blanks),
    TEST(url_has_a_host_and_a_port_that_can_be),
    TEST(url_has_no_query),
    TEST(link_may_have_a_query_and_a_slash_at_its_end),
    TEST(word_is_visible_ascii),
    TEST(text_has_no_blanks_around_it_unless_it_is_secret),
    TEST(none_has_no_form),
    TEST(secret_has_32_characters),
    TEST(integer_is_in_its_range),
    TEST(integer_fits_int32),
    TEST(integer_is_digits),
    TEST(integer_is_given_as_number),
    TEST(bool_has_four_spellings),
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

int
main(void)
{
    return cmocka_run_group_tests_name("base_setting", tests, NULL, NULL);
}
