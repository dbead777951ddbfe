#include "check.h"

#include "base/shared.h"
#include "db/query.h"
#include "fn/internal.h"
#include "fn/keys.h"
#include "fn/limit.h"
#include "fn/settings.h"
#include "mail/send.h"
#include "nowpayments/client.h"
#include "nowpayments/ipn.h"
#include "nowpayments/list.h"

static struct buf problems;

static int
set_up(void **state UNUSED)
{
    buf_init_heap(&problems, 10000);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    buf_release(&problems);
    return 0;
}

static void
every_default_is_valid(void **state UNUSED)
{
    static struct setting *const own[] = {
        &cfg_supabase_url, &cfg_frontend_url, &cfg_workers, &cfg_log_level,
        &cfg_run_dir,      &cfg_rate_limit,   NULL};
    static struct setting *const *const lists[] = {
        db_settings, np_settings, np_ipn_settings, np_login_settings, mail_settings, own};
    size_t checked = 0;

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (struct setting *const *s = lists[i]; *s != NULL; s++) {
            (void)unsetenv((*s)->env);
            if ((*s)->fallback == NULL)
                continue;
            if (!settings_load(s, 1, &problems))
                fail_msg("%s", problems.ptr);
            checked++;
        }
    }
    assert_true(checked > 20);
}

static void
log_level_is_known(void **state UNUSED)
{
    struct setting *const level = &cfg_log_level;

    assert_int_equal(setenv("LOG_LEVEL", "debug", 1), 0);
    assert_true(settings_load(&level, 1, &problems));
    assert_int_equal(setenv("LOG_LEVEL", "loud", 1), 0);
    assert_false(settings_load(&level, 1, &problems));
}

/* ---- each setting has its form ---- */

static char long_secret[NP_IPN_SECRET_MAX + 2];
static const struct {
    const char *env;
    const char *good[5], *wrong[9];
} forms[] = {
    {"SMTP_HOST",
     {"mail.example.org", "192.0.2.1", "smtps://mail.example.org", "smtp://localhost", "[::1]"},
     {"mail.example.org:587", "mail example", "http://mail.example.org", "mail/", "-x", "[]",
      "[mail]", "192.0.2.300"}},
    {"SMTP_FROM",
     {"shop@example.org", "The Shop <shop@example.org>", "\"A, B\" <a@b.example>"},
     {"Shop", "Shop <shop>", "shop@example.org, other@example.org", "<shop@example.org",
      "shop@example..org", "shop@-", "shop@192.0.2.1"}},
    {"MAIL_NAME", {"The Shop"}, {"Shop <a@b.example>", " Shop", "Shop "}},
    {"MAIL_DOMAIN",
     {"example.org", "shop-1.example.org"},
     {"example .org", "example.org ", "@example.org", "https://example.org", "a..b", "-a.org",
      "192.0.2.1"}},
    {"RESEND_API_KEY", {"re_123"}, {"re 123", "re_123 "}},
    {"RESEND_API_URL",
     {"https://api.resend.com", "http://127.0.0.1:1", "http://localhost/x"},
     {"api.resend.com", "https://", "https://a b", "http://api.resend.com", "https://[x]",
      "https://192.0.2.300", "http://127.0.0.1.example.org"}},
    {"NOWPAYMENTS_API_URL",
     {"https://api.nowpayments.io/v1"},
     {"http://api.nowpayments.io/v1", "https://api.nowpayments.io/v1/"}},
    {"NOWPAYMENTS_SANDBOX_API_URL",
     {"http://127.0.0.1:54321/sandbox/v1", "http://[::1]:1/v1"},
     {"http://sandbox/v1", "http://192.0.2.1/v1"}},
    {"NOWPAYMENTS_API_KEY", {"ABC-123"}, {"ABC 123", "ABC "}},
    {"NOWPAYMENTS_IPN_SECRET", {"s", " with blanks "}, {"  ", long_secret}},
    {"NOWPAYMENTS_EMAIL", {"a@b.example"}, {"a", "a@", "@b", "A <a@b.example>", "a@b@c", "a@b..c"}},
    {"DATABASE_URL",
     {"postgresql://fn_x:pw@/shop?host=%2Frun&port=1", "host=/run dbname=shop"},
     {"mysql://x/y", "shop", "postgresql://[::1/x", "postgresql://a:x/y", "host=a port=65536",
      "postgresql://a,b/x?target_session_attrs=readwrite"}},
    {"SUPABASE_URL", {"https://api.example.org"}, {"https://api.example.org/", "https://a_b"}},
    {"RUN_DIR", {"/run/ffx"}, {"run", "./run", "/run/ffx "}},
};

static void
forms_are_kept(void **state UNUSED)
{
    static struct setting *const own[] = {&cfg_supabase_url, &cfg_run_dir, NULL};
    static struct setting *const *const lists[] = {db_settings, np_settings, np_login_settings,
                                                   mail_settings, np_ipn_settings, own};

    memset(long_secret, 's', sizeof long_secret - 1);
    for (size_t f = 0; f < ARRAY_LEN(forms); f++) {
        struct setting *s = NULL;

        for (size_t i = 0; i < ARRAY_LEN(lists); i++)
            for (struct setting *const *p = lists[i]; *p != NULL; p++)
                if (strcmp((*p)->env, forms[f].env) == 0)
                    s = *p;
        assert_non_null(s);
        for (size_t i = 0; i < ARRAY_LEN(forms[f].good) && forms[f].good[i] != NULL; i++) {
            (void)setenv(s->env, forms[f].good[i], 1);
            if (!settings_load(&s, 1, &problems))
                fail_msg("%s", problems.ptr);
        }
        for (size_t i = 0; i < ARRAY_LEN(forms[f].wrong) && forms[f].wrong[i] != NULL; i++) {
            (void)setenv(s->env, forms[f].wrong[i], 1);
            if (settings_load(&s, 1, &problems))
                fail_msg("%s=%s was accepted", s->env, forms[f].wrong[i]);
        }
        (void)unsetenv(s->env);
    }
}

/* Half of a login would be as good as none, and nobody would hear of it. */
static void
what_goes_together_comes_together(void **state UNUSED)
{
    static struct setting *const *const lists[] = {np_login_settings, mail_settings};
    static const struct {
        size_t list;
        const char *one, *other;
    } pairs[] = {{0, "NOWPAYMENTS_EMAIL", "NOWPAYMENTS_PASSWORD"}, {1, "SMTP_USER", "SMTP_PASS"}};

    assert_int_equal(setenv("SUPABASE_URL", "https://api.example.org", 1), 0);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct setting *const *const list = lists[pairs[i].list];
        const char *const names[] = {pairs[i].one, pairs[i].other};
        size_t count = 0;

        while (list[count] != NULL)
            count++;
        for (size_t n = 0; n < ARRAY_LEN(names); n++) {
            assert_int_equal(setenv(names[n], "a@b.example", 1), 0);
            assert_false(settings_load(list, count, &problems));
            assert_non_null(strstr(problems.ptr, names[1 - n]));
            buf_clear(&problems);
            assert_int_equal(setenv(names[1 - n], "x@y.example", 1), 0);
            assert_true(settings_load(list, count, &problems));
            assert_int_equal(unsetenv(names[0]) + unsetenv(names[1]), 0);
        }
        assert_true(settings_load(list, count, &problems));
    }
}

static struct setting *const *const with_db[] = {db_settings, NULL};
static struct setting *const *const with_mail[] = {mail_settings, NULL};

static bool
has(const struct fn_spec *spec, const struct setting *wanted)
{
    struct setting *list[FN_SETTINGS_MAX];
    const size_t count = fn_settings_of(spec, list);
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += list[i] == wanted;
    assert_in_range(found, 0, 1); /* named once, whoever asks for it */
    return found == 1;
}

static void
a_function_has_what_its_spec_lists(void **state UNUSED)
{
    const struct fn_spec spec = {.settings = with_mail};

    assert_true(has(&spec, mail_settings[0]));
    assert_true(has(&spec, &cfg_workers));
    assert_false(has(&spec, &cfg_database_url));
    assert_false(has(&spec, &cfg_jwt_secret));
}

static void
a_function_with_a_schedule_has_the_database(void **state UNUSED)
{
    const struct fn_spec spec = {.run = (enum err(*)(struct task *))1};

    assert_true(fn_uses_db(&spec));
    assert_true(has(&spec, &cfg_database_url));
}

static void
a_function_that_takes_tokens_has_their_secret(void **state UNUSED)
{
    static const struct fn_route routes[] = {{.methods = FN_GET, .path = "", .who = FN_USER}, {0}};
    const struct fn_spec spec = {.routes = routes, .settings = with_db};

    assert_true(has(&spec, &cfg_jwt_secret));
    assert_true(has(&spec, &cfg_database_url));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(every_default_is_valid),
    TEST(log_level_is_known),
    TEST(forms_are_kept),
    TEST(what_goes_together_comes_together),
    TEST(a_function_has_what_its_spec_lists),
    TEST(a_function_with_a_schedule_has_the_database),
    TEST(a_function_that_takes_tokens_has_their_secret),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_settings", tests, NULL, NULL);
}
