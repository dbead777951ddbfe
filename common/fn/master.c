/*
 * The process that owns a function's socket and its workers.
 *
 * It listens, and never serves: the socket lives on while workers crash, are replaced (SIGHUP:
 * new ones from the program file, ready, then the old ones drain) or end (SIGTERM).  The socket
 * comes from LISTEN_FDS (systemd) or is bound aside and renamed into place, so that a second
 * master takes over from a first without a moment without a socket.
 */
#include "fn/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shared.h"

#define BACKLOG        1024
#define READY_LIMIT_MS 10000
#define RESTART_MIN_MS 10 /* pause before a crashed worker is replaced, doubled up to … */
#define RESTART_MAX_MS 2000
#define SYSTEMD_FD     3    /* where LISTEN_FDS begin */
#define STABLE_MS      5000 /* a worker that lived this long was healthy */
#define GIVE_UP_AFTER  5    /* starts in a row that failed, when no worker is left */

struct worker {
    pid_t pid;
    int64_t started_ms;
    bool old; /* told to drain */
};

static struct {
    const struct fn_spec *spec;
    char program[2048];
    int program_fd; /* the file that workers are started from; -1: forked from this image */
    int listen_fd;
    char socket_path[sizeof((struct sockaddr_un *)0)->sun_path];
    struct worker workers[2 * FN_WORKERS_MAX]; /* old and new side by side */
    int wanted;
    int64_t restart_ms;
    int failed; /* starts in a row */
    int64_t generation;
    bool ending;
    sigset_t inherited_mask;
} m;

/* ---- the socket ---- */

static int
inherited_socket(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

    if (pid == NULL || fds == NULL || strcmp(fds, "1") != 0 ||
        strtol(pid, NULL, 10) != (long)getpid())
        return -1;
    return SYSTEMD_FD;
}

static int
bind_aside(void)
{
    struct sockaddr_un aside = {.sun_family = AF_UNIX};
    const char *run_dir = setting_text(&cfg_run_dir);
    const int n =
        snprintf(m.socket_path, sizeof m.socket_path, "%s/%s.sock", run_dir, m.spec->name);
    const int k = snprintf(aside.sun_path, sizeof aside.sun_path, "%s/%s.sock.%ld", run_dir,
                           m.spec->name, (long)getpid());

    if (n >= (int)sizeof m.socket_path || k >= (int)sizeof aside.sun_path)
        die("RUN_DIR is too long for a socket path (at most %zu bytes in all): %s",
            sizeof aside.sun_path - 1, run_dir);

    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    (void)unlink(aside.sun_path);
    if (bind(fd, (struct sockaddr *)&aside, sizeof aside) != 0)
        die("cannot bind %s: %s. Does RUN_DIR exist, and may this user write there?",
            aside.sun_path, strerror(errno));
    if (chmod(aside.sun_path, 0660) != 0 || listen(fd, BACKLOG) != 0 ||
        rename(aside.sun_path, m.socket_path) != 0)
        die("cannot listen on %s: %s", m.socket_path, strerror(errno));
    return fd;
}

static void
open_socket(void)
{
    if (m.spec->route == NULL) {
        m.listen_fd = -1;
        return;
    }
    m.listen_fd = inherited_socket();
    if (m.listen_fd >= 0) {
        const int flags = fcntl(m.listen_fd, F_GETFL);

        (void)fcntl(m.listen_fd, F_SETFL, flags | O_NONBLOCK);
        (void)fcntl(m.listen_fd, F_SETFD, FD_CLOEXEC);
    } else {
        m.listen_fd = bind_aside();
    }
}

/* ---- small files beside the socket, for health, operators, deploy.sh and systemd's reload:
 * pid; generation, which rises with each start and reload; refused, with each reload that failed
 * ---- */

static void
number_path(const char *suffix, char ret[512])
{
    (void)snprintf(ret, 512, "%s/%s.%s", setting_text(&cfg_run_dir), m.spec->name, suffix);
}

static void
write_number(const char *suffix, int64_t number)
{
    char path[512], aside[520];

    number_path(suffix, path);
    (void)snprintf(aside, sizeof aside, "%s.new", path);
    FILE *f = fopen(aside, "we");
    if (f == NULL)
        return;
    (void)fprintf(f, "%lld\n", (long long)number);
    if (fclose(f) == 0)
        (void)rename(aside, path);
}

static int64_t
read_number(const char *suffix)
{
    char path[512];
    long long n = 0;

    number_path(suffix, path);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lld", &n) != 1)
        n = 0;
    (void)fclose(f);
    return n;
}

/* An orderly end: nobody is missed.  The number may be that of the next master. */
static void
forget_pid(void)
{
    char path[512];

    if (read_number("pid") != getpid())
        return;
    number_path("pid", path);
    (void)unlink(path);
}

/* Tell systemd (Type=notify), when it asks. */
static void
notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (path == NULL || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
    (void)close(fd);
}

/* ---- workers ---- */

static void NORETURN
exec_worker(int ready_fd)
{
    /* Each descriptor may sit where another has to go. */
    const int program_copy = fcntl(m.program_fd, F_DUPFD_CLOEXEC, 10);
    const int listen_copy = m.listen_fd < 0 ? -1 : fcntl(m.listen_fd, F_DUPFD, 10);
    const int ready_copy = fcntl(ready_fd, F_DUPFD, 10);

    if (listen_copy >= 0)
        (void)dup2(listen_copy, FN_LISTEN_FD);
    (void)dup2(ready_copy, FN_READY_FD);
    if (listen_copy >= 0)
        (void)close(listen_copy);
    (void)close(ready_copy);
    (void)sigprocmask(SIG_SETMASK, &m.inherited_mask, NULL);
    (void)setenv("FFX_WORKER", "1", 1);
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("NOTIFY_SOCKET");
    /* By its descriptor: the name may stand for a file that did not come up. */
    char *const argv[] = {m.program, NULL};
    (void)fexecve(program_copy, argv, environ);
    _exit(127);
}

/* The life of a worker, in a process of its own.  Until the first reload it is a copy of this one,
 * which saves loading the program again; later the program is another one. */
static void NORETURN
be_worker(int ready_fd)
{
    if (m.program_fd >= 0)
        exec_worker(ready_fd);
    (void)sigprocmask(SIG_SETMASK, &m.inherited_mask, NULL);
    exit(fn_worker(m.spec, m.listen_fd, ready_fd));
}

/* Start one worker and wait until it serves; 0 when it did not come up. */
static pid_t
start_worker(void)
{
    int ready[2];
    char byte;
    bool ok = false;

    if (pipe2(ready, O_CLOEXEC) != 0)
        return 0;
    const pid_t pid = fork();
    if (pid == 0) {
        (void)close(ready[0]); /* or a worker could not see that its master is gone */
        be_worker(ready[1]);
    }
    (void)close(ready[1]);
    if (pid > 0) {
        struct pollfd p = {.fd = ready[0], .events = POLLIN};
        int n;

        do
            n = poll(&p, 1, READY_LIMIT_MS);
        while (n < 0 && errno == EINTR);
        ok = n == 1 && read(ready[0], &byte, 1) == 1;
        if (!ok) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, NULL, 0);
        }
    }
    (void)close(ready[0]);
    return ok ? pid : 0;
}

static bool
add_worker(void)
{
    const pid_t pid = start_worker();

    if (pid == 0) {
        log_event(LOG_ERROR, "worker_failed", NULL, "a new worker did not come up",
                  LOG_TEXT("program", m.program));
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(m.workers); i++) {
        if (m.workers[i].pid != 0)
            continue;
        m.workers[i] = (struct worker){.pid = pid, .started_ms = clock_ms()};
        return true;
    }
    die("no place for a worker");
}

static int
count_workers(bool old)
{
    int n = 0;

    for (size_t i = 0; i < ARRAY_LEN(m.workers); i++)
        n += m.workers[i].pid != 0 && m.workers[i].old == old;
    return n;
}

static void
tell_workers(int signal_number)
{
    for (size_t i = 0; i < ARRAY_LEN(m.workers); i++)
        if (m.workers[i].pid != 0)
            (void)kill(m.workers[i].pid, signal_number);
}

static void
reap(void)
{
    int status;

    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (size_t i = 0; i < ARRAY_LEN(m.workers); i++) {
            struct worker *w = &m.workers[i];

            if (w->pid != pid)
                continue;
            if (!w->old && !m.ending) {
                log_event(
                    LOG_ERROR, "worker_died", NULL,
                    WIFSIGNALED(status) ? "killed by a signal" : "ended by itself",
                    LOG_NUM("pid", pid),
                    LOG_NUM("code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
                if (clock_ms() - w->started_ms >= STABLE_MS)
                    m.restart_ms = 0;
            }
            *w = (struct worker){0};
        }
    }
}

/* Let `count` workers drain: the oldest, or the youngest. */
static void
retire(int count, bool youngest)
{
    for (; count > 0; count--) {
        struct worker *pick = NULL;

        for (size_t i = 0; i < ARRAY_LEN(m.workers); i++) {
            struct worker *w = &m.workers[i];

            if (w->pid == 0 || w->old)
                continue;
            if (pick == NULL || (w->started_ms < pick->started_ms) != youngest)
                pick = w;
        }
        MUST(pick != NULL);
        pick->old = true;
        (void)kill(pick->pid, SIGTERM);
    }
}

/* As many new workers beside the old ones as are wanted; false when one did not come up, and then
 * none is left of them. */
static bool
start_wanted(void)
{
    int started = 0;

    while (started < m.wanted &&
           count_workers(true) + count_workers(false) < (int)ARRAY_LEN(m.workers) && add_worker())
        started++;
    if (started == m.wanted)
        return true;
    log_event(LOG_ERROR, "replace_failed", NULL, "the old workers go on",
              LOG_NUM("started", started), LOG_NUM("wanted", m.wanted));
    retire(started, true);
    return false;
}

/* SIGHUP: the program file may have changed.  One whose workers come up is what workers are started
 * from until the next reload; another one is forgotten, whatever lies there under its name. */
static void
replace_workers(void)
{
    const int old_fd = m.program_fd;

    if (m.ending)
        return;
    m.program_fd = open(m.program, O_RDONLY | O_CLOEXEC);
    if (m.program_fd < 0 || !start_wanted()) {
        if (m.program_fd < 0)
            log_event(LOG_ERROR, "replace_failed", NULL, strerror(errno),
                      LOG_TEXT("program", m.program));
        else
            (void)close(m.program_fd);
        m.program_fd = old_fd;
        write_number("refused", read_number("refused") + 1);
        return;
    }
    if (old_fd >= 0)
        (void)close(old_fd);
    retire(count_workers(false) - m.wanted, false);
    write_number("generation", ++m.generation);
    log_event(LOG_INFO, "workers_replaced", NULL, NULL, LOG_NUM("generation", m.generation));
}

/* Keep the wanted number alive; returns ms until the next try, -1 for none.  With nobody left who
 * serves and nobody who comes up the process ends: then whoever looks after services sees it. */
static int
restore_workers(void)
{
    while (!m.ending && count_workers(false) < m.wanted) {
        if (m.restart_ms > 0) {
            const struct timespec pause = {.tv_sec = m.restart_ms / 1000,
                                           .tv_nsec = m.restart_ms % 1000 * 1000000};
            (void)nanosleep(&pause, NULL);
        }
        m.restart_ms = MIN(MAX(m.restart_ms * 2, RESTART_MIN_MS), RESTART_MAX_MS);
        if (!add_worker()) {
            if (++m.failed >= GIVE_UP_AFTER && count_workers(false) == 0) {
                log_event(LOG_ERROR, "gave_up", NULL, "no worker comes up",
                          LOG_NUM("tries", m.failed));
                exit(1);
            }
            return (int)m.restart_ms;
        }
        m.failed = 0;
    }
    return -1;
}

static void
handle_signal(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof info) != sizeof info)
        return;
    switch (info.ssi_signo) {
    case SIGCHLD:
        reap();
        break;
    case SIGHUP:
        replace_workers();
        break;
    default: /* SIGTERM, SIGINT */
        m.ending = true;
        notify("STOPPING=1");
        tell_workers(SIGTERM);
        break;
    }
}

static int
open_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, &m.inherited_mask);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The path to start workers from: absolute, links unresolved, so that a deploy may switch them. */
static void
remember_program(const char *program)
{
    char cwd[1024];
    int n = -1;

    if (program[0] == '/')
        n = snprintf(m.program, sizeof m.program, "%s", program);
    else if (strchr(program, '/') != NULL && getcwd(cwd, sizeof cwd) != NULL)
        n = snprintf(m.program, sizeof m.program, "%s/%s", cwd, program);
    else if ((n = (int)readlink("/proc/self/exe", m.program, sizeof m.program - 1)) > 0)
        m.program[n] = '\0';
    if (n <= 0 || n >= (int)sizeof m.program)
        die("cannot tell the path of this program from %s", program);
}

int
fn_master(const struct fn_spec *spec, const char *program)
{
    m.spec = spec;
    m.program_fd = -1;
    remember_program(program);
    m.wanted = spec->route == NULL ? 1 : (int)setting_int(&cfg_workers);
    const int signals = open_signals();
    open_socket();
    m.generation = read_number("generation");
    write_number("pid", getpid());
    for (int i = 0; i < m.wanted; i++)
        if (!add_worker())
            return 1;
    write_number("generation", ++m.generation);
    log_event(LOG_INFO, "started", NULL, NULL, LOG_NUM("workers", m.wanted),
              LOG_NUM("generation", m.generation));
    notify("READY=1");
    for (;;) {
        struct pollfd p = {.fd = signals, .events = POLLIN};

        reap();
        if (m.ending && count_workers(true) + count_workers(false) == 0)
            break;
        const int retry_ms = restore_workers();
        if (poll(&p, 1, retry_ms) == 1)
            handle_signal(signals);
    }
    forget_pid();
    log_event(LOG_INFO, "stopped", NULL, NULL, LOG_NUM("generation", m.generation));
    return 0;
}
