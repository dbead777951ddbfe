/*
 * Calls whose name nobody looks up: getaddrinfo below takes the place of the C library's, for
 * libcurl too, and says nothing for longer than any limit here.
 */
#include "check_loop.h"

#include <netdb.h>
#include <time.h>

#include "base/task.h"
#include "loop/wait.h"
#include "net/call.h"

#define SILENT_MS 3000
#define LIMIT_MS  300
#define CALLS     20
#define THREADS   3 /* the loop, and two that look names up */
#define BEAT_MS   10

__attribute__((visibility("default"))) int
getaddrinfo(const char *name UNUSED, const char *service UNUSED,
            const struct addrinfo *hints UNUSED, struct addrinfo **ret UNUSED)
{
    const struct timespec silent = {.tv_sec = SILENT_MS / 1000};

    (void)nanosleep(&silent, NULL);
    return EAI_AGAIN;
}

static int64_t beat_due_ms, latest_beat_ms;

static void
beat(struct loop_timer *t)
{
    const int64_t now_ms = clock_ms();

    latest_beat_ms = MAX(latest_beat_ms, now_ms - beat_due_ms);
    beat_due_ms = now_ms + BEAT_MS;
    loop_timer_set(t, beat_due_ms);
}

static enum err
call_somebody(struct task *task, void *ret_took_ms)
{
    const struct http_request call = {
        .method = "GET",
        .url = "https://nobody.example/",
        .timeout_ms = LIMIT_MS,
        .answer_max = 1024,
        .idempotent = true,
    };
    struct http_answer answer;
    const int64_t began_ms = clock_ms();
    const enum err e = http_call(task, &call, &answer);

    *(int64_t *)ret_took_ms = clock_ms() - began_ms;
    return e;
}

static size_t
threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    size_t count = 0;

    assert_non_null(dir);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        count += e->d_name[0] != '.';
    (void)closedir(dir);
    return count;
}

static size_t ended;
static enum err result;

static void
call_on_coroutine(void *ret_took_ms)
{
    struct task task = {.arena = arena_new((size_t)64 * 1024), .deadline_ms = clock_ms() + 5000};

    result = task_run(&task, call_somebody, ret_took_ms);
    arena_free(task.arena);
    if (++ended == CALLS)
        loop_exit();
}

static void
a_silent_name_server_holds_up_its_callers_until_their_limit_and_nobody_else(void **state UNUSED)
{
    struct loop_timer heart = {.fire = beat};
    int64_t took_ms[CALLS] = {0};

    ended = 0;
    latest_beat_ms = 0;
    beat_due_ms = clock_ms() + BEAT_MS;
    loop_timer_set(&heart, beat_due_ms);
    for (size_t i = 0; i < CALLS; i++)
        co_start(call_on_coroutine, &took_ms[i]);
    run_for(5000);
    loop_timer_clear(&heart);
    assert_int_equal(ended, CALLS);
    assert_int_equal(result, ERR_UPSTREAM);
    assert_in_range(threads(), 1, THREADS);
    for (size_t i = 0; i < CALLS; i++)
        if (took_ms[i] > LIMIT_MS + 100)
            fail_msg("a call with a limit of %d ms took %lld", LIMIT_MS, (long long)took_ms[i]);
    if (latest_beat_ms > 100)
        fail_msg("the loop was %lld ms late", (long long)latest_beat_ms);
}

static const struct CMUnitTest tests[] = {
    TEST(a_silent_name_server_holds_up_its_callers_until_their_limit_and_nobody_else),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("net_call", tests, NULL, NULL);
}
