#include "check_arena.h"

#include <time.h>

#include "crypto/password.h"

#define COST 4 /* for tests */

static void
a_new_hash_is_bcrypt_with_a_salt_of_its_own(void **state UNUSED)
{
    char one[PASSWORD_HASH_SIZE], other[PASSWORD_HASH_SIZE];

    password_hash("secret", COST, one);
    password_hash("secret", COST, other);
    assert_int_equal(strlen(one), 60);
    assert_int_equal(strncmp(one, "$2b$04$", 7), 0);
    assert_string_not_equal(one, other);
    assert_int_equal(password_check(one, "secret", COST), PASSWORD_RIGHT);
    assert_int_equal(password_check(one, "Secret", COST), PASSWORD_WRONG);
    assert_int_equal(password_check(one, "", COST), PASSWORD_WRONG);
}

static void
a_hash_of_another_cost_is_to_be_made_anew(void **state UNUSED)
{
    char hash[PASSWORD_HASH_SIZE];

    password_hash("secret", COST + 1, hash);
    assert_int_equal(password_check(hash, "secret", COST), PASSWORD_RIGHT_OLD);
    assert_int_equal(password_check(hash, "wrong", COST), PASSWORD_WRONG);
}

/* Of other programs: OpenBSD's and Go's $2a$, PHP's $2y$ (their manuals), and the reference Argon2.
 */
static void
hashes_of_before_are_read(void **state UNUSED)
{
    static const struct {
        const char *hash, *clear;
    } rows[] = {
        {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
        {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"},
        {"$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
        {"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
         "password"},
        {"$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
         "password"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (password_check(rows[i].hash, rows[i].clear, COST) != PASSWORD_RIGHT_OLD)
            fail_msg("%s", rows[i].hash);
        assert_int_equal(password_check(rows[i].hash, "another", COST), PASSWORD_WRONG);
    }
}

static void
what_is_no_hash_is_nobodys(void **state UNUSED)
{
    static const char *const rows[] = {
        NULL,
        "",
        "x",
        "secret",
        "$2b$04$short",
        "$1$salt$secret",
        "$argon2id$",
        "$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2x$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(password_check(rows[i], "secret", COST), PASSWORD_WRONG);
}

/* A wrong password and nobody at all take the same time; the least of many says so. */
static void
nobody_takes_as_long_as_a_wrong_password(void **state UNUSED)
{
    char hash[PASSWORD_HASH_SIZE];
    int64_t least[2] = {INT64_MAX, INT64_MAX};

    password_hash("secret", 8, hash);
    for (int i = 0; i < 15; i++)
        for (int k = 0; k < 2; k++) {
            struct timespec from, to;

            (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
            (void)password_check(k == 0 ? hash : NULL, "wrong", 8);
            (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
            const int64_t took =
                (to.tv_sec - from.tv_sec) * 1000000000 + (to.tv_nsec - from.tv_nsec);
            least[k] = MIN(least[k], took);
        }
    assert_in_range(100 * least[1] / least[0], 90, 110);
}

static const struct CMUnitTest tests[] = {
    TEST(a_new_hash_is_bcrypt_with_a_salt_of_its_own),
    TEST(a_hash_of_another_cost_is_to_be_made_anew),
    TEST(hashes_of_before_are_read),
    TEST(what_is_no_hash_is_nobodys),
    TEST(nobody_takes_as_long_as_a_wrong_password),
};

int
main(void)
{
    return cmocka_run_group_tests_name("crypto_password", tests, NULL, NULL);
}
