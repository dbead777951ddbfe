#include "check_arena.h"

#include "crypto/jws.h"
#include "fn/caller.h"
#include "fn/internal.h"
#include "fn/keys.h"
#include "fn/request.h"
#include "fn/spec.h"

#define NOW    1800000000
#define SECRET STR("a-secret-of-at-least-32-characters")
#define USER   "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
#define GOOD   "{\"role\":\"authenticated\",\"sub\":\"" USER "\",\"exp\":1800003600"

static struct fail f;

static enum err
verify_at(struct str secret, const char *token, int64_t now_s, struct caller *ret)
{
    const struct jws_keys keys = {.secret = secret};

    f = (struct fail){0};
    return caller_read(a, &f, &keys, str_of(token), now_s, ret);
}

static enum err
verify(const char *token, struct caller *ret)
{
    return verify_at(SECRET, token, NOW, ret);
}

static void
refused_token(const char *token, const char *text)
{
    struct caller caller = {.role = "untouched"};

    if (verify(token, &caller) == ERR_OK)
        fail_msg("accepted: %s", token);
    assert_int_equal(f.err, ERR_UNAUTHENTICATED);
    assert_string_equal(f.text, text);
    assert_true(f.detail[0] != '\0');
    assert_string_equal(caller.role, "untouched");
}

/* What is wrong with it may show when half of it has been read. */
static void
refused_tokens_leave_the_caller_untouched(void **state UNUSED)
{
    refused_token("", "Invalid token");
    refused_token(jws_sign(a, SECRET, STR(GOOD ",\"nbf\":\"1\"}")), "Invalid token");
    refused_token(jws_sign(a, SECRET, STR("{\"role\":\"authenticated\",\"exp\":1800003600}")),
                  "Invalid token");
}

static void
second_use_says_the_same(void **state UNUSED)
{
    const char *token = jws_sign(a, SECRET, STR(GOOD ",\"email\":\"b@example.com\"}"));
    struct caller first, second;

    assert_int_equal(verify(token, &first), ERR_OK);
    assert_int_equal(verify(token, &second), ERR_OK);
    assert_string_equal(second.user_id, first.user_id);
    assert_string_equal(second.role, first.role);
    assert_string_equal(second.email, first.email);
    assert_true(str_eq(second.claims_json, first.claims_json));
}

static void
token_expires_between_two_uses(void **state UNUSED)
{
    const char *token = jws_sign(a, SECRET, STR(GOOD ",\"x\":1}"));
    struct caller caller;

    assert_int_equal(verify_at(SECRET, token, 1800003600, &caller), ERR_OK);
    assert_int_equal(verify_at(SECRET, token, 1800003630, &caller), ERR_UNAUTHENTICATED);
    assert_string_equal(f.text, "Token has expired");
}

/* A clock that was set back. */
static void
token_of_the_future_is_refused_at_its_second_use(void **state UNUSED)
{
    const char *late = jws_sign(a, SECRET, STR(GOOD ",\"nbf\":1800000000}"));
    const char *issued = jws_sign(a, SECRET, STR(GOOD ",\"iat\":1800000000}"));
    struct caller caller;

    assert_int_equal(verify(late, &caller), ERR_OK);
    assert_int_equal(verify(issued, &caller), ERR_OK);
    assert_int_equal(verify_at(SECRET, late, NOW - 31, &caller), ERR_UNAUTHENTICATED);
    assert_int_equal(verify_at(SECRET, issued, NOW - 31, &caller), ERR_UNAUTHENTICATED);
}

static void
known_token_is_refused_under_another_secret(void **state UNUSED)
{
    const struct str other = STR("another-secret-of-32-characters-or-more");
    const char *token = jws_sign(a, SECRET, STR(GOOD ",\"x\":2}"));
    const char *foreign = jws_sign(a, other, STR(GOOD ",\"x\":2}"));
    struct caller caller;

    assert_int_equal(verify(token, &caller), ERR_OK);
    assert_int_equal(verify_at(other, token, NOW, &caller), ERR_UNAUTHENTICATED);
    assert_int_equal(verify_at(other, foreign, NOW, &caller), ERR_OK);
    assert_int_equal(verify(foreign, &caller), ERR_UNAUTHENTICATED);
    assert_int_equal(verify(token, &caller), ERR_OK);
}

/* The same signature's end finds the same place: the rest must be the same too. */
static void
changed_copies_of_a_known_token_are_refused(void **state UNUSED)
{
    const char *token = jws_sign(a, SECRET, STR(GOOD ",\"x\":3}"));
    struct caller caller;

    assert_int_equal(verify(token, &caller), ERR_OK);
    for (size_t i = 0; token[i] != '\0'; i++) {
        char *changed = arena_copy(a, str_of(token));

        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        refused_token(changed, "Invalid token");
    }
    refused_token(arena_printf(a, "A%s", token), "Invalid token");
    refused_token(token + 1, "Invalid token");
}

/* More tokens than places: each says its own at every use. */
static void
tokens_that_share_a_place_are_not_confused(void **state UNUSED)
{
    const struct jws_keys keys = {.secret = SECRET};

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 6000; i++) {
            struct arena *own = arena_new(64 * 1024);
            const char *claims =
                arena_printf(own, "{\"role\":\"service_role\",\"exp\":2000000000,\"n\":%d}", i);
            const char *token = jws_sign(own, SECRET, str_of(claims));
            struct caller caller;

            for (int use = 0; use < 2; use++) {
                assert_int_equal(caller_read(own, &f, &keys, str_of(token), NOW, &caller), ERR_OK);
                check_str(caller.claims_json, claims);
            }
            arena_free(own);
        }
    }
}

/* ---- where the token stands ---- */

static struct str
token_of(const char *name, const char *value)
{
    const struct header header = {str_of(name), str_of(value)};
    const struct net_request http = {.headers = &header, .header_count = 1};
    const struct fn_req req = {.http = &http};

    return fn_credential(&req);
}

static void
one_or_more_blanks_stand_before_a_token(void **state UNUSED)
{
    check_str(token_of("authorization", "Bearer abc"), "abc");
    check_str(token_of("authorization", "bEARER   abc"), "abc");
    assert_int_equal(token_of("authorization", "Bearerabc").len, 0);
    assert_int_equal(token_of("authorization", "Bearer\tabc").len, 0);
    assert_int_equal(token_of("authorization", "Bearer ").len, 0);
    assert_int_equal(token_of("authorization", "Basic abc").len, 0);
    check_str(token_of("apikey", "abc"), "abc");
}

/* ---- another issuer, whose tokens are good unless they say so ---- */

#define FOREIGN(n) "eyJhbGciOiJFUzI1NiJ9.foreign." n

static struct {
    uint32_t turn;
    int reads;
} fake = {.turn = 1};

static unsigned
fake_issuer_of(struct arena *arena UNUSED, struct str token)
{
    return memmem(token.ptr, token.len, ".foreign.", 9) == NULL ? 0 : 1;
}

static uint32_t
fake_turn(struct task *task UNUSED, unsigned issuer UNUSED)
{
    return fake.turn;
}

static enum err
fake_read(struct task *task, unsigned issuer, struct str token, uint32_t *ret_turn,
          struct jws_times *ret_times, struct caller *ret)
{
    fake.reads++;
    assert_int_equal(issuer, 1);
    if (memmem(token.ptr, token.len, "bad", 3) != NULL)
        return jws_refuse(&task->fail, "bad");
    *ret_turn = fake.turn;
    *ret_times = (struct jws_times){.exp = NOW + 3600, .nbf = INT64_MIN, .iat = INT64_MIN};
    if (memmem(token.ptr, token.len, "late", 4) == NULL)
        ret_times->exp = 4102444800;
    *ret = (struct caller){.issuer = "https://a.example",
                           .subject = arena_copy(task->arena, STR("user_1")),
                           .email = arena_copy(task->arena, STR("a@example.com")),
                           .foreign_json = STR("{\"sub\":\"user_1\"}")};
    return ERR_OK;
}

static const struct fn_foreign fake_issuers = {
    .issuer_of = fake_issuer_of, .turn = fake_turn, .read = fake_read};

/* ---- the gateway's rule for keys ---- */

#define PUBLISHABLE "sb_publishable_0123456789abcdefghijk"
#define SECRET_KEY  "sb_secret_0123456789abcdefghijklmnop"

static int
load_keys(void **state UNUSED)
{
    struct setting *const keys[] = {&cfg_jwt_secret, &cfg_jwt_keys, &cfg_publishable_key,
                                    &cfg_secret_key, &cfg_keys_file};
    struct buf problems;

    (void)setenv("JWT_SECRET", "a-secret-of-at-least-32-characters", 1);
    (void)setenv("SUPABASE_PUBLISHABLE_KEY", PUBLISHABLE, 1);
    (void)setenv("SUPABASE_SECRET_KEY", SECRET_KEY, 1);
    buf_init_heap(&problems, 4096);
    const bool ok = settings_load(keys, ARRAY_LEN(keys), &problems);
    buf_release(&problems);
    return ok ? 0 : -1;
}

/* A token with these claims, good for an hour. */
static const char *
bearer_of(const char *claims)
{
    return arena_printf(
        a, "Bearer %s",
        jws_sign(a, SECRET, str_of(arena_printf(a, "{%s,\"exp\":4102444800}", claims))));
}

#define CLAIMS_USER  "\"role\":\"authenticated\",\"sub\":\"" USER "\""
#define CLAIMS_STAFF "\"role\":\"staff\",\"sub\":\"" USER "\""
#define CLAIMS_ANON  "\"role\":\"anon\""

/* The role of whoever brings these two (NULL: not there) to a route for `who`; "" for nobody, the
 * status when it is refused. */
static const char *
role_at(unsigned who, bool key_needed, const char *authorization, const char *apikey)
{
    const struct fn_spec spec = {.key_needed = key_needed, .foreign = &fake_issuers};
    const struct fn_route route = {.who = who};
    const struct fn_match match = {.route = &route};
    struct task task = {.arena = a};
    struct header headers[2];
    struct net_request http = {.headers = headers};
    struct fn_req *req = ARENA_NEW(a, struct fn_req);

    if (authorization != NULL)
        headers[http.header_count++] = (struct header){STR("authorization"), str_of(authorization)};
    if (apikey != NULL)
        headers[http.header_count++] = (struct header){STR("apikey"), str_of(apikey)};
    *req = (struct fn_req){.task = &task, .http = &http, .spec = &spec, .match = &match};
    const enum err e = fn_authenticate(req);
    if (e == ERR_OK && req->caller.issuer != NULL)
        return arena_printf(a, "of %s", req->caller.issuer);
    return e == ERR_OK ? req->caller.role : arena_printf(a, "%d", err_info(e)->http_status);
}

#define ALL (FN_ANON | FN_USER | FN_STAFF | FN_SERVICE)

static void
a_bearer_token_counts_before_a_key(void **state UNUSED)
{
    assert_string_equal(role_at(ALL, false, bearer_of(CLAIMS_USER), SECRET_KEY), "authenticated");
    assert_string_equal(role_at(ALL, false, "Basic x", SECRET_KEY), "401");
}

static void
a_key_of_the_new_form_stands_for_its_role(void **state UNUSED)
{
    assert_string_equal(role_at(ALL, false, NULL, SECRET_KEY), "service_role");
    assert_string_equal(role_at(ALL, false, NULL, PUBLISHABLE), "anon");
    assert_string_equal(role_at(ALL, false, "Bearer " PUBLISHABLE, PUBLISHABLE), "anon");
    assert_string_equal(role_at(ALL, false, "Bearer " PUBLISHABLE, NULL), "anon");
    assert_string_equal(role_at(ALL, false, NULL, SECRET_KEY "x"), "401");
    assert_string_equal(role_at(ALL, false, NULL, "sb_"), "401");
}

static void
a_legacy_key_in_apikey_is_the_bearer(void **state UNUSED)
{
    const char *anon = bearer_of(CLAIMS_ANON) + strlen("Bearer ");

    assert_string_equal(role_at(ALL, false, NULL, anon), "anon");
    assert_string_equal(role_at(ALL, false, "Bearer " PUBLISHABLE, anon), "anon");
}

static void
the_mask_says_who_may(void **state UNUSED)
{
    assert_string_equal(role_at(FN_USER, false, bearer_of(CLAIMS_ANON), NULL), "401");
    assert_string_equal(role_at(FN_SERVICE, false, bearer_of(CLAIMS_USER), NULL), "403");
    assert_string_equal(role_at(FN_STAFF, false, bearer_of(CLAIMS_USER), NULL), "403");
    assert_string_equal(role_at(FN_STAFF, false, bearer_of(CLAIMS_STAFF), NULL), "staff");
    assert_string_equal(role_at(FN_USER, false, bearer_of(CLAIMS_STAFF), NULL), "staff");
    assert_string_equal(role_at(FN_SERVICE, false, bearer_of(CLAIMS_STAFF), NULL), "403");
    assert_string_equal(role_at(FN_STAFF, false, bearer_of("\"role\":\"staff\""), NULL), "401");
    assert_string_equal(role_at(FN_USER | FN_STAFF, false, NULL, NULL), "401");
}

static void
what_a_token_says_is_passed_on_for_staff_alone(void **state UNUSED)
{
    const struct caller anna = {
        .user_id = USER, .role = "staff", .claims_json = STR("{\"aal\":\"aal2\"}")};
    struct caller eve = anna;

    (void)snprintf(eve.role, sizeof eve.role, "authenticated");
    assert_string_equal(caller_staff_id(&anna), USER);
    assert_string_equal(caller_staff_claims(a, &anna), "{\"aal\":\"aal2\"}");
    assert_null(caller_staff_id(&eve));
    assert_null(caller_staff_claims(a, &eve));
}

static void
nobody_is_let_in_where_the_mask_says_so(void **state UNUSED)
{
    assert_string_equal(role_at(FN_NOBODY | FN_USER, false, NULL, NULL), "");
    assert_string_equal(role_at(FN_NOBODY | FN_USER, false, "Bearer x", NULL), "401");
    assert_string_equal(role_at(FN_NOBODY, true, "Bearer x", NULL), "");
    assert_string_equal(role_at(FN_SIGNATURE, true, "Bearer x", NULL), "");
}

static void
where_a_key_is_needed_a_token_is_not_enough(void **state UNUSED)
{
    const char *user = bearer_of(CLAIMS_USER);

    assert_string_equal(role_at(ALL, true, user, NULL), "401");
    assert_string_equal(role_at(ALL, true, user, "sb_publishable_of_another_system_00"), "401");
    assert_string_equal(role_at(ALL, true, user, user + strlen("Bearer ")), "401");
    assert_string_equal(role_at(ALL, true, user, PUBLISHABLE), "authenticated");
    assert_string_equal(role_at(ALL, true, user, bearer_of(CLAIMS_ANON) + strlen("Bearer ")),
                        "authenticated");
}

/* ---- tokens of other issuers ---- */

static enum err
read_foreign(const char *token, int64_t now_s, struct caller *ret)
{
    struct task task = {.arena = a};

    return caller_read_foreign(&task, &fake_issuers, str_of(token), now_s, ret);
}

static void
is_user_1(const struct caller *caller)
{
    assert_string_equal(caller->issuer, "https://a.example");
    assert_string_equal(caller->subject, "user_1");
    assert_string_equal(caller->email, "a@example.com");
    assert_string_equal(caller->role, "");
    assert_string_equal(caller->user_id, "");
    assert_null(caller->claims_json.ptr);
    check_str(caller->foreign_json, "{\"sub\":\"user_1\"}");
}

static void
a_foreign_token_is_read_once_for_a_turn_of_its_keys(void **state UNUSED)
{
    struct caller caller;

    fake.reads = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read_foreign(FOREIGN("once"), NOW, &caller), ERR_OK);
        is_user_1(&caller);
        assert_int_equal(fake.reads, 1);
    }
    fake.turn++;
    assert_int_equal(read_foreign(FOREIGN("once"), NOW, &caller), ERR_OK);
    is_user_1(&caller);
    assert_int_equal(fake.reads, 2);
}

static void
a_known_foreign_token_expires_too(void **state UNUSED)
{
    struct caller caller;

    assert_int_equal(read_foreign(FOREIGN("late"), NOW, &caller), ERR_OK);
    assert_int_equal(read_foreign(FOREIGN("late"), NOW + 3629, &caller), ERR_OK);
    assert_int_equal(read_foreign(FOREIGN("late"), NOW + 3630, &caller), ERR_UNAUTHENTICATED);
}

static void
a_bad_foreign_token_is_never_known(void **state UNUSED)
{
    struct caller caller;

    fake.reads = 0;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(read_foreign(FOREIGN("bad"), NOW, &caller), ERR_UNAUTHENTICATED);
        assert_int_equal(fake.reads, i);
    }
}

/* Also one that is known already from a route that takes it. */
static void
a_foreign_token_is_none_of_ours(void **state UNUSED)
{
    struct caller caller = {.role = "untouched"};

    assert_int_equal(read_foreign(FOREIGN("known"), NOW, &caller), ERR_OK);
    refused_token(FOREIGN("known"), "Invalid token");
    assert_int_equal(read_foreign(FOREIGN("known"), NOW, &caller), ERR_OK);
    is_user_1(&caller);
}

static void
routes_take_foreign_tokens_where_they_say_so(void **state UNUSED)
{
    static const char bearer[] = "Bearer " FOREIGN("route");
    static const unsigned without[] = {ALL,      FN_NOBODY | FN_USER, FN_USER,
                                       FN_STAFF, FN_SERVICE,          FN_ANON};

    for (int round = 0; round < 2; round++) { /* the second time it is known */
        for (size_t i = 0; i < ARRAY_LEN(without); i++)
            assert_string_equal(role_at(without[i], false, bearer, NULL), "401");
        assert_string_equal(role_at(FN_FOREIGN, false, bearer, NULL), "of https://a.example");
        assert_string_equal(role_at(FN_FOREIGN | FN_USER, false, bearer, NULL),
                            "of https://a.example");
    }
    assert_string_equal(role_at(FN_FOREIGN | FN_NOBODY, false, "Bearer " FOREIGN("bad"), NULL),
                        "401");
    assert_string_equal(role_at(FN_FOREIGN | FN_NOBODY, false, NULL, NULL), "");
}

static void
our_own_tokens_are_as_usual_there(void **state UNUSED)
{
    const char *user = bearer_of(CLAIMS_USER);

    assert_string_equal(role_at(FN_FOREIGN | FN_USER, false, user, NULL), "authenticated");
    assert_string_equal(role_at(FN_FOREIGN | FN_USER, false, bearer_of(CLAIMS_ANON), NULL), "401");
    assert_string_equal(role_at(FN_FOREIGN, false, user, NULL), "401");
    assert_string_equal(role_at(FN_FOREIGN | FN_SERVICE, false, NULL, SECRET_KEY), "service_role");
    assert_string_equal(role_at(FN_FOREIGN | FN_USER, false, "Bearer x", NULL), "401");
}

/* It has no user id, as the keys of this system have none. */
static void
a_foreign_token_is_no_key_of_this_system(void **state UNUSED)
{
    static const char token[] = FOREIGN("key");

    assert_string_equal(role_at(FN_FOREIGN, false, NULL, token), "of https://a.example");
    assert_string_equal(role_at(FN_FOREIGN, true, "Bearer " FOREIGN("key"), token), "401");
    assert_string_equal(role_at(FN_FOREIGN | FN_KEY, false, NULL, token), "401");
    assert_string_equal(role_at(FN_FOREIGN, true, "Bearer " FOREIGN("key"), PUBLISHABLE),
                        "of https://a.example");
}

static const struct CMUnitTest tests[] = {
    TEST(a_foreign_token_is_read_once_for_a_turn_of_its_keys),
    TEST(a_known_foreign_token_expires_too),
    TEST(a_bad_foreign_token_is_never_known),
    TEST(a_foreign_token_is_none_of_ours),
    TEST(routes_take_foreign_tokens_where_they_say_so),
    TEST(our_own_tokens_are_as_usual_there),
    TEST(a_foreign_token_is_no_key_of_this_system),
    TEST(a_bearer_token_counts_before_a_key),
    TEST(a_key_of_the_new_form_stands_for_its_role),
    TEST(a_legacy_key_in_apikey_is_the_bearer),
    TEST(the_mask_says_who_may),
    TEST(what_a_token_says_is_passed_on_for_staff_alone),
    TEST(nobody_is_let_in_where_the_mask_says_so),
    TEST(where_a_key_is_needed_a_token_is_not_enough),
    TEST(one_or_more_blanks_stand_before_a_token),
    TEST(refused_tokens_leave_the_caller_untouched),
    TEST(second_use_says_the_same),
    TEST(token_expires_between_two_uses),
    TEST(token_of_the_future_is_refused_at_its_second_use),
    TEST(known_token_is_refused_under_another_secret),
    TEST(changed_copies_of_a_known_token_are_refused),
    TEST(tokens_that_share_a_place_are_not_confused),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_caller", tests, load_keys, NULL);
}
