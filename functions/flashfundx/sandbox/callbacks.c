/*
 * Scheduled: moves payments by their plan and sends the callbacks that are due.
 *
 * A callback is claimed with a lease in one statement, sent with no transaction open, and its
 * outcome recorded in another.  Up to SENDERS_MAX are on their way at once, each on a coroutine
 * with an arena of its own, so that one slow receiver does not hold up the others: a run does not
 * wait for it.  When the process ends first, its lease does, and the callback is sent again.
 */
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/number.h"
#include "crypto/digest.h"
#include "db/query.h"
#include "db/rows.h"
#include "json/tree.h"
#include "loop/wait.h"
#include "net/call.h"
#include "nowpayments/canonical.h"
#include "nowpayments/ipn.h"
#include "sandbox.h"

struct setting cfg_sandbox_retry_ms = {
    .env = "SANDBOX_RETRY_MS",
    .kind = SETTING_INT,
    .fallback = "2000",
    .meaning = "sandbox: time between two tries of a callback",
};

struct setting cfg_sandbox_retries = {
    .env = "SANDBOX_RETRIES",
    .kind = SETTING_INT,
    .fallback = "10",
    .meaning = "sandbox: tries of a callback after the first",
};

#define SENDERS_MAX       16
#define SENDER_MEMORY_MAX ((size_t)1024 * 1024)
#define RECEIVER_MS       3000 /* the provider waits this long for an answer */
#define RECORD_MS         5000
#define RUN_MS            5000 /* then the next run goes on */
#define TURN_MS           50   /* between two looks while callbacks are on their way */
#define BODY_MAX          (64 * 1024)

/* ---- one callback ---- */

/* The body as the provider's JavaScript would print it, changed by the fault. */
static enum err
wire_body(struct task *task, const struct callback *callback, struct str *ret)
{
    const char *fault = callback->fault == NULL ? "" : callback->fault;
    struct str body = str_of(callback->body);
    const struct json *doc;
    struct buf out;

    if (strcmp(fault, "all_strings") == 0)
        body = numbers_as_strings(task, body);
    TRY(json_parse(task->arena, &task->fail, body, &doc));
    buf_init_arena(&out, task->arena, BODY_MAX);
    np_canonical(&out, doc, NP_SORTED_JS);
    if (out.overflow)
        return fail_detail(&task->fail, ERR_INTERNAL, "callback over %d bytes", BODY_MAX);
    *ret = buf_str(&out);
    if (strcmp(fault, "malformed") == 0)
        ret->len /= 2; /* and signed like this: the receiver's parser is tried, not its key */
    return ERR_OK;
}

static const char *
signature_header(struct task *task, struct str body, bool bad)
{
    struct str secret = setting_str(&cfg_nowpayments_ipn_secret);
    uint8_t mac[SHA512_BYTES];
    char hex[2 * SHA512_BYTES + 1];

    while (secret.len > 0 && memchr(" \t\r\n", secret.ptr[secret.len - 1], 4) != NULL)
        secret.len--;
    crypto_hmac_sha512(secret, body, mac);
    if (bad)
        mac[0] ^= 1;
    hex_encode(mac, sizeof(mac), hex);
    return arena_printf(task->arena, "x-nowpayments-sig: %s", hex);
}

static struct db_stmt record_try = {
    .sql = "SELECT state, attempts FROM sandbox.record_try($1::bigint, $2::int, $3, $4, $5::int, "
           "$6::int, $7::int)",
    .kind = DB_WRITE};

static enum err
record(struct task *task, const struct callback *callback, int status, const char *error,
       int64_t took_ms)
{
    struct arena *a = task->arena;
    struct db_row row;

    return db_one(task, &record_try,
                  DB_PARAMS(callback->id, arena_printf(a, "%d", status), error, callback->fault,
                            arena_printf(a, "%lld", (long long)took_ms),
                            arena_printf(a, "%lld", (long long)setting_int(&cfg_sandbox_retry_ms)),
                            arena_printf(a, "%lld", (long long)setting_int(&cfg_sandbox_retries))),
                  &row);
}

enum err
send_callback(struct task *task, const struct callback *callback, int *ret_status,
              const char **ret_error)
{
    const bool bad = callback->fault != NULL && strcmp(callback->fault, "bad_signature") == 0;
    struct http_answer answer = {0};
    struct str body;

    TRY(wire_body(task, callback, &body));
    if (callback->delay_ms > 0)
        co_sleep_ms(callback->delay_ms);
    task->deadline_ms = clock_ms() + RECEIVER_MS + RECORD_MS;
    const char *const headers[] = {"Content-Type: application/json",
                                   signature_header(task, body, bad), NULL};
    const struct http_request call = {
        .method = "POST",
        .url = callback->url,
        .headers = headers,
        .body = body,
        .timeout_ms = RECEIVER_MS,
        .answer_max = 64 * 1024,
        .idempotent = false,
    };
    const int64_t started_ms = clock_ms();
    const enum err e = http_call(task, &call, &answer);
    *ret_status = e == ERR_OK ? answer.status : 0;
    *ret_error = e == ERR_OK ? NULL : arena_copy(task->arena, str_of(task->fail.detail));
    return record(task, callback, *ret_status, *ret_error, clock_ms() - started_ms);
}

/* ---- many at once ---- */

static struct {
    struct co *parent;
    bool parent_waits; /* for us: it also waits for the database, and must not be woken there */
    int running;
} batch;

struct sender {
    struct task task;
    struct callback callback;
};

static enum err
send_claimed(struct task *task, void *sender)
{
    struct sender *s = sender;
    int status;
    const char *error;

    return send_callback(task, &s->callback, &status, &error);
}

static void
send_on_coroutine(void *arg)
{
    struct sender *s = arg;

    /* A failure to record leaves the lease, and the callback is sent again when it ends. */
    if (task_run(&s->task, send_claimed, s) != ERR_OK)
        log_event(LOG_WARN, "callback_failed", s->task.id,
                  fail_reason(&s->task.fail, s->task.fail.err), LOG_TEXT("id", s->callback.id));
    arena_free(s->task.arena); /* and `s` with it */
    batch.running--;
    if (batch.parent_waits)
        co_wake(batch.parent);
}

struct claimed {
    struct sender *sender;
    const struct db_row *row;
};

/* The row is of a turn that ends before the callback is sent. */
static enum err
copy_claimed(struct task *task, void *claimed)
{
    struct callback *c = &((struct claimed *)claimed)->sender->callback;
    const struct db_row *row = ((struct claimed *)claimed)->row;
    int64_t delay_ms = 0;

    if (!number_i64(db_str(row, 4), &delay_ms) || delay_ms < 0)
        delay_ms = 0;
    c->id = arena_copy(task->arena, db_str(row, 0));
    c->url = arena_copy(task->arena, db_str(row, 1));
    c->body = arena_copy(task->arena, db_str(row, 2));
    c->fault = db_text(row, 3) == NULL ? NULL : arena_copy(task->arena, db_str(row, 3));
    c->delay_ms = (int)MIN(delay_ms, 60000);
    return ERR_OK;
}

static void
start_sender(const struct task *run, const struct db_row *row)
{
    struct arena *a = arena_new(SENDER_MEMORY_MAX);
    struct sender *s = ARENA_NEW(a, struct sender);

    s->task = *run;
    s->task.arena = a;
    s->task.fail = (struct fail){0};
    if (task_run(&s->task, copy_claimed, &(struct claimed){s, row}) != ERR_OK) {
        log_event(LOG_WARN, "callback_failed", s->task.id,
                  fail_reason(&s->task.fail, s->task.fail.err), LOG_TEXT("id", db_text(row, 0)));
        arena_free(a);
        return;
    }
    batch.running++;
    co_start(send_on_coroutine, s);
}

/* Until a sender has ended, or until `until_ms`. */
static void
wait_for_sender(int64_t until_ms)
{
    const int before = batch.running;

    batch.parent_waits = true;
    while (batch.running == before && co_wait_until(until_ms))
        continue;
    batch.parent_waits = false;
}

static struct db_stmt tick = {
    .sql = "SELECT callback_id, url, body, fault, delay_ms FROM sandbox.tick($1::int, $2::int)",
    .kind = DB_WRITE};

/* Move payments, claim what is due and start sending it.  `turn` has an arena for this turn. */
static enum err
take_turn(struct task *turn, void *unused UNUSED)
{
    const int room = MAX(SENDERS_MAX - batch.running, 0); /* duplicates may be more */
    struct db_result *due;

    TRY(db_query(turn, &tick,
                 DB_PARAMS(tick_ms(turn->arena), arena_printf(turn->arena, "%d", room)), &due));
    for (int i = 0; i < db_rows(due); i++) {
        const struct db_row row = db_row(due, i);
        const char *fault = db_text(&row, 3);
        start_sender(turn, &row);
        if (fault != NULL && strcmp(fault, "duplicate") == 0)
            start_sender(turn, &row); /* the same one again, at the same moment */
    }
    return ERR_OK;
}

enum err
run_sandbox(struct task *task)
{
    struct task turn = *task;
    const int64_t stop_at = clock_ms() + RUN_MS;
    enum err e;

    batch.parent = co_self();
    turn.arena = arena_new(SENDER_MEMORY_MAX);
    for (;;) {
        arena_reset(turn.arena);
        e = task_run(&turn, take_turn, NULL);
        if (e != ERR_OK || batch.running == 0 || clock_ms() >= stop_at)
            break;
        wait_for_sender(clock_ms() + TURN_MS);
    }
    arena_free(turn.arena);
    if (e != ERR_OK)
        task->fail = turn.fail;
    return e;
}
