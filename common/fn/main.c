/* main() of every function: options, configuration, then master or worker. */
#include "fn/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

#ifndef FFX_VERSION
#define FFX_VERSION "unknown"
#endif

/* Descriptors a worker gets from its master (fn_master.c). */
#define WORKER_LISTEN_FD 3
#define WORKER_READY_FD  4

static bool
load_settings(const struct fn_spec *spec)
{
    struct fn_settings settings;
    struct buf problems;
    enum log_level level = LOG_INFO;

    fn_settings_of(spec, &settings);
    buf_init_heap(&problems, 16 * 1024);
    bool ok = config_load(settings.ids, settings.count, &problems);
    if (ok && !log_level_read(config_text(CFG_LOG_LEVEL), &level)) {
        buf_add_text(&problems, "LOG_LEVEL: must be debug, info, warn or error\n");
        ok = false;
    }
    if (ok && spec->dev_only && !config_bool(CFG_NOWPAYMENTS_SANDBOX_MODE)) {
        buf_add_text(&problems, "NOWPAYMENTS_SANDBOX_MODE: must be true, this function is for "
                                "development only\n");
        ok = false;
    }
    if (!ok)
        (void)fprintf(stderr, "%s: cannot start, the configuration is not complete:\n%s",
                      spec->name, problems.ptr);
    buf_release(&problems);
    log_init(spec->name, level);
    return ok;
}

int
fn_main(const struct fn_spec *spec, int argc, char **argv)
{
    const char *option = argc == 2 ? argv[1] : "";

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
        (void)printf("%s: configuration is complete\n", spec->name);
        return 0;
    }
    if (getenv("FFX_WORKER") != NULL)
        return fn_worker(spec, WORKER_LISTEN_FD, WORKER_READY_FD);
    return fn_master(spec, argv[0]);
}
