/*
 * A worker's life: it serves on the listening socket, runs the schedule, is watched over, rests
 * when nothing comes, and drains when it is told to end.
 */
#include "fn/internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/shared.h"
#include "db/query.h"
#include "fn/limit.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "loop/wait.h"
#include "net/request.h"
#include "net/server.h"

#define READ_TIMEOUT_MS  10000
#define DRAIN_EXTRA_MS   5000 /* nginx closes unused kept connections within 2 s */
#define STALLED_LOG_MS   1000
#define STALLED_ABORT_MS 30000
#define REST_AGAIN_MS    1000
#define REST_NO_DB_S     60

static const struct fn_spec *spec; /* a worker serves one */
static bool draining;

/* ---- rest: memory that only load needs goes back to the system ---- */

static struct loop_timer rest_timer;
static int64_t answered_ms; /* the last request */
static int64_t rest_after_ms;

/* It rests when nothing runs, the last answer is DB_IDLE_S old, and the database connections, which
 * are closed by the same measure, are gone: so rarely that what is made anew with the next request
 * (page faults, tokens read again, a connection to the provider) does not count.  Those that work
 * on a schedule use their connection every few seconds, and never rest. */
static void
rest(struct loop_timer *t)
{
    const int64_t now = clock_ms();
    const int64_t due_ms = answered_ms + rest_after_ms;

    if (now < due_ms || co_count() > 0 || db_connections() > 0) {
        loop_timer_set(t, MAX(due_ms, now + REST_AGAIN_MS));
        return;
    }
    loop_rest();
}

/* A request has been answered: rest when none has come for a while. */
static void
rest_later(void)
{
    answered_ms = loop_now_ms();
    if (rest_timer.slot != 0)
        return;
    rest_after_ms =
        1000 * (setting_is_loaded(&cfg_db_idle_s) ? setting_int(&cfg_db_idle_s) : REST_NO_DB_S);
    rest_timer.fire = rest;
    loop_timer_set(&rest_timer, answered_ms + rest_after_ms);
}

static struct str
serve(struct task *task, const struct net_request *http, bool too_large)
{
    const struct str block = fn_serve(spec, task, http, too_large);

    rest_later();
    return block;
}

static size_t
body_limit(struct task *task, struct net_request *http)
{
    return fn_body_limit(spec, task, http);
}

/* The longest body of any route. */
static size_t
body_max(void)
{
    size_t most = 0;

    for (const struct fn_route *r = spec->routes; r->methods != 0; r++)
        most = MAX(most, r->body_max);
    return most;
}

/* "GET,HEAD /functions/v1/x" of each route, for the metrics. */
static void
name_routes(void)
{
    static char labels[FN_ROUTES_MAX][METRIC_LABEL_SIZE];
    const char *names[FN_ROUTES_MAX];
    size_t count = 0;

    for (const struct fn_route *r = spec->routes; r != NULL && r->methods != 0; r++) {
        struct buf methods;

        buf_init_heap(&methods, 64);
        fn_methods_text(r->methods, ",", &methods);
        (void)snprintf(labels[count], METRIC_LABEL_SIZE, "%s %s%s", methods.ptr, spec->route,
                       r->path);
        buf_release(&methods);
        names[count] = labels[count];
        count++;
    }
    metric_routes(names, count);
}

/* ---- the end ---- */

static struct loop_watch signals;
static struct loop_timer drain_limit;

/* While draining: nothing runs and nginx has let go of every connection. */
static void
leave_if_idle(void)
{
    if (fn_in_flight() + fn_schedule_running() == 0 && server_connections() == 0)
        loop_exit();
}

static void
cut_drain(struct loop_timer *t UNUSED)
{
    const int64_t running = fn_in_flight() + fn_schedule_running();

    if (running > 0)
        log_event(LOG_WARN, "drain_cut", NULL, "requests were still running",
                  LOG_NUM("in_flight", running));
    loop_exit();
}

/* End: at once when nothing runs, else when the last request is answered. */
static void
start_drain(void)
{
    if (draining)
        return;
    draining = true;
    fn_schedule_stop(leave_if_idle);
    drain_limit.fire = cut_drain;
    loop_timer_set(&drain_limit, clock_ms() + spec->timeout_ms + DRAIN_EXTRA_MS);
    if (spec->route != NULL)
        server_drain(leave_if_idle);
    else
        leave_if_idle();
}

static void
signal_arrived(struct loop_watch *w, uint32_t events UNUSED)
{
    struct signalfd_siginfo info;

    if (read(w->fd, &info, sizeof info) == sizeof info)
        start_drain();
}

static void
watch_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigdelset(&set, SIGHUP); /* a terminal's goodbye; the master handles it */
    signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    signals.ready = signal_arrived;
    MUST(signals.fd >= 0);
    loop_watch(&signals, EPOLLIN);
}

/* ---- watched over ---- */

/* RUN_DIR/NAME.log-level, while it is there, says from which level on this function logs; without
 * it LOG_LEVEL does.  `./deploy.sh log-level` writes it. */
static void
follow_log_level(void)
{
    char path[512], text[16] = "";
    enum log_level level;

    (void)snprintf(path, sizeof path, "%s/%s.log-level", setting_text(&cfg_run_dir), spec->name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        const ssize_t n = read(fd, text, sizeof text - 1);

        (void)close(fd);
        text[MAX(n, 0)] = '\0';
        text[strcspn(text, "\n")] = '\0';
    }
    if (log_level_read(fd >= 0 ? text : setting_text(&cfg_log_level), &level))
        log_set_level(level);
}

static void
say_alive(void)
{
    metric_set(METRIC_ALIVE, wall_us() / 1000000);
}

/* A handler that never waits would hold every other request up: say so, and end the process when
 * it goes on (the master starts another). */
static void *
watchdog(void *unused UNUSED)
{
    const struct timespec second = {.tv_sec = 1};
    bool told = false;

    for (;;) {
        (void)nanosleep(&second, NULL);
        const int64_t busy_ms = loop_busy_ms();

        if (busy_ms > STALLED_ABORT_MS)
            die("the event loop has been held up for %lld ms", (long long)busy_ms);
        if (busy_ms > STALLED_LOG_MS && !told)
            log_event(LOG_ERROR, "loop_stalled", NULL, "a handler does not give way",
                      LOG_NUM("busy_ms", busy_ms));
        told = busy_ms > STALLED_LOG_MS;
        if (!told)
            say_alive();
        follow_log_level();
        metric_set_max(METRIC_STACK_HIGH_WATER, (int64_t)co_stack_high_water());
    }
    return NULL;
}

static void
start_watchdog(void)
{
    pthread_t thread;
    pthread_attr_t attr;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, 256 * 1024);
    if (pthread_create(&thread, &attr, watchdog, NULL) != 0)
        die("cannot start the watchdog");
    (void)pthread_attr_destroy(&attr);
    (void)pthread_detach(thread);
}

/* ---- the life ---- */

/* The lines of one turn of the loop are written together, when it ends. */
static void
flush_log_after_turn(void)
{
    static struct loop_hook hook = {.fn = log_flush};

    loop_at_end_of_turn(&hook);
}

int
fn_worker(const struct fn_spec *s, int listen_fd, int ready_fd)
{
    const char *run_dir = setting_text(&cfg_run_dir);

    spec = s;
    /* A master that was killed cannot tell its workers: the kernel does. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)prctl(PR_SET_NAME,
                s->name); /* started by a descriptor, it would be called by its number */
    loop_init();
    watch_signals();
    if (!metric_open(run_dir, s->name) || !limit_open(run_dir, s->name))
        log_event(LOG_WARN, "run_dir", NULL, "metrics or rate limits are not shared",
                  LOG_TEXT("run_dir", run_dir));
    name_routes();
    metric_add(METRIC_WORKER_STARTS, 1);
    say_alive();
    if (s->start != NULL)
        s->start();
    if (s->route != NULL)
        server_start(&(struct server){
            .listen_fd = listen_fd,
            .body_max = body_max(),
            .body_limit = body_limit,
            .memory_max = s->memory_max != 0 ? s->memory_max : FN_MEMORY_DEFAULT,
            .read_timeout_ms = READ_TIMEOUT_MS,
            .serve = serve,
        });
    if (s->run != NULL)
        fn_schedule_start(s);
    start_watchdog();
    if (ready_fd >= 0) {
        if (write(ready_fd, "r", 1) != 1)
            return 1; /* the master is gone */
        (void)close(ready_fd);
    }
    log_hold(flush_log_after_turn);
    loop_run();
    log_flush();
    return 0;
}
