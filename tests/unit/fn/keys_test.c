#include "check_arena.h"

#include <stdio.h>
#include <time.h>

#include "crypto/digest.h"
#include "fn/keys.h"

/* Public keys of P-256. */
#define JWK(kid)                                                                                   \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"kid\":\"" kid "\","                     \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                       \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define WEB  "sb_publishable_0123456789abcdefghijk"
#define BACK "sb_secret_0123456789abcdefghijklmnop"

static char path[64];

static void
put(const char *text)
{
    char new[80];

    (void)snprintf(new, sizeof new, "%s.new", path);
    FILE *f = fopen(new, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(new, path), 0);
}

static const char *
api_key(const char *role, const char *key)
{
    uint8_t hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1] = "";

    crypto_sha256(str_of(key), hash);
    for (size_t i = 0; i < sizeof hash; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    return arena_printf(a, "{\"name\":\"n\",\"role\":\"%s\",\"sha256\":\"%s\"}", role, hex);
}

static bool
knows(const char *kid)
{
    return key_set_find(fn_keys()->set, str_of(kid)) != NULL;
}

/* Whether it comes to know the key, or to know it no more, within three looks. */
static bool
comes(bool (*is_so)(const char *), const char *what, bool wanted)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

    for (int i = 0; i < 3 * FN_KEYS_LOOK_MS / 20 && is_so(what) != wanted; i++)
        (void)nanosleep(&pause, NULL);
    return is_so(what) == wanted;
}

static void
another_file_counts(void **state UNUSED)
{
    const uint32_t turn = fn_keys()->turn;

    put("{\"keys\":[" JWK("a") "," JWK("b") "]}");
    assert_true(comes(knows, "b", true) && knows("a"));
    assert_int_not_equal(fn_keys()->turn, turn);
    put("{\"keys\":[" JWK("b") "]}");
    assert_true(comes(knows, "a", false) && knows("b"));
}

static void
a_file_that_is_not_good_leaves_the_keys_of_before(void **state UNUSED)
{
    put("{\"keys\":[" JWK("a") "]}");
    assert_true(comes(knows, "a", true));
    put("{\"keys\":[" JWK("c"));
    assert_false(comes(knows, "c", true));
    assert_true(knows("a"));
}

static bool
is_anon(const char *key)
{
    const char *role = fn_key_role(str_of(key));

    return role != NULL && strcmp(role, "anon") == 0;
}

static void
api_keys_stand_for_their_roles(void **state UNUSED)
{
    put(arena_printf(a, "{\"keys\":[],\"api_keys\":[%s,%s]}", api_key("anon", WEB),
                     api_key("service_role", BACK)));
    assert_true(comes(is_anon, WEB, true));
    assert_string_equal(fn_key_role(STR(BACK)), "service_role");
    assert_null(fn_key_role(STR(BACK "x")));
    put("{\"keys\":[],\"api_keys\":[]}");
    assert_true(comes(is_anon, WEB, false));
    assert_null(fn_key_role(STR(BACK)));
}

static void
what_is_wrong_with_a_file_is_said(void **state UNUSED)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "must be a JWK set: {\"keys\":[…]}"},
        {"{\"keys\":[],\"api_keys\":{}}", "must have a list of 64 api_keys at most"},
        {"{\"keys\":[],\"api_keys\":[{\"role\":\"staff\"}]}",
         "must have role (anon or service_role) and sha256 (in hex) of each of its api_keys"},
        {"{\"keys\":[],\"api_keys\":[{\"role\":\"anon\",\"sha256\":\"abcd\"}]}",
         "must have role (anon or service_role) and sha256 (in hex) of each of its api_keys"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put(bad[i].text);
        assert_string_equal(cfg_keys_file.check(path), bad[i].why);
    }
    assert_string_equal(cfg_keys_file.check("/nowhere"),
                        "must be a file that this function can read");
}

static int
load(void **state UNUSED)
{
    struct setting *const settings[] = {&cfg_jwt_secret, &cfg_jwt_keys, &cfg_publishable_key,
                                        &cfg_secret_key, &cfg_keys_file};
    struct buf problems;

    (void)snprintf(path, sizeof path, "/tmp/keys-test-%ld", (long)getpid());
    put("{\"keys\":[]}");
    (void)setenv("KEYS_FILE", path, 1);
    buf_init_heap(&problems, 4096);
    const bool ok = settings_load(settings, ARRAY_LEN(settings), &problems);
    buf_release(&problems);
    return ok ? 0 : -1;
}

static int
remove_file(void **state UNUSED)
{
    return unlink(path);
}

static const struct CMUnitTest tests[] = {
    TEST(another_file_counts),
    TEST(a_file_that_is_not_good_leaves_the_keys_of_before),
    TEST(api_keys_stand_for_their_roles),
    TEST(what_is_wrong_with_a_file_is_said),
};

int
main(void)
{
    return cmocka_run_group_tests_name("fn_keys", tests, load, remove_file);
}
