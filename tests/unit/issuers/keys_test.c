/*
 * When an issuer's keys are fetched, and who waits for it.  http_call below takes the place of the
 * library's: the issuer answers what a test says, after a while.
 */
#include "check_loop.h"

#include "issuers/internal.h"
#include "loop/wait.h"
#include "net/call.h"

#define KEY(kid)                                                                                   \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"" kid "\","                                       \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                       \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define SET(keys) "{\"keys\":[" keys "]}"
#define SLOW_MS   20
#define BEGIN_MS  1000000 /* of a test, by its own clock */

static const char *published; /* NULL: the issuer is down */
static int published_status;
static int fetches;

enum err
http_call(struct task *task, const struct http_request *call, struct http_answer *ret)
{
    assert_false(call->idempotent); /* it would be sent again at once */
    assert_string_equal(call->url, "https://a.example/jwks.json");
    fetches++;
    co_sleep_ms(SLOW_MS);
    if (published == NULL)
        return fail_detail(&task->fail, ERR_UPSTREAM, "refused");
    *ret = (struct http_answer){.status = published_status, .body = str_of(published)};
    return ERR_OK;
}

/* ---- requests ---- */

struct request {
    struct issuer *x;
    const char *kid;
    int64_t now_ms, took_ms;
    int64_t patience_ms;
    enum err result;
    int retry_after_s;
    bool has_set;
};

static int running;

static void
serve(void *arg)
{
    struct request *r = arg;
    const int64_t began_ms = clock_ms();
    struct task task = {.arena = arena_new((size_t)64 * 1024),
                        .deadline_ms = began_ms + r->patience_ms};

    r->result = issuer_keys(&task, r->x, str_of(r->kid), r->now_ms);
    r->retry_after_s = task.fail.retry_after_s;
    r->has_set =
        r->x->set != NULL && (r->kid == NULL || key_set_find(r->x->set, str_of(r->kid)) != NULL);
    r->took_ms = clock_ms() - began_ms;
    arena_free(task.arena);
    if (--running == 0)
        loop_exit();
}

/* All at once, and to their ends. */
static void
serve_all(struct request *requests, int count)
{
    running = count;
    for (int i = 0; i < count; i++) {
        if (requests[i].patience_ms == 0)
            requests[i].patience_ms = 2000;
        co_start(serve, &requests[i]);
    }
    if (running > 0) /* who does not wait has ended */
        run_for(5000);
    assert_int_equal(running, 0);
    while (co_count() > 0) /* a fetch that nobody waited for */
        run_for(SLOW_MS);
}

/* One request for this key, `at_ms` after the test's begin. */
static struct request
ask_at(struct issuer *x, const char *kid, int64_t at_ms)
{
    struct request r = {.x = x, .kid = kid, .now_ms = BEGIN_MS + at_ms};

    serve_all(&r, 1);
    return r;
}

static struct issuer
new_issuer(const char *keys)
{
    fetches = 0;
    published = keys;
    published_status = 200;
    return (struct issuer){.iss = "https://a.example", .jwks_url = "https://a.example/jwks.json"};
}

static void
keys_are_kept_for_600_seconds(void **state UNUSED)
{
    struct issuer x = new_issuer(SET(KEY("a")));

    assert_true(ask_at(&x, "a", 0).has_set);
    assert_true(ask_at(&x, "a", ISSUER_KEEP_MS - 1).has_set);
    assert_int_equal(fetches, 1);
    assert_true(ask_at(&x, "a", ISSUER_KEEP_MS).has_set);
    assert_int_equal(fetches, 2);
    key_set_free(x.set);
}

/* Tokens that are known already have their keys looked at too. */
static void
a_withdrawn_key_is_gone_after_600_seconds(void **state UNUSED)
{
    struct issuer x = new_issuer(SET(KEY("a")));

    (void)ask_at(&x, "a", 0);
    const uint32_t turn = x.turn;
    published = SET(KEY("b"));
    assert_int_equal(ask_at(&x, NULL, ISSUER_KEEP_MS - 1).result, ERR_OK);
    assert_int_equal(x.turn, turn);
    assert_int_equal(ask_at(&x, NULL, ISSUER_KEEP_MS).result, ERR_OK);
    assert_int_not_equal(x.turn, turn);
    assert_false(ask_at(&x, "a", ISSUER_KEEP_MS).has_set);
    key_set_free(x.set);
}

static void
the_same_keys_have_the_same_turn(void **state UNUSED)
{
    struct issuer x = new_issuer(SET(KEY("a")));

    (void)ask_at(&x, "a", 0);
    const uint32_t turn = x.turn;
    (void)ask_at(&x, "a", ISSUER_KEEP_MS);
    assert_int_equal(fetches, 2);
    assert_int_equal(x.turn, turn);
    key_set_free(x.set);
}

static void
an_unknown_key_is_asked_for_once_in_30_seconds(void **state UNUSED)
{
    struct issuer x = new_issuer(SET(KEY("a")));
    struct request storm[500];

    (void)ask_at(&x, "a", 0);
    for (int round = 1; round <= 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(storm); i++)
            storm[i] = (struct request){.x = &x, .kid = "z", .now_ms = BEGIN_MS + round * 30000};
        serve_all(storm, ARRAY_LEN(storm));
        for (size_t i = 0; i < ARRAY_LEN(storm); i++)
            assert_true(storm[i].result == ERR_OK && !storm[i].has_set);
        (void)ask_at(&x, "z", round * 30000 + 29999);
        assert_int_equal(fetches, 1 + round);
    }
    key_set_free(x.set);
}

static void
a_new_key_is_found_after_30_seconds(void **state UNUSED)
{
    struct issuer x = new_issuer(SET(KEY("a")));

    (void)ask_at(&x, "a", 0);
    published = SET(KEY("a") "," KEY("b"));
    assert_false(ask_at(&x, "b", 29999).has_set);
    assert_true(ask_at(&x, "b", 30000).has_set);
    key_set_free(x.set);
}

static void
all_that_need_the_first_keys_wait_for_one_fetch(void **state UNUSED)
{
    struct issuer x = new_issuer(SET(KEY("a")));
    struct request all[100];

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i] = (struct request){.x = &x, .kid = "a", .now_ms = BEGIN_MS};
    serve_all(all, ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_true(all[i].has_set);
    assert_int_equal(fetches, 1);
    key_set_free(x.set);
}

static void
an_issuer_that_was_never_reached_is_unavailable(void **state UNUSED)
{
    struct issuer x = new_issuer(NULL);
    struct request r = ask_at(&x, "a", 0);

    assert_int_equal(r.result, ERR_UNAVAILABLE);
    assert_int_equal(r.retry_after_s, 30);
    r = ask_at(&x, "a", 29001);
    assert_int_equal(r.result, ERR_UNAVAILABLE);
    assert_int_equal(r.retry_after_s, 1);
    assert_int_equal(fetches, 1);
    published = SET(KEY("a"));
    assert_true(ask_at(&x, "a", 30000).has_set);
    key_set_free(x.set);
}

static void
while_it_is_down_the_old_keys_count(void **state UNUSED)
{
    struct issuer x = new_issuer(SET(KEY("a")));

    (void)ask_at(&x, "a", 0);
    published = NULL;
    assert_true(ask_at(&x, "a", ISSUER_KEEP_MS).has_set);
    assert_true(ask_at(&x, "a", 100 * ISSUER_KEEP_MS).has_set);
    assert_int_equal(fetches, 3);
    assert_int_equal(ask_at(&x, "z", 101 * ISSUER_KEEP_MS).result, ERR_OK);
    key_set_free(x.set);
}

static void
while_it_is_down_nobody_waits_for_new_keys(void **state UNUSED)
{
    struct issuer x = new_issuer(SET(KEY("a")));

    (void)ask_at(&x, "a", 0);
    published = NULL;
    assert_true(ask_at(&x, "a", ISSUER_KEEP_MS).took_ms >= SLOW_MS - 1); /* it may be up */
    assert_true(ask_at(&x, "a", 2 * ISSUER_KEEP_MS).took_ms < SLOW_MS - 1);
    assert_int_equal(fetches, 3);
    published = SET(KEY("b")); /* … and once it is up again, they are noticed */
    (void)ask_at(&x, "a", 3 * ISSUER_KEEP_MS);
    assert_true(ask_at(&x, "b", 3 * ISSUER_KEEP_MS).has_set);
    key_set_free(x.set);
}

static void
what_is_no_set_changes_nothing(void **state UNUSED)
{
    static const char *const others[] = {"", "<html>", "{}", "[]", "{\"keys\":[{"};
    struct issuer x = new_issuer(SET(KEY("a")));
    int64_t at_ms = 0;

    (void)ask_at(&x, "a", at_ms);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        published = others[i];
        assert_true(ask_at(&x, "a", at_ms += ISSUER_KEEP_MS).has_set);
    }
    published = SET(KEY("b"));
    published_status = 500;
    assert_true(ask_at(&x, "a", at_ms += ISSUER_KEEP_MS).has_set);
    assert_int_equal(fetches, 2 + (int)ARRAY_LEN(others));
    assert_true(x.failed);
    key_set_free(x.set);
}

static void
who_has_no_more_time_does_not_wait_and_ends_nothing(void **state UNUSED)
{
    struct issuer x = new_issuer(SET(KEY("a")));
    struct request both[] = {
        {.x = &x, .kid = "a", .now_ms = BEGIN_MS, .patience_ms = 1},
        {.x = &x, .kid = "a", .now_ms = BEGIN_MS},
    };

    serve_all(both, ARRAY_LEN(both));
    assert_int_equal(both[0].result, ERR_UNAVAILABLE);
    assert_true(both[1].has_set);
    assert_null(x.waiting);
    key_set_free(x.set);
}

static const struct CMUnitTest tests[] = {
    TEST(keys_are_kept_for_600_seconds),
    TEST(a_withdrawn_key_is_gone_after_600_seconds),
    TEST(the_same_keys_have_the_same_turn),
    TEST(an_unknown_key_is_asked_for_once_in_30_seconds),
    TEST(a_new_key_is_found_after_30_seconds),
    TEST(all_that_need_the_first_keys_wait_for_one_fetch),
    TEST(an_issuer_that_was_never_reached_is_unavailable),
    TEST(while_it_is_down_the_old_keys_count),
    TEST(while_it_is_down_nobody_waits_for_new_keys),
    TEST(what_is_no_set_changes_nothing),
    TEST(who_has_no_more_time_does_not_wait_and_ends_nothing),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("issuers_keys", tests, NULL, NULL);
}
