/* Passwords that everybody tries. */
#include "check.h"

#include "auth/auth.h"

static void
the_usual_ones_are_known_however_they_are_written(void **state UNUSED)
{
    static const char *const usual[] = {"00000000",    "12345678", "1q2w3e4r",   "PASSWORD",
                                        "Password123", "letmein1", "qwertyuiop", "iloveyou",
                                        "p@ssw0rd",    "trustno1", "zzzzzzzz",   "football",
                                        "sunshine",    "aa123456", "superman",   "Welcome1"};

    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        if (!auth_password_is_common(str_of(usual[i])))
            fail_msg("%s", usual[i]);
}

static void
others_are_not(void **state UNUSED)
{
    static const char *const others[] = {"", "a-long-password-1", "password123x", "xpassword",
                                         "correct horse battery staple"};

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(auth_password_is_common(str_of(others[i])));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_usual_ones_are_known_however_they_are_written),
    cmocka_unit_test(others_are_not),
};

int
main(void)
{
    return cmocka_run_group_tests_name("platform_common_passwords", tests, NULL, NULL);
}
