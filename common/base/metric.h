/*
 * metric: counters, gauges and latency histograms of one function, in a small file that all of
 * its workers (and the next deploy's) map and add to atomically; `health` reads all files and
 * prints Prometheus text (exposition format 0.0.4).
 *
 * The set is fixed (METRIC_TABLE), so that nothing is allocated or looked up per request.
 * Any thread may add.
 */
#ifndef FFX_BASE_METRIC_H
#define FFX_BASE_METRIC_H

#include "base/buf.h"

/* clang-format off */
/* id, Prometheus name, type, help */
#define METRIC_TABLE(X)                                                                           \
    X(METRIC_REQUESTS_2XX,  "ffx_requests_total{class=\"2xx\"",  "counter", "Requests answered")    \
    X(METRIC_REQUESTS_4XX,  "ffx_requests_total{class=\"4xx\"",  "counter", "Requests answered")    \
    X(METRIC_REQUESTS_5XX,  "ffx_requests_total{class=\"5xx\"",  "counter", "Requests answered")    \
    X(METRIC_RATE_LIMITED,  "ffx_rate_limited_total{",           "counter", "Requests refused with 429") \
    X(METRIC_SHED,          "ffx_shed_total{",                   "counter", "Requests refused with 503 because too many were waiting") \
    X(METRIC_ANSWERS_CUT,   "ffx_answers_cut_total{",            "counter", "Answers that were not taken to their end") \
    X(METRIC_DB_QUERIES,    "ffx_db_queries_total{",             "counter", "SQL statements sent") \
    X(METRIC_DB_ERRORS,     "ffx_db_errors_total{",              "counter", "SQL statements that failed") \
    X(METRIC_DB_CONNECTS,   "ffx_db_connects_total{",            "counter", "Database connections opened") \
    X(METRIC_HTTP_CALLS,    "ffx_http_calls_total{",             "counter", "Calls to other services") \
    X(METRIC_HTTP_ERRORS,   "ffx_http_call_errors_total{",       "counter", "Calls to other services without an answer") \
    X(METRIC_RUNS,          "ffx_scheduled_runs_total{",         "counter", "Scheduled runs") \
    X(METRIC_RUN_ERRORS,    "ffx_scheduled_run_errors_total{",   "counter", "Scheduled runs that failed") \
    X(METRIC_WORKER_STARTS, "ffx_worker_starts_total{",          "counter", "Worker processes started") \
    X(METRIC_ARENA_OVERFLOWS, "ffx_arena_overflows_total{",      "counter", "Requests over their memory cap") \
    X(METRIC_STACK_HIGH_WATER, "ffx_coroutine_stack_high_water_bytes{", "gauge", "Deepest stack use of a coroutine") \
    X(METRIC_TURN_MAX,      "ffx_loop_turn_max_milliseconds{",   "gauge", "Longest turn of an event loop: what came meanwhile had to wait") \
    X(METRIC_LONG_TURNS,    "ffx_loop_long_turns_total{",        "counter", "Turns of an event loop that took more than 100 ms") \
    X(METRIC_SPOOLED,       "ffx_spooled{",                      "gauge", "Requests kept on disk until the database has them") \
    X(METRIC_ALIVE,         "ffx_alive_seconds{",                "gauge", "When a worker last said that its loop turns, since 1970")
/* clang-format on */

enum metric {
#define X(id, name, type, help) id,
    METRIC_TABLE(X)
#undef X
        METRIC_MAX,
};

/* Map RUN_DIR/NAME.metrics, creating it when needed.  False (and process-private counters) when
 * the file cannot be used. */
bool metric_open(const char *run_dir, const char *service);

void metric_add(enum metric id, int64_t n);
void metric_set_max(enum metric id, int64_t n);
void metric_set(enum metric id, int64_t n);
/* One request's duration, for the histogram. */
void metric_observe_us(int64_t duration_us);

/* What a function answers under which address is counted apart: "GET /orders/:id".  Numbers of a
 * place whose label changed begin anew. */
#define METRIC_ROUTES_MAX  64
#define METRIC_LABEL_SIZE  80 /* longer ones are cut */
void metric_routes(const char *const *labels, size_t count);
/* A request to route `route` was answered with this status after duration_us. */
void metric_route(size_t route, int status, int64_t duration_us);

/* One number of a function that has a file in run_dir; 0 when it has none. */
int64_t metric_of(const char *run_dir, const char *service, enum metric id);

/* Prometheus text of every function that has a file in run_dir. */
void metric_render(const char *run_dir, struct buf *out);

#endif
