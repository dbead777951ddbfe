/*
 * A call: what is asked of libcurl for one, what came of it, and whether it is tried again.  The
 * transfer itself is transfer.c's.
 */
#include "net/call.h"

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/metric.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "loop/wait.h"
#include "net/transfer.h"
#include "net/url.h"

#define CONNECT_TIMEOUT_MS 2000
#define RETRIES            2
#define RETRY_MIN_MS       100
#define RETRY_MAX_MS       800
#define HEADERS_MAX        16
#define READ_BYTES         1024L /* at a time; everyone who waits for an answer has a buffer */
#define USER_AGENT         "ffx"

/* A call on its way; lives on the caller's coroutine stack. */
struct answering {
    struct transfer transfer;
    struct buf body; /* on the heap: it grows inside libcurl's callback */
    int retry_after_s;
};

/* ---- one try ---- */

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
    struct answering *t = arg;

    buf_add(&t->body, data, size * count);
    return t->body.overflow ? 0 : size * count; /* 0 ends the transfer */
}

static size_t
take_header(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "retry-after:";
    struct answering *t = arg;
    struct str line = {data, size * count};
    int seconds = 0;

    if (line.len > sizeof name && str_ieq((struct str){line.ptr, sizeof name - 1}, str_of(name))) {
        for (size_t i = sizeof name - 1; i < line.len && seconds < 100000; i++)
            if (line.ptr[i] >= '0' && line.ptr[i] <= '9')
                seconds = seconds * 10 + (line.ptr[i] - '0');
        t->retry_after_s = seconds;
    }
    return size * count;
}

/* Plain http is for services on this machine: in development and in tests. */
static bool
url_allowed(const char *url)
{
    if (strncmp(url, "https://", 8) == 0)
        return true;
    return strncmp(url, "http://", 7) == 0 && host_is_loopback(url_host(str_of(url)));
}

static struct curl_slist *
set_options(struct answering *t, const struct http_request *call, long timeout_ms)
{
    CURL *e = t->transfer.easy;
    struct curl_slist *headers = NULL;

    for (int i = 0; call->headers != NULL && call->headers[i] != NULL; i++) {
        MUST(i < HEADERS_MAX);
        headers = curl_slist_append(headers, call->headers[i]);
    }
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
    transfer_bounds(e, CONNECT_TIMEOUT_MS, timeout_ms, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, READ_BYTES);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, USER_AGENT);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
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

/* ERR_OK with an answer, or why there is none. */
static enum err
try_once(struct task *task, const struct http_request *call, int64_t budget_end_ms,
         struct http_answer *ret)
{
    const int64_t left_ms = budget_end_ms - clock_ms();
    long sent = 0, status = 0;

    if (left_ms <= 0)
        return fail_detail(&task->fail, ERR_UPSTREAM, "no time left for %s", call->url);

    struct answering t = {.retry_after_s = 0};
    transfer_begin(&t.transfer);
    buf_init_heap(&t.body, call->answer_max);
    struct curl_slist *headers = set_options(&t, call, (long)left_ms);
#ifdef FFX_KILL_POINTS
    (void)curl_easy_setopt(t.transfer.easy, CURLOPT_VERBOSE, 1L);
    (void)curl_easy_setopt(t.transfer.easy, CURLOPT_DEBUGFUNCTION, note_sent);
    (void)curl_easy_setopt(t.transfer.easy, CURLOPT_DEBUGDATA, (void *)(uintptr_t)call);
#endif
    KILL_POINT(call->method, call->url, "before");
    metric_add(METRIC_HTTP_CALLS, 1);
    transfer_run(&t.transfer);
    KILL_POINT(call->method, call->url, "answered");
    (void)curl_easy_getinfo(t.transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(t.transfer.easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_slist_free_all(headers);
    transfer_end(&t.transfer);

    enum err e = ERR_OK;
    if (t.transfer.result == CURLE_OK) {
        ret->status = (int)status;
        ret->retry_after_s = t.retry_after_s;
        ret->body = (struct str){arena_copy(task->arena, buf_str(&t.body)), t.body.len};
    } else {
        metric_add(METRIC_HTTP_ERRORS, 1);
        e = fail_detail(&task->fail, sent > 0 ? ERR_UNKNOWN_OUTCOME : ERR_UPSTREAM, "%s %s: %s",
                        call->method, call->url, curl_easy_strerror(t.transfer.result));
    }
    buf_release(&t.body);
    return e;
}

/* ---- tries ---- */

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
http_call(struct task *task, const struct http_request *call, struct http_answer *ret)
{
    const int64_t budget_end_ms = MIN(clock_ms() + call->timeout_ms, task->deadline_ms);

    MUST(call->method != NULL && call->url != NULL && call->answer_max > 0);
    if (!url_allowed(call->url))
        return fail_detail(&task->fail, ERR_INTERNAL, "refused URL %s", call->url);
    for (int attempt = 0;; attempt++) {
        struct http_answer answer = {0};
        const enum err e = try_once(task, call, budget_end_ms, &answer);

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
