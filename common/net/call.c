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
#include "net/header.h"
#include "net/lookup.h"
#include "net/transfer.h"
#include "base/url.h"

#define CONNECT_TIMEOUT_MS 2000
#define RETRIES            2
#define RETRY_MIN_MS       100
#define RETRY_MAX_MS       800
#define READ_BYTES         1024L /* at a time; everyone who waits for an answer has a buffer */
#define EXPECT_BYTES       ((size_t)512 * 1024) /* libcurl asks before bodies of a megabyte */
#define USER_AGENT         "ffx"

/* A call on its way; lives on the caller's coroutine stack. */
struct answering {
    struct transfer transfer;
    struct buf *body; /* on the heap, for it grows inside libcurl's callback; the arena frees it */
    int retry_after_s;
    char encoding[32]; /* of the body; "" when it is as it is */
};

/* ---- one try ---- */

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
    struct answering *t = arg;

    buf_add(t->body, data, size * count);
    return t->body->overflow ? 0 : size * count; /* 0 ends the transfer */
}

/* Of several answers (RFC 9110, 15.2: interim ones come first) the last one counts. */
static size_t
take_header(char *data, size_t size, size_t count, void *arg)
{
    struct answering *t = arg;
    const struct str line = {data, size * count};
    struct str value;

    if (line.len > 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
        t->retry_after_s = 0;
        t->encoding[0] = '\0';
    } else if (header_line_is(line, "retry-after", &value)) {
        t->retry_after_s = retry_after_s(value, wall_us() / 1000000);
    } else if (header_line_is(line, "content-encoding", &value) &&
               !str_ieq(value, STR("identity"))) {
        (void)snprintf(t->encoding, sizeof t->encoding, "%.*s", (int)value.len, value.ptr);
    }
    return size * count;
}

static struct curl_slist *
set_options(struct answering *t, const struct http_request *call, long timeout_ms)
{
    CURL *e = t->transfer.easy;
    struct curl_slist *headers = NULL;

    for (int i = 0; call->headers != NULL && call->headers[i] != NULL; i++)
        headers = curl_slist_append(headers, call->headers[i]);
    headers = curl_slist_append(headers, "Accept-Encoding: identity");
    if (call->body.len >= EXPECT_BYTES) /* no 100-continue round trip */
        headers = curl_slist_append(headers, "Expect:");
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

static void
release_body(void *body)
{
    buf_release(body);
}

/* What came of the transfer: ERR_OK with an answer, or why there is none. */
static enum err
outcome(struct task *task, const struct http_request *call, const struct answering *t, int status,
        bool sent, struct http_answer *ret)
{
    const enum err missing = sent ? ERR_UNKNOWN_OUTCOME : ERR_UPSTREAM;

    if (t->transfer.result != CURLE_OK)
        return fail_detail(&task->fail, missing, "%s %s: %s", call->method, call->url,
                           curl_easy_strerror(t->transfer.result));
    if (t->encoding[0] != '\0')
        return fail_detail(&task->fail, missing, "%s %s: answer %d has Content-Encoding %s",
                           call->method, call->url, status, t->encoding);
    ret->status = status;
    ret->retry_after_s = t->retry_after_s;
    ret->body = t->body->ptr == NULL ? STR("") : buf_str(t->body);
    return ERR_OK;
}

/* `resolved`: for CURLOPT_RESOLVE, or NULL. */
static enum err
transfer_once(struct task *task, const struct http_request *call, const char *resolved,
              long timeout_ms, struct http_answer *ret)
{
    struct answering t = {.body = ARENA_NEW(task->arena, struct buf)};
    long sent = 0, status = 0;

    buf_init_heap(t.body, call->answer_max);
    arena_defer(task->arena, release_body, t.body);
    transfer_begin(&t.transfer);
    struct curl_slist *headers = set_options(&t, call, timeout_ms);
    struct curl_slist *addresses = resolved == NULL ? NULL : curl_slist_append(NULL, resolved);
    (void)curl_easy_setopt(t.transfer.easy, CURLOPT_RESOLVE, addresses);
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
    transfer_end(&t.transfer);
    curl_slist_free_all(headers);
    curl_slist_free_all(addresses);

    const enum err e = outcome(task, call, &t, (int)status, sent > 0, ret);
    if (e != ERR_OK) {
        metric_add(METRIC_HTTP_ERRORS, 1);
        buf_release(t.body);
    }
    return e;
}

/* ERR_OK with an answer, or why there is none. */
static enum err
try_once(struct task *task, const struct http_request *call, int64_t budget_end_ms,
         struct http_answer *ret)
{
    const char *resolved;

    if (clock_ms() >= budget_end_ms)
        return fail_detail(&task->fail, ERR_UPSTREAM, "no time left for %s", call->url);
    TRY(lookup_url(task, call->url, MIN(budget_end_ms, clock_ms() + CONNECT_TIMEOUT_MS),
                   &resolved));
    const int64_t left_ms = budget_end_ms - clock_ms();
    return transfer_once(task, call, resolved, (long)MAX(left_ms, 1), ret);
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
    if (!url_is_private(call->url))
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
