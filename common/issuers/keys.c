/*
 * An issuer's keys.  Read issuer_keys first: it says when they are fetched, and who waits for it.
 * The fetch is on a coroutine of its own, so that nobody's limits but its own end it.
 */
#include "issuers/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "loop/wait.h"
#include "net/call.h"

#define FETCH_ARENA (4 * KEY_SET_BYTES_MAX)

/* A request that waits for a fetch. */
struct waiter {
    struct co *co;
    struct waiter *next;
    bool done;
};

/* ---- the fetch ---- */

static enum err
fail_fetch(struct task *task, const char *why)
{
    return fail_detail(&task->fail, ERR_UPSTREAM, "%s", why);
}

/* The same text are the same keys: what was read with them stays known. */
static enum err
take(struct task *task, struct issuer *x, struct str jwks)
{
    const char *why;
    uint8_t hash[SHA256_BYTES];

    crypto_sha256(jwks, hash);
    if (x->set == NULL || memcmp(hash, x->hash, sizeof hash) != 0) {
        struct key_set *set = key_set_read_foreign(jwks, &why);

        if (set == NULL)
            return fail_fetch(task, why);
        key_set_free(x->set);
        x->set = set;
        x->turn++;
        memcpy(x->hash, hash, sizeof hash);
    }
    x->had_ms = x->tried_ms;
    return ERR_OK;
}

/* Not `idempotent`: that would be asked again at once. */
static enum err
ask(struct task *task, void *issuer)
{
    static const char *const headers[] = {"Accept: application/json", NULL};
    struct issuer *x = issuer;
    struct http_answer answer;
    const struct http_request call = {
        .method = "GET",
        .url = x->jwks_url,
        .headers = headers,
        .timeout_ms = ISSUER_FETCH_MS,
        .answer_max = KEY_SET_BYTES_MAX,
    };

    TRY(http_call(task, &call, &answer));
    if (answer.status != 200)
        return fail_detail(&task->fail, ERR_UPSTREAM, "status %d", answer.status);
    return take(task, x, answer.body);
}

static void
wake_all(struct issuer *x)
{
    struct waiter *w = x->waiting;

    x->waiting = NULL;
    while (w != NULL) {
        struct waiter *next = w->next;

        w->done = true;
        co_wake(w->co);
        w = next;
    }
}

static void
fetch(void *issuer)
{
    struct issuer *x = issuer;
    struct task task = {.arena = arena_new(FETCH_ARENA),
                        .deadline_ms = clock_ms() + ISSUER_FETCH_MS};
    const enum err e = task_run(&task, ask, x);

    if (e != ERR_OK)
        log_event(LOG_WARN, "issuer_keys", NULL, fail_reason(&task.fail, e),
                  LOG_TEXT("issuer", x->iss));
    arena_free(task.arena);
    x->failed = e != ERR_OK;
    x->fetching = false;
    wake_all(x);
}

/* ---- who needs it ---- */

static void
leave(struct issuer *x, const struct waiter *me)
{
    struct waiter **at = &x->waiting;

    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
}

/* For the end of the fetch, or the task's. */
static void
wait_for_fetch(const struct task *task, struct issuer *x)
{
    struct waiter *me = ARENA_NEW(task->arena, struct waiter);

    *me = (struct waiter){.co = co_self(), .next = x->waiting};
    x->waiting = me;
    while (!me->done && co_wait_until(task->deadline_ms)) {
    }
    if (!me->done)
        leave(x, me);
}

static enum err
unavailable(struct task *task, const struct issuer *x, int64_t now_ms)
{
    const int64_t again_ms = x->tried_ms + ISSUER_AGAIN_MS - now_ms;

    (void)fail_set(&task->fail, ERR_UNAVAILABLE, "The token's issuer is not reachable");
    task->fail.retry_after_s = (int)(MAX(again_ms, 1) + 999) / 1000;
    return fail_detail(&task->fail, ERR_UNAVAILABLE, "token: no keys of %s", x->iss);
}

enum err
issuer_keys(struct task *task, struct issuer *x, struct str kid, int64_t now_ms)
{
    const bool knows = x->set != NULL && (kid.ptr == NULL || key_set_find(x->set, kid) != NULL);

    if (knows && now_ms - x->had_ms < ISSUER_KEEP_MS)
        return ERR_OK;
    if (!x->fetching && (!x->tried || now_ms - x->tried_ms >= ISSUER_AGAIN_MS)) {
        x->fetching = x->tried = true;
        x->tried_ms = now_ms;
        co_start(fetch, x);
    }
    if (x->fetching && !(knows && x->failed))
        wait_for_fetch(task, x);
    return x->set != NULL ? ERR_OK : unavailable(task, x, now_ms);
}
