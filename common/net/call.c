#include "net/call.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "loop/loop.h"
#include "net/internal.h"

#define CONNECT_TIMEOUT_MS 2000
#define RETRIES            2
#define RETRY_MIN_MS       100
#define RETRY_MAX_MS       800
#define IDLE_HANDLES_MAX   64
#define IDLE_CONNECTIONS   16L
#define HEADERS_MAX        16
#define READ_BYTES         1024L /* at a time; everyone who waits for an answer has a buffer */

/* One transfer; lives on the caller's coroutine stack. */
struct transfer {
    struct co *co;
    CURL *easy;
    CURLcode result;
    bool done;
    struct buf body; /* on the heap: it grows inside libcurl's callback */
    int retry_after_s;
};

static CURLM *multi;
static struct loop_timer multi_timer;
static struct loop_hook multi_soon;
static CURL *idle_handles[IDLE_HANDLES_MAX];
static size_t idle_handle_count;
static size_t calls; /* under way */

/* ---- libcurl on our loop ---- */

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
    if (multi == NULL || calls > 0)
        return;
    while (idle_handle_count > 0)
        curl_easy_cleanup(idle_handles[--idle_handle_count]);
    (void)curl_multi_cleanup(multi); /* watch_socket hears of each connection */
    loop_timer_clear(&multi_timer);
    multi = NULL;
}

void
httpc_start(void)
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

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;

    buf_add(&t->body, data, size * count);
    return t->body.overflow ? 0 : size * count; /* 0 ends the transfer */
}

static size_t
take_header(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "retry-after:";
    struct transfer *t = arg;
    struct str line = {data, size * count};
    int seconds = 0;

    if (line.len > sizeof name &&
        str_ieq((struct str){line.ptr, sizeof name - 1}, str_of(name))) {
        for (size_t i = sizeof name - 1; i < line.len && seconds < 100000; i++)
            if (line.ptr[i] >= '0' && line.ptr[i] <= '9')
                seconds = seconds * 10 + (line.ptr[i] - '0');
        t->retry_after_s = seconds;
    }
    return size * count;
}

/* Plain http is for the sandbox and for tests on this machine: a loopback address, nothing that
 * only begins like one. */
static bool
url_allowed(const char *url)
{
    static const char plain[] = "http://";
    const char *host = url + sizeof plain - 1;
    size_t len;

    if (strncmp(url, "https://", 8) == 0)
        return true;
    if (strncmp(url, plain, sizeof plain - 1) != 0)
        return false;
    if (strncmp(host, "[::1]", 5) == 0)
        len = 5;
    else if (strncmp(host, "127.", 4) == 0)
        len = strspn(host, "0123456789.");
    else
        len = strncmp(host, "localhost", 9) == 0 ? 9 : 0;
    if (len > 0 && host[len] == ':')
        len += 1 + strspn(host + len + 1, "0123456789");
    return len > 0 && (host[len] == '/' || host[len] == '\0');
}

static struct curl_slist *
set_options(struct transfer *t, const struct http_request *call, long timeout_ms)
{
    CURL *e = t->easy;
    struct curl_slist *headers = NULL;

    for (int i = 0; call->headers != NULL && call->headers[i] != NULL && i < HEADERS_MAX; i++)
        headers = curl_slist_append(headers, call->headers[i]);
    headers = curl_slist_append(headers, "Expect:"); /* no 100-continue round trip */
    (void)curl_easy_setopt(e, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    if (strcmp(call->method, "GET") != 0) {
        (void)curl_easy_setopt(e, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body.ptr == NULL ? "" : call->body.ptr);
        (void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        (void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method);
    }
    if (!call->idempotent) {
        (void)curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L); /* or it drives a kept one out */
    }
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, MIN((long)CONNECT_TIMEOUT_MS, timeout_ms));
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, timeout_ms);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(e, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, READ_BYTES);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, "flashfundx");
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    return headers;
}

#ifdef FFX_KILL_POINTS
/* libcurl tells what it has written. */
static int
note_sent(CURL *easy UNUSED, curl_infotype type, char *data UNUSED, size_t size, void *arg)
{
    const struct http_request *call = arg;
    const bool has_body = strcmp(call->method, "GET") != 0 && call->body.len > 0;

    if ((type == CURLINFO_HEADER_OUT && !has_body) ||
        (type == CURLINFO_DATA_OUT && size == call->body.len))
        KILL_POINT(call->method, call->url, "sent");
    return 0;
}
#endif

static CURL *
handle_take(void)
{
    CURL *easy = idle_handle_count > 0 ? idle_handles[--idle_handle_count] : curl_easy_init();

    MUST(easy != NULL);
    return easy;
}

static void
handle_give(CURL *easy)
{
    if (idle_handle_count < IDLE_HANDLES_MAX) {
        curl_easy_reset(easy);
        idle_handles[idle_handle_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

/* ERR_OK with an answer, or why there is none. */
static enum err
try_once(struct fn_req *req, const struct http_request *call, int64_t budget_end_ms,
         struct http_answer *ret)
{
    const int64_t left_ms = budget_end_ms - clock_ms();
    long sent = 0, status = 0;

    if (left_ms <= 0)
        return fail_detail(&req->fail, ERR_UPSTREAM, "no time left for %s", call->url);

    httpc_start();
    calls++;
    struct transfer t = {.co = co_self(), .easy = handle_take()};
    buf_init_heap(&t.body, call->answer_max);
    struct curl_slist *headers = set_options(&t, call, (long)left_ms);
#ifdef FFX_KILL_POINTS
    (void)curl_easy_setopt(t.easy, CURLOPT_VERBOSE, 1L);
    (void)curl_easy_setopt(t.easy, CURLOPT_DEBUGFUNCTION, note_sent);
    (void)curl_easy_setopt(t.easy, CURLOPT_DEBUGDATA, (void *)(uintptr_t)call);
#endif
    KILL_POINT(call->method, call->url, "before");
    metrics_add(METRIC_HTTP_CALLS, 1);
    MUST(curl_multi_add_handle(multi, t.easy) == CURLM_OK);
    while (!t.done)
        co_wait(); /* libcurl keeps the time limit */
    KILL_POINT(call->method, call->url, "answered");
    (void)curl_multi_remove_handle(multi, t.easy);
    (void)curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(t.easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_slist_free_all(headers);
    handle_give(t.easy);
    calls--;

    enum err e = ERR_OK;
    if (t.result == CURLE_OK) {
        ret->status = (int)status;
        ret->retry_after_s = t.retry_after_s;
        ret->body = (struct str){arena_copy(req->arena, buf_str(&t.body)), t.body.len};
    } else {
        metrics_add(METRIC_HTTP_ERRORS, 1);
        e = fail_detail(&req->fail, sent > 0 ? ERR_UNKNOWN_OUTCOME : ERR_UPSTREAM, "%s %s: %s",
                        call->method, call->url, curl_easy_strerror(t.result));
    }
    buf_release(&t.body);
    return e;
}

static bool
worth_retrying(enum err e, const struct http_answer *answer)
{
    if (e != ERR_OK)
        return true;
    return answer->status == 429 || (answer->status >= 502 && answer->status <= 504);
}

/* Full jitter (between nothing and the bound), never less than the server asked for. */
static int64_t
pause_ms(int attempt, const struct http_answer *answer)
{
    const uint32_t bound = MIN((uint32_t)RETRY_MIN_MS << (2 * attempt), (uint32_t)RETRY_MAX_MS);
    uint32_t random;

    crypto_random(&random, sizeof random);
    return MAX((int64_t)answer->retry_after_s * 1000, (int64_t)(random % (bound + 1)));
}

enum err
http_call(struct fn_req *req, const struct http_request *call, struct http_answer *ret)
{
    const int64_t budget_end_ms = MIN(clock_ms() + call->timeout_ms, req->deadline_ms);

    if (!url_allowed(call->url))
        return fail_detail(&req->fail, ERR_INTERNAL, "refused URL %s", call->url);
    for (int attempt = 0;; attempt++) {
        struct http_answer answer = {0};
        const enum err e = try_once(req, call, budget_end_ms, &answer);

        if (!call->idempotent || attempt == RETRIES || !worth_retrying(e, &answer)) {
            *ret = answer;
            return e;
        }

        const int64_t pause = pause_ms(attempt, &answer);
        if (clock_ms() + pause >= budget_end_ms) {
            *ret = answer;
            return e;
        }
        co_sleep_ms(pause);
    }
}
