/* Connections: accepted, served one request after the other, closed. */
#include "net/server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "loop/timer.h"
#include "loop/wait.h"
#include "net/internal.h"

#define FREE_ARENAS_MAX  64
#define ACCEPT_PER_EVENT 16
#define ACCEPT_PAUSE_MS  100 /* when descriptors ran out */

static struct server server;
static struct loop_watch listener;
static struct loop_timer accept_again;
static void (*drained)(void);
static size_t connections;

static struct conn **conn_of_fd;
static int conn_of_fd_room;

static struct arena *free_arenas[FREE_ARENAS_MAX];
static size_t free_arena_count;

/* ---- connections ---- */

struct conn *
conn_of(int fd)
{
    return conn_of_fd[fd];
}

static void
conn_close(struct conn *c)
{
    loop_watch(&c->watch, 0);
    conn_of_fd[c->watch.fd] = NULL;
    (void)close(c->watch.fd);
    free(c);
    if (--connections == 0 && drained != NULL)
        drained();
}

static struct arena *
arena_take(void)
{
    if (free_arena_count > 0)
        return free_arenas[--free_arena_count];
    return arena_new(server.memory_max + server.body_max);
}

static void
arena_give(struct arena *a)
{
    if (free_arena_count < FREE_ARENAS_MAX) {
        arena_reset(a);
        free_arenas[free_arena_count++] = a;
    } else {
        arena_free(a);
    }
}

static void
forget_arenas(void)
{
    while (free_arena_count > 0)
        arena_free(free_arenas[--free_arena_count]);
}

/* ---- a connection's coroutine: one request after the other, while there is input ---- */

/* What the log said of the request is what was answered; this is what became of the answer. */
static void
note_cut(const struct task *task, size_t sent, size_t len)
{
    metric_add(METRIC_ANSWERS_CUT, 1);
    log_event(LOG_WARN, "answer_cut", task->id, "the peer took no more of it",
              LOG_NUM("sent", (int64_t)MIN(sent, len)), LOG_NUM("of", (int64_t)len));
}

/* The end of an answer that was sent in parts, or of one at all; false: the peer does not have it.
 */
static bool
end_answer(const struct net_peer *peer, const struct task *task, struct str answer)
{
    struct conn *c = peer->conn;
    const size_t len = c->sent + answer.len;

    if (c->sent > 0 && (answer.ptr == NULL || answer.len > 0)) {
        metric_add(METRIC_ANSWERS_CUT, 1); /* its request's line says why */
        return false;
    }
    if (answer.ptr != NULL && send_answer(peer, answer, true))
        return true;
    if (task->fail.err != ERR_HUP) /* which was told already */
        note_cut(task, c->sent, len);
    return false;
}

/* True when the connection can take another request. */
static bool
serve_one(struct conn *c)
{
    struct incoming in = {0};
    bool again = false;
    struct arena *a = arena_take();
    struct task *task = ARENA_NEW(a, struct task);
    struct net_request *http = ARENA_NEW(a, struct net_request);

    task->arena = a;
    c->read_deadline_ms = clock_ms() + server.read_timeout_ms;
    const enum body_state state = fcgi_read(c, server.body_limit, task, http, &in);
    if (state != BODY_BROKEN) {
        KILL_POINT("client", "request", "read");
        struct net_peer peer = {c, in.request_id};

        http->peer = &peer;
        c->task = task;
        c->sent = 0;
        task->gone = c->gone;
        const struct str answer = server.serve(task, http, state == BODY_TOO_LARGE);

        KILL_POINT("client", "answer", "before");
        again = end_answer(&peer, task, answer) && in.keep;
        c->task = NULL;
        KILL_POINT("client", "answer", "written");
    }
    arena_give(a);
    return again;
}

/* Bytes that wait: > 0; the peer's end: 0; neither: < 0. */
static ssize_t
peek(const struct conn *c)
{
    char byte;

    return recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

static void
conn_main(void *arg)
{
    struct conn *c = arg;

    do {
        c->input = false;
        if (!serve_one(c)) {
            conn_close(c);
            return;
        }
    } while ((c->input || c->hup) && peek(c) >= 0); /* unread input, or its end */
    c->busy = false;
}

/* The peer has closed, and not only said that it sends nothing more. */
static void
peer_left(struct conn *c)
{
    c->gone = true;
    if (c->task == NULL)
        return;
    c->task->gone = true;
    if (c->task->until_gone != NULL)
        co_wake(c->task->until_gone);
}

static void
conn_ready(struct loop_watch *w, uint32_t events)
{
    struct conn *c = CONTAINER_OF(w, struct conn, watch);

    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        peer_left(c);
    c->hup = c->hup || (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0;
    if (c->writer != NULL && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
        co_wake(c->writer);
        c->writer = NULL;
    } else if (c->reader != NULL) {
        co_wake(c->reader);
        c->reader = NULL;
    } else if (c->busy) {
        c->input = true;
    } else if (c->hup && peek(c) <= 0) {
        conn_close(c); /* nginx is done with a kept connection */
    } else {
        c->busy = true;
        co_start(conn_main, c);
    }
}

static bool
conn_add(int fd)
{
    struct conn *c = calloc(1, sizeof *c);

    if (c == NULL)
        return false;
    if (fd >= conn_of_fd_room) {
        const int room = MAX(256, fd * 2);
        struct conn **grown = realloc(conn_of_fd, (size_t)room * sizeof *grown);

        if (grown == NULL) {
            free(c);
            return false;
        }
        memset(grown + conn_of_fd_room, 0, (size_t)(room - conn_of_fd_room) * sizeof *grown);
        conn_of_fd = grown;
        conn_of_fd_room = room;
    }
    conn_of_fd[fd] = c;
    c->watch.fd = fd;
    c->watch.ready = conn_ready;
    connections++;
    /* Edge-triggered: one registration for the connection's life. */
    loop_watch(&c->watch, EPOLLIN | EPOLLRDHUP | EPOLLET);
    return true;
}

/* ---- accepting ---- */

/* Take up to `most` waiting connections; false when none is left. */
static bool
accept_some(int most)
{
    for (int i = 0; i < most; i++) {
        const int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            if (!conn_add(fd))
                (void)close(fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The backlog keeps them; look again when a descriptor may be free. */
            loop_watch(&listener, 0);
            loop_timer_set(&accept_again, loop_now_ms() + ACCEPT_PAUSE_MS);
            return false;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return false;
        }
    }
    return true;
}

static void
listener_ready(struct loop_watch *w UNUSED, uint32_t events UNUSED)
{
    (void)accept_some(ACCEPT_PER_EVENT);
}

static void
accept_resume(struct loop_timer *t UNUSED)
{
    loop_watch(&listener, EPOLLIN | EPOLLEXCLUSIVE);
}

void
server_start(const struct server *config)
{
    static struct loop_hook rest = {.fn = forget_arenas};

    MUST(config->listen_fd >= 0 && config->serve != NULL && config->body_limit != NULL);
    server = *config;
    fcgi_init();
    listener.fd = server.listen_fd;
    listener.ready = listener_ready;
    accept_again.fire = accept_resume;
    loop_at_rest(&rest);
    loop_watch(&listener, EPOLLIN | EPOLLEXCLUSIVE);
}

void
server_drain(void (*done)(void))
{
    MUST(done != NULL && drained == NULL);
    while (accept_some(ACCEPT_PER_EVENT))
        ;
    loop_timer_clear(&accept_again);
    loop_watch(&listener, 0);
    (void)close(listener.fd);
    drained = done;
    if (connections == 0)
        done();
}

size_t
server_connections(void)
{
    return connections;
}
