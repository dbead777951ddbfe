/*
 * What the files of fn share.
 *
 *   main.c      options, settings; then master or worker
 *   settings.c  which settings a function has
 *   describe.c  --spec and --help
 *   master.c    owns the socket, starts and replaces workers
 *   worker.c    a worker's life: serves, rests, drains
 *   request.c   the way of a request: admission, handler, log line
 *   route.c     which route it is for
 *   caller.c    who calls
 *   keys.c      with which keys
 *   limit.c     how often one may
 *   cors.c      calls from other origins
 *   answer.c    what handlers answer with
 *   stream.c    answers that are sent while they are made
 *   failure.c   what a failure looks like
 *   sqlroute.c  routes that are one SQL call
 *   schedule.c  work by the clock
 */
#ifndef FFX_FN_INTERNAL_H
#define FFX_FN_INTERNAL_H

#include "base/setting.h"
#include "base/task.h"
#include "fn/answer.h"
#include "fn/spec.h"

struct net_request;
struct query_param;
struct fn_req;

#define FN_MEMORY_DEFAULT ((size_t)1024 * 1024)
#define FN_ANSWER_MAX     ((size_t)8 * 1024 * 1024)
#define FN_SETTINGS_MAX   64

#define FN_WORKERS_MAX 64
/* Threads of a worker, more than it can have: its loop, the watchdog, and those of offload. */
#define FN_WORKER_THREADS 32
/* Memory of a worker, at most, in MiB: with 1,000 checkouts at once it has a quarter of it. */
#define FN_WORKER_MB 128

/* ---- settings.c ---- */

extern struct setting cfg_workers, cfg_log_level;

/* What the spec lists and what the runtime itself needs for it, each once; returns their number. */
size_t fn_settings_of(const struct fn_spec *spec, struct setting *ret[FN_SETTINGS_MAX]);
bool fn_uses_db(const struct fn_spec *spec);

/* ---- describe.c ---- */

void fn_print_spec(const struct fn_spec *spec);
void fn_print_help(const struct fn_spec *spec);

/* ---- master.c, worker.c ---- */

/* Descriptors that a worker started from the program file has from its master. */
#define FN_LISTEN_FD 3
#define FN_READY_FD  4

/* Own the socket, start and replace workers; returns the exit status. */
int fn_master(const struct fn_spec *spec, const char *program);

/* Serve on `listen_fd` until SIGTERM; tells the master through `ready_fd` when it can. */
int fn_worker(const struct fn_spec *spec, int listen_fd, int ready_fd);

/* ---- route.c ---- */

/* Those that a route may have, ended by bit 0; HEAD is GET's. */
extern const struct fn_method_name {
    unsigned bit;
    const char *name;
} fn_method_names[];
/* "GET, POST" */
void fn_methods_text(unsigned methods, const char *separator, struct buf *out);

struct fn_param {
    struct str name, value;
};

/* What a request's method and path are to the table of routes. */
struct fn_match {
    const struct fn_route *route; /* NULL: none; then 405 when the path is known, else 404 */
    unsigned allowed;             /* methods of the routes that the path fits */
    size_t param_count;
    struct fn_param params[FN_PARAMS_MAX];
    struct str tail;
};

void fn_match(const struct fn_spec *spec, const struct net_request *http, struct fn_match *ret);

/* ---- request.c ---- */

/* The parameters of a request are there: how long may its body be? */
size_t fn_body_limit(const struct fn_spec *spec, struct task *task, struct net_request *http);
/* Serve a complete request; the answer is one block of bytes in the task's arena. */
struct str fn_serve(const struct fn_spec *spec, struct task *task, const struct net_request *http,
                    bool too_large);
int64_t fn_in_flight(void);
/* Its body is in a coding, which nothing here unpacks (RFC 9110, 8.4). */
bool fn_is_coded(const struct fn_req *req);
/* Give the task an id of its own when it has none. */
void fn_make_id(struct task *task);

/* ---- caller.c ---- */

/* Does anybody's token count for this route, or for any of the spec's? */
bool fn_route_takes_token(const struct fn_route *route);
bool fn_takes_token(const struct fn_spec *spec);
/* The token or key that says who calls, unread; len 0: none. */
struct str fn_credential(const struct fn_req *req);
/* Fill req->caller and req->credential, or refuse, as the route's `who` says. */
NODISCARD enum err fn_authenticate(struct fn_req *req);

/* ---- sqlroute.c ---- */

/* Where a request's inputs are: its path, its JSON, and its query, read once. */
struct fn_inputs {
    const struct fn_req *req;
    struct query_param *query;
    size_t query_count;
};
/* Every input that a route describes, checked; the missing ones are named together. */
NODISCARD enum err fn_read_inputs(struct fn_req *req, const struct fn_input_doc *inputs,
                                  struct fn_inputs *ret);
/* Check the inputs, call, answer with the JSON that comes. */
NODISCARD enum err fn_serve_sql(struct fn_req *req, struct fn_res *res);

/* ---- cors.c, answer.c, stream.c, failure.c ---- */

extern const char fn_cors_headers[];
void fn_write_preflight(struct fn_req *req, struct fn_res *res);
void fn_write_failure(struct fn_req *req, struct fn_res *res, enum err e);
/* CGI headers and body in one block. */
struct str fn_compose(struct fn_req *req, const struct fn_res *res);
/* Headers that no answer is without. */
#define FN_EVERY_ANSWER                                                                            \
    "Access-Control-Allow-Origin: *\r\n"                                                           \
    "Access-Control-Expose-Headers: *\r\n"                                                         \
    "X-Content-Type-Options: nosniff\r\n"
/* What is allowed at this address (RFC 9110, 10.2.1). */
void fn_allow(struct fn_req *req, struct fn_res *res);
/* The handler of a streamed answer has returned: its last block.  False: nothing of it was sent, and
 * the failure is answered like any other. */
bool fn_stream_end(struct fn_req *req, struct fn_res *res, enum err *e, struct str *ret_block);
/* Of a request that needed more memory than its cap: made in what was put aside for it before. */
#define FN_SPARE_BYTES 512
struct str fn_out_of_memory_answer(const struct task *task, char spare[FN_SPARE_BYTES]);

/* ---- schedule.c ---- */

void fn_schedule_start(const struct fn_spec *spec);
/* No further run is begun; `ended` is called when one that is under way has ended. */
void fn_schedule_stop(void (*ended)(void));
int64_t fn_schedule_running(void);

#endif
