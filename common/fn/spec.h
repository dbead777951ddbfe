/*
 * spec: what a function is, and the way a request takes.
 *
 * A function is one `static const struct fn_spec` and
 *     int main(int argc, char **argv) { return fn_main(&spec, argc, argv); }
 * with a table of routes.  The runtime does, in this order: the route (by method and path; 404 and
 * 405 with Allow otherwise), CORS, size, who calls, rate limit, content type and JSON, the handler
 * or the route's SQL call, the answer, one log line and metrics; all under the time budget.
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

struct fn_foreign;
struct fn_req;
struct fn_res;
struct fn_sql;
struct task;

enum fn_method {
    FN_GET = 1, /* HEAD too: the same without a body */
    FN_POST = 2,
    FN_PUT = 4,
    FN_PATCH = 8,
    FN_DELETE = 16,
    FN_ANY = 31,     /* any method but OPTIONS */
    FN_OPTIONS = 32, /* OPTIONS that is no preflight; without it the runtime answers both */
};

/* Who may call, as a mask.  A token that is brought is always checked where the mask names one. */
enum fn_who {
    FN_NOBODY = 1,     /* who brings no token */
    FN_ANON = 2,       /* the anonymous (publishable) key */
    FN_USER = 4,       /* a user's token (role authenticated, with sub) */
    FN_STAFF = 8,      /* a token of role staff, with sub: a user too */
    FN_SERVICE = 16,   /* the service-role (secret) key */
    FN_SIGNATURE = 32, /* open for the runtime; the handler checks a signature over the body */
    FN_KEY = 64, /* who has a key of this system in `apikey`; the handler looks at the bearer */
    FN_FOREIGN = 128, /* a token of another issuer, of those in `.foreign` of the spec */
};

enum fn_body {
    FN_BODY_NONE, /* is not looked at; more than body_max is 413 all the same */
    FN_BODY_JSON, /* a JSON object, parsed into req->json; of GET and DELETE none is asked for */
    FN_BODY_RAW,  /* as it came, in req->http->body */
};

/* One answer in the OpenAPI document. */
struct fn_answer_doc {
    int status;
    const char *text;
};

/* One input in the OpenAPI document, and what an SQL route checks before it calls. */
struct fn_input_doc {
    const char *name;
    const char *type; /* "string", "number", "integer", "uuid", "boolean", or "a|b|c" */
    bool required;
    const char *text;
};

/* What a route answers to one pattern of paths.  The first row that fits counts. */
struct fn_route {
    unsigned methods; /* enum fn_method bits; 0 ends the table */
    /* Behind the spec's route: "" itself, "/live", "/orders/:id" (one segment, not empty), and with
     * a slash and a star at its end every longer path.  fn_param(req, "id") and fn_tail(req) say
     * what stood there. */
    const char *path;
    unsigned who; /* enum fn_who bits */
    enum fn_body body;
    size_t body_max; /* bytes; more is 413 */
    int rate_calls;  /* per rate_window_s and caller; 0: no limit */
    /* Instead of rate_calls, what an operator sets (SETTING_INT, of the spec's settings); NULL. */
    const struct setting *rate;
    int rate_window_s;
    const char *cache;                   /* Cache-Control of what it answers well; NULL: no-store */
    const char *summary;                 /* one line; NULL: the spec's */
    const struct fn_input_doc *inputs;   /* ended by a NULL name */
    const struct fn_answer_doc *answers; /* ended by status 0 */
    /* One of the two. */
    enum err (*handle)(struct fn_req *req, struct fn_res *res);
    struct fn_sql *sql; /* sqlroute.h */
};

#define FN_ROUTES_MAX 64 /* of one function */
#define FN_PARAMS_MAX 8  /* of one pattern */

struct fn_spec {
    const char *app;     /* whose it is: "platform", or an application; = functions/APP/NAME */
    const char *name;    /* = the folder's and executable's name */
    const char *summary; /* one line */
    const char *route;   /* "/functions/v1/NAME"; NULL: schedule only */
    const struct fn_route *routes;
    const char *signature; /* the header of FN_SIGNATURE, for the OpenAPI document */
    bool key_needed; /* the gateway's rule: routes that ask who calls answer 401 without a known
                      * `apikey`, whatever token there is */
    bool compressed; /* nginx compresses its answers: not where secrets stand beside what others
                        wrote */
    /* Who reads tokens of other issuers, for routes of FN_FOREIGN (&issuers of issuers/issuers.h);
     * NULL: nobody. */
    const struct fn_foreign *foreign;
    /* How a failure looks on the wire (failure.h); NULL: fn_failure_shop. */
    void (*failure)(struct fn_req *req, struct fn_res *res, enum err e);
    size_t memory_max; /* arena cap; 0: 1 MiB for a request, 4 MiB for a run */
    int timeout_ms;    /* budget of one request or run */
    /* The lists of settings it needs (db_settings of db/query.h among them when it uses the
     * database), ended by NULL; NULL: none.  What the runtime needs for this spec comes by itself.
     */
    struct setting *const *const *settings;
    const char *db_connections; /* DB_CONNECTIONS where it is not set; NULL: as db has it */
    /* Not installed in production, and started only where this switch is true; NULL: none. */
    const struct setting *dev_only;

    /* Called in each worker before it serves, on the loop; NULL: nothing. */
    void (*start)(void);

    /* Scheduled work: `run` is called every `every_ms` by one process of all that run this
     * function anywhere (the database hands out each turn). */
    int every_ms;
    enum err (*run)(struct task *task);
};

int fn_main(const struct fn_spec *spec, int argc, char **argv);

#endif
