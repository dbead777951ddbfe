/*
 * spec: what a function is, and the way a request takes.
 *
 * A function is one `static const struct fn_spec` and
 *     int main(int argc, char **argv) { return fn_main(&spec, argc, argv); }
 * The runtime does, in this order: CORS, method, size, path, authentication, rate limit, content
 * type and JSON, the handler, the answer, one log line and metrics; all under the time budget.
 * `NAME --spec` prints the spec; nginx locations, service units, the OpenAPI document and the
 * tables in docs/ are made from that.
 *
 * Handlers free nothing, log no failures and never block.  They return ERR_OK after writing an
 * answer, or an error after fail_set.  answer.h has what they write answers with.
 */
#ifndef FFX_FN_SPEC_H
#define FFX_FN_SPEC_H

#include "base/err.h"
#include "base/setting.h"

struct fn_req;
struct fn_res;
struct task;

enum fn_method {
    FN_GET = 1,
    FN_POST = 2,
    FN_PUT = 4,
    FN_PATCH = 8,
    FN_DELETE = 16,
    FN_ANY = 31, /* any method but OPTIONS, which the runtime answers */
};

enum fn_auth {
    FN_AUTH_NONE,      /* open */
    FN_AUTH_SIGNATURE, /* open for the runtime; the handler checks a signature over the body */
    FN_AUTH_USER,      /* a user's token (role authenticated, with sub) */
    FN_AUTH_SERVICE,   /* the service-role key */
    FN_AUTH_ANY_TOKEN, /* either of the two; the handler looks at req->caller.role */
};

/* One answer in the OpenAPI document. */
struct fn_answer_doc {
    int status;
    const char *text;
};

/* One input in the OpenAPI document. */
struct fn_input_doc {
    const char *name;
    const char *type; /* "string", "number", "uuid", "boolean", or "a|b|c" for an enumeration */
    bool required;
    const char *text;
};

struct fn_spec {
    const char *app;     /* whose it is: "platform", or an application; = functions/APP/NAME */
    const char *name;    /* = the folder's and executable's name */
    const char *summary; /* one line */
    const char *route;   /* "/functions/v1/NAME"; NULL: schedule only */
    bool subpaths;       /* also serves route/… */
    unsigned methods;    /* enum fn_method bits */
    enum fn_auth auth;
    const char *signature; /* the header of FN_AUTH_SIGNATURE, for the OpenAPI document */
    bool json_body;        /* body must be a JSON object, parsed into req->json */
    size_t body_max;       /* bytes; more is 413 */
    size_t memory_max;     /* arena cap; 0: 1 MiB for a request, 4 MiB for a run */
    int timeout_ms;        /* budget of one request or run */
    int rate_calls;        /* per rate_window_s and caller; 0: no limit */
    int rate_window_s;
    /* The lists of settings it needs (db_settings of db/query.h among them when it uses the
     * database), ended by NULL; NULL: none.  What the runtime needs for this spec comes by itself.
     */
    struct setting *const *const *settings;
    /* Not installed in production, and started only where this switch is true; NULL: none. */
    const struct setting *dev_only;
    const struct fn_input_doc *inputs;   /* ended by a NULL name */
    const struct fn_answer_doc *answers; /* ended by status 0 */

    enum err (*handle)(struct fn_req *req, struct fn_res *res);

    /* Scheduled work: `run` is called every `every_ms` by one process of all that run this
     * function anywhere (the database hands out each turn). */
    int every_ms;
    enum err (*run)(struct task *task);
};

int fn_main(const struct fn_spec *spec, int argc, char **argv);

#endif
