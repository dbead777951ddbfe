/* main() of every function: options, configuration, then master or worker. */
#include "fn/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/task.h"
#include "fn/keys.h"
#include "fn/schema.h"
#include "loop/loop.h"
#include "loop/wait.h"

#ifndef FFX_VERSION
#define FFX_VERSION "unknown"
#endif

#define SCHEMA_CHECK_MS 3000

static bool
load_settings(const struct fn_spec *spec)
{
    struct setting *settings[FN_SETTINGS_MAX];
    const size_t count = fn_settings_of(spec, settings);
    struct buf problems;
    enum log_level level = LOG_INFO;

    buf_init_heap(&problems, 16 * 1024);
    bool ok = settings_load(settings, count, &problems);
    if (ok && spec->dev_only != NULL && !setting_bool(spec->dev_only)) {
        buf_printf(&problems, "%s: must be true, this function is for development only\n",
                   spec->dev_only->env);
        ok = false;
    }
    const char *keys = ok && fn_takes_token(spec) ? fn_keys_problem() : NULL;
    if (keys != NULL) {
        buf_printf(&problems, "%s\n", keys);
        ok = false;
    }
    if (ok)
        MUST(log_level_read(setting_text(&cfg_log_level), &level));
    else
        (void)fprintf(stderr, "%s: cannot start, the configuration is not complete:\n%s",
                      spec->name, problems.ptr);
    buf_release(&problems);
    log_init(spec->name, level);
    return ok;
}

/* What a spec must say, for the parts of it that go together. */
static void
check_spec(const struct fn_spec *spec)
{
    MUST(spec->app != NULL && spec->name != NULL && spec->summary != NULL && spec->timeout_ms > 0);
    MUST((spec->route != NULL) == (spec->routes != NULL));
    MUST((spec->run != NULL) == (spec->every_ms > 0));
    MUST(spec->route != NULL || spec->run != NULL);
    for (const struct fn_route *r = spec->routes; r != NULL && r->methods != 0; r++) {
        MUST(r - spec->routes < FN_ROUTES_MAX && r->path != NULL && r->who != 0);
        MUST((r->handle != NULL) != (r->sql != NULL));
        MUST(r->rate_calls >= 0 && (r->rate_calls == 0 || r->rate == NULL));
        MUST((r->rate_calls > 0 || r->rate != NULL) == (r->rate_window_s > 0));
        MUST(r->body == FN_BODY_NONE || r->body_max > 0);
        MUST((r->who & FN_SIGNATURE) == 0 || spec->signature != NULL);
        MUST((r->who & FN_FOREIGN) == 0 || spec->foreign != NULL);
    }
}

/* ---- --check: is the database the one this program was built for? ---- */

struct schema_check {
    const struct fn_spec *spec;
    const char *problem; /* NULL: none */
};

static enum err
ask_schema(struct task *task, void *check)
{
    return fn_schema_check(task, &((struct schema_check *)check)->problem);
}

static void
check_schema(void *arg)
{
    struct schema_check *check = arg;
    struct task task = {.arena = arena_new((size_t)64 * 1024),
                        .deadline_ms = clock_ms() + SCHEMA_CHECK_MS};

    if (task_run(&task, ask_schema, check) != ERR_OK)
        check->problem = "the database does not answer; its schema was not compared";
    if (check->problem != NULL)
        (void)fprintf(stderr, "%s: warning: %s\n", check->spec->name, check->problem);
    arena_free(task.arena);
    loop_exit();
}

/* The settings are good; a database that is not there, or is older or newer, is only told of: it
 * may come, or be migrated next. */
static void
check(const struct fn_spec *spec)
{
    struct schema_check check = {.spec = spec};

    (void)printf("%s: configuration is complete\n", spec->name);
    if (!fn_uses_db(spec))
        return;
    loop_init();
    co_start(check_schema, &check);
    loop_run();
}

int
fn_main(const struct fn_spec *spec, int argc, char **argv)
{
    const char *option = argc == 2 ? argv[1] : "";

    check_spec(spec);
    if (strcmp(option, "--spec") == 0) {
        fn_print_spec(spec);
        return 0;
    }
    if (strcmp(option, "--version") == 0) {
        (void)printf("%s %s\n", spec->name, FFX_VERSION);
        return 0;
    }
    if (strcmp(option, "--help") == 0) {
        fn_print_help(spec);
        return 0;
    }
    if (argc > 1 && strcmp(option, "--check") != 0) {
        (void)fprintf(stderr, "%s: unknown option. Try %s --help\n", spec->name, spec->name);
        return 2;
    }
    if (!load_settings(spec))
        return 1;
    if (argc > 1) {
        check(spec);
        return 0;
    }
    if (getenv("FFX_WORKER") != NULL)
        return fn_worker(spec, FN_LISTEN_FD, FN_READY_FD);
    return fn_master(spec, argv[0]);
}
