/* fn/caller: which tokens are accepted, by their times and claims. */
#include "caller_test.h"

/* ---- what is accepted ---- */

static void
user_token_names_the_user(void **state)
{
    (void)state;
    const struct caller caller = accepted(GOOD ",\"email\":\"a@example.com\"}");
    assert_string_equal(caller.user_id, USER);
    assert_string_equal(caller.role, "authenticated");
    assert_string_equal(caller.email, "a@example.com");
}

static void
claims_are_kept_as_sent(void **state)
{
    (void)state;
    const struct caller caller = accepted(GOOD ", \"x\" : 1.50 }");
    check_str(caller.claims_json, GOOD ", \"x\" : 1.50 }");
}

static void
anon_key_needs_no_sub(void **state)
{
    (void)state;
    const struct caller caller =
        accepted("{\"role\":\"anon\",\"iss\":\"supabase\",\"iat\":1700000000,\"exp\":2000000000}");
    assert_string_equal(caller.role, "anon");
    assert_string_equal(caller.user_id, "");
    assert_null(caller.email);
}

static void
service_key_is_accepted(void **state)
{
    (void)state;
    assert_string_equal(accepted("{\"role\":\"service_role\",\"exp\":2000000000}").role,
                        "service_role");
}

/* Made with Python's hmac and base64, with the secret above: not our own signing. */
static void
foreign_token_is_accepted(void **state)
{
    struct caller caller = {0};

    (void)state;
    assert_int_equal(
        verify(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
            "eyJyb2xlIjoiYXV0aGVudGljYXRlZCIsInN1YiI6ImEwZWViYzk5LTljMGItNGVmOC1iYjZkLTZiYjliZDM4"
            "MGExMSIsImV4cCI6MTgwMDAwMzYwMH0."
            "O9hjMzmVh_-lAi3wHgXGnaDJyYgFV9tGy8oT5Co9pIg",
            &caller),
        ERR_OK);
    assert_string_equal(caller.user_id, USER);
}

static void
other_header_spellings_are_accepted(void **state)
{
    struct caller caller = {0};

    (void)state;
    assert_int_equal(verify(with_header("{\"typ\":\"JWT\",\"alg\":\"HS256\"}", GOOD "}"), &caller),
                     ERR_OK);
    assert_int_equal(verify(with_header("{\"alg\":\"HS256\"}", GOOD "}"), &caller), ERR_OK);
    assert_int_equal(
        verify(with_header("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"1\"}", GOOD "}"),
               &caller),
        ERR_OK);
}

static void
upper_case_sub_is_made_lower(void **state)
{
    (void)state;
    assert_string_equal(accepted("{\"role\":\"authenticated\",\"exp\":1800003600,"
                                 "\"sub\":\"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\"}")
                            .user_id,
                        USER);
}

/* ---- times ---- */

static void
check_exp(const char *exp, bool good)
{
    char payload[256];

    (void)snprintf(payload, sizeof(payload), "{\"role\":\"anon\",\"exp\":%s}", exp);
    if (good)
        (void)accepted(payload);
    else
        refused_token(jws_sign(a, SECRET, str_of(payload)), "Token has expired");
}

static void
expired_token_is_refused(void **state)
{
    (void)state;
    check_exp("1799990000", false);
    check_exp("-1", false);
    check_exp("0", false);
}

static void
expiry_has_30_seconds_of_skew(void **state)
{
    (void)state;
    check_exp("1799999971", true);
    check_exp("1799999970", false);
}

static void
exp_is_required(void **state)
{
    (void)state;
    refused("{\"role\":\"anon\"}");
    refused("{\"role\":\"anon\",\"exp\":null}");
}

static void
exp_is_a_number(void **state)
{
    (void)state;
    refused("{\"role\":\"anon\",\"exp\":\"1900000000\"}");
    refused("{\"role\":\"anon\",\"exp\":true}");
    refused("{\"role\":\"anon\",\"exp\":1e400}");
}

static void
fraction_of_exp_is_cut_off(void **state)
{
    (void)state;
    check_exp("1799999971.9", true);
    check_exp("1799999970.9", false);
}

static void
exponent_of_exp_is_read(void **state)
{
    (void)state;
    check_exp("1.9e9", true);
}

static void
nbf_in_the_future_is_refused(void **state)
{
    (void)state;
    refused(GOOD ",\"nbf\":1800000031}");
    (void)accepted(GOOD ",\"nbf\":1800000030}");
}

static void
iat_in_the_future_is_refused(void **state)
{
    (void)state;
    refused(GOOD ",\"iat\":1800000031}");
    (void)accepted(GOOD ",\"iat\":1800000030}");
}

static void
nbf_and_iat_are_numbers(void **state)
{
    (void)state;
    refused(GOOD ",\"nbf\":\"1700000000\"}");
    refused(GOOD ",\"iat\":[]}");
}

/* ---- claims ---- */

static void
role_is_required(void **state)
{
    (void)state;
    refused("{\"sub\":\"" USER "\",\"exp\":1800003600}");
    refused("{\"role\":null,\"exp\":1800003600}");
    refused("{\"role\":[\"anon\"],\"exp\":1800003600}");
}

static void
role_is_one_of_three(void **state)
{
    static const char *const wrong[] = {
        "postgres", "", "Anon", "service_role ", "authenticatedx", "supabase_admin"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(arena_printf(a, "{\"role\":\"%s\",\"exp\":1800003600}", wrong[i]));
}

static void
user_token_needs_a_sub(void **state)
{
    (void)state;
    refused("{\"role\":\"authenticated\",\"exp\":1800003600}");
}

static void
sub_is_a_uuid(void **state)
{
    (void)state;
    refused("{\"role\":\"authenticated\",\"sub\":\"admin\",\"exp\":1800003600}");
    refused("{\"role\":\"authenticated\",\"sub\":\"\",\"exp\":1800003600}");
    refused("{\"role\":\"authenticated\",\"sub\":7,\"exp\":1800003600}");
    refused("{\"role\":\"anon\",\"sub\":\"x\",\"exp\":1800003600}");
}

static void
email_of_another_type_is_none(void **state)
{
    (void)state;
    assert_null(accepted(GOOD ",\"email\":null}").email);
    assert_null(accepted(GOOD ",\"email\":5}").email);
}

static void
payload_is_strict_json(void **state)
{
    (void)state;
    refused("");
    refused("[]");
    refused("\"x\"");
    refused(GOOD);
    refused(GOOD "}x");
    refused(GOOD ",\"role\":\"service_role\"}"); /* which one would the database take? */
    refused(GOOD ",\"email\":\"\xFF\"}");
    refused(GOOD ",\"email\":\"x\\u0000y\"}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(user_token_names_the_user),
        TEST(claims_are_kept_as_sent),
        TEST(anon_key_needs_no_sub),
        TEST(service_key_is_accepted),
        TEST(foreign_token_is_accepted),
        TEST(other_header_spellings_are_accepted),
        TEST(upper_case_sub_is_made_lower),
        TEST(expired_token_is_refused),
        TEST(expiry_has_30_seconds_of_skew),
        TEST(exp_is_required),
        TEST(exp_is_a_number),
        TEST(fraction_of_exp_is_cut_off),
        TEST(exponent_of_exp_is_read),
        TEST(nbf_in_the_future_is_refused),
        TEST(iat_in_the_future_is_refused),
        TEST(nbf_and_iat_are_numbers),
        TEST(role_is_required),
        TEST(role_is_one_of_three),
        TEST(user_token_needs_a_sub),
        TEST(sub_is_a_uuid),
        TEST(email_of_another_type_is_none),
        TEST(payload_is_strict_json),
    };

    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
