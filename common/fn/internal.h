/* What the parts of fn share: fn.c (serving), fn_spec.c (--spec, --help), fn_master.c (processes). */
#ifndef FFX_FN_INTERNAL_H
#define FFX_FN_INTERNAL_H

#include "fn/spec.h"

#define FN_MEMORY_DEFAULT ((size_t)1024 * 1024)

/* The settings a spec needs, from `needs`, `settings` and the runtime itself. */
struct fn_settings {
    enum config_id ids[CFG_MAX];
    size_t count;
};
void fn_settings_of(const struct fn_spec *spec, struct fn_settings *ret);

/* "GET, POST" */
void fn_methods_text(unsigned methods, const char *separator, struct buf *out);
const char *fn_auth_name(enum fn_auth auth);

static inline bool
fn_takes_token(const struct fn_spec *spec)
{
    return spec->auth == FN_AUTH_USER || spec->auth == FN_AUTH_SERVICE ||
           spec->auth == FN_AUTH_ANY_TOKEN;
}

/* "fn_payment_webhook"; NULL without a database. */
const char *fn_db_role(const struct fn_spec *spec, char ret[64]);

void fn_print_spec(const struct fn_spec *spec);
void fn_print_help(const struct fn_spec *spec);

/* Own the socket, start and replace workers; returns the exit status. */
int fn_master(const struct fn_spec *spec, const char *program);

/* Serve on `listen_fd` until SIGTERM; tells the master through `ready_fd` when it can. */
int fn_worker(const struct fn_spec *spec, int listen_fd, int ready_fd);

/* Call it when a request has been answered: the worker rests when none has come for a while. */
void fn_rest_later(const struct fn_spec *spec);

#endif
