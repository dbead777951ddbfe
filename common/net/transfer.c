/*
 * libcurl tells which sockets and which time it waits for (watch_socket, set_timer), the loop tells
 * it when they are there (socket_ready, multi_due), and what is finished wakes its coroutine
 * (collect_finished).  transfer_begin, _run and _end are one transfer's way through.
 */
#include "net/transfer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "loop/wait.h"

#define IDLE_HANDLES_MAX 64
#define IDLE_CONNECTIONS 16L

static CURLM *multi;
static struct loop_timer multi_timer;
static struct loop_hook multi_soon;
static CURL *idle_handles[IDLE_HANDLES_MAX];
static size_t idle_handle_count;
static size_t under_way;

/* ---- libcurl's sockets and timer on our loop ---- */

static void
collect_finished(void)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(multi, &left)) != NULL) {
        struct transfer *t = NULL;

        if (msg->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        t->result = msg->data.result;
        t->done = true;
        co_wake(t->co);
    }
}

static void
socket_ready(struct loop_watch *w, uint32_t events)
{
    int flags = 0, running;

    flags |= (events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
    flags |= (events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0;
    (void)curl_multi_socket_action(multi, w->fd, flags, &running);
    collect_finished();
}

static int
watch_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *unused UNUSED, void *watch)
{
    struct loop_watch *w = watch;
    uint32_t events = 0;

    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            loop_watch(w, 0);
            (void)curl_multi_assign(multi, fd, NULL);
            free(w);
        }
        return 0;
    }
    if (w == NULL) {
        w = calloc(1, sizeof *w);
        if (w == NULL)
            return -1;
        w->fd = fd;
        w->ready = socket_ready;
        (void)curl_multi_assign(multi, fd, w);
    }
    events |= (what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0;
    loop_watch(w, events);
    return 0;
}

static void
multi_due(void)
{
    int running;

    if (multi == NULL)
        return;
    (void)curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect_finished();
}

static void
multi_timed_out(struct loop_timer *t UNUSED)
{
    multi_due();
}

static int
set_timer(CURLM *m UNUSED, long timeout_ms, void *unused UNUSED)
{
    loop_timer_clear(&multi_timer);
    if (timeout_ms > 0)
        loop_timer_set(&multi_timer, clock_ms() + timeout_ms);
    else if (timeout_ms == 0)
        loop_at_end_of_turn(&multi_soon);
    return 0;
}

/* Nothing is kept for the next call, no connection either. */
static void
forget(void)
{
    if (multi == NULL || under_way > 0)
        return;
    while (idle_handle_count > 0)
        curl_easy_cleanup(idle_handles[--idle_handle_count]);
    (void)curl_multi_cleanup(multi); /* watch_socket hears of each connection */
    loop_timer_clear(&multi_timer);
    multi = NULL;
}

void
transfer_init(void)
{
    static struct loop_hook rest = {.fn = forget};
    static bool initialized;

    if (multi != NULL)
        return;
    if (!initialized)
        MUST(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    initialized = true;
    multi = curl_multi_init();
    MUST(multi != NULL);
    multi_timer.fire = multi_timed_out;
    multi_soon.fn = multi_due;
    loop_at_rest(&rest);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS);
}

/* ---- one transfer ---- */

void
transfer_bounds(CURL *easy, long connect_ms, long timeout_ms, const char *protocols)
{
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, MIN(connect_ms, timeout_ms));
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    /* A lookup that takes longer is left alone, or libcurl would wait in place for its thread. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

void
transfer_begin(struct transfer *t)
{
    transfer_init();
    under_way++;
    *t = (struct transfer){
        .co = co_self(),
        .easy = idle_handle_count > 0 ? idle_handles[--idle_handle_count] : curl_easy_init(),
    };
    MUST(t->co != NULL && t->easy != NULL);
    (void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
}

void
transfer_run(struct transfer *t)
{
    MUST(curl_multi_add_handle(multi, t->easy) == CURLM_OK);
    while (!t->done)
        co_wait();
    (void)curl_multi_remove_handle(multi, t->easy);
}

void
transfer_end(struct transfer *t)
{
    if (idle_handle_count < IDLE_HANDLES_MAX) {
        curl_easy_reset(t->easy);
        idle_handles[idle_handle_count++] = t->easy;
    } else {
        curl_easy_cleanup(t->easy);
    }
    under_way--;
}
