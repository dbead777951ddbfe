/*
 * checks: the checks of a system, for its function `health`: is it there (/live), can it do its
 * work (no path, /ready), and in figures (/metrics, which nginx maps from a loopback-only
 * location).
 *
 * The platform's own health knows the database and the functions.  An application that depends on
 * more has a function `health` of its own, with further checks in its table.
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_HEALTH_CHECKS_H
#define FFX_HEALTH_CHECKS_H

#include "fn/answer.h"
#include "fn/spec.h"

struct health_check {
    const char *name;
    /* Write the members of the check's object by health_write; false: it failed. */
    bool (*check)(struct fn_req *req, struct json_writer *w, const char *name);
    bool needed; /* without it the system is unhealthy, not degraded */
};

/* The time a check may take, so that one that hangs leaves the others theirs. */
#define HEALTH_CHECK_MS 3000

/* The platform's checks: the database answers; every function of this machine has a worker that
 * turns. */
bool health_database(struct fn_req *req, struct json_writer *w, const char *name);
bool health_functions(struct fn_req *req, struct json_writer *w, const char *name);

/* "name": {"status", "response_time_ms", "error" when it is not ok} */
void health_write(struct json_writer *w, const char *name, bool ok, int64_t started_us,
                  const char *problem);

/* Readiness by these checks, which end with a NULL name. */
NODISCARD enum err health_ready(struct fn_req *req, struct fn_res *res,
                                const struct health_check *checks);

/* Handlers of their routes. */
enum err health_live(struct fn_req *req, struct fn_res *res);
enum err health_figures(struct fn_req *req, struct fn_res *res);

#endif
