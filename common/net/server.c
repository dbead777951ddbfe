#include "net/server.h"

#include <errno.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <fcgios.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/killpoint.h"
#include "loop/loop.h"

#define FREE_ARENAS_MAX   64
#define WRITE_TIMEOUT_MS  10000
#define DRAIN_BEYOND      (1024 * 1024) /* body bytes read and thrown away before we give up */
#define ACCEPT_PER_EVENT  16
#define ACCEPT_PAUSE_MS   100         /* when descriptors ran out */
#define PARAMS_MAX        (64 * 1024) /* all parameters; nginx lets in 32 KiB of headers */
#define RECORD_CONTENT    65528
#define RECORDS_PER_WRITE 8

struct conn {
    struct loop_watch watch;
    struct co *reader;        /* coroutine that waits for input, or NULL */
    struct co *writer;        /* coroutine that waits for room, or NULL */
    int64_t read_deadline_ms; /* of the request being read */
    bool busy;                /* a coroutine serves this connection */
    bool input;               /* something arrived while busy */
    bool hup;                 /* the peer sends nothing more; told once, so we keep it */
};

static struct fcgi_server server;
static struct loop_watch listener;
static struct loop_timer accept_again;
static void (*drained)(void);
static size_t connections;

/* Connections by descriptor: libfcgi's OS layer knows nothing else. */
static struct conn **conn_of_fd;
static int conn_of_fd_room;

static struct arena *free_arenas[FREE_ARENAS_MAX];
static size_t free_arena_count;

/* ---- the OS layer libfcgi reads through (declared in fcgios.h) ---- */

#pragma GCC visibility push(default)

/* Read like read(2), but a socket that has nothing suspends the coroutine. */
int
OS_Read(int fd, char *buf, size_t len)
{
    struct conn *c = conn_of_fd[fd];

    for (;;) {
        const ssize_t n = read(fd, buf, len);

        if (n >= 0)
            return (int)n;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -1;
        c->reader = co_self();
        const bool in_time = co_wait_until(c->read_deadline_ms);
        c->reader = NULL;
        if (!in_time) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}

/* libfcgi's way out of a broken request is to close and accept the next connection.  Ours: the
 * connection stays ours to close, and there is no next one. */
int
OS_IpcClose(int fd UNUSED, int do_shutdown UNUSED)
{
    return 0;
}

int
OS_Accept(int listen_fd UNUSED, int fail_on_intr UNUSED, const char *allowed UNUSED)
{
    errno = EBADF;
    return -1;
}

#pragma GCC visibility pop

/* ---- connections ---- */

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

/* ---- one request in ---- */

/* "HTTP_X_REQUEST_ID" -> "x-request-id" */
static struct str
header_name(struct arena *a, const char *param, size_t len)
{
    char *name = arena_copy(a, (struct str){param, len});

    for (size_t i = 0; i < len; i++) {
        if (name[i] == '_')
            name[i] = '-';
        else if (name[i] >= 'A' && name[i] <= 'Z')
            name[i] = (char)(name[i] - 'A' + 'a');
    }
    return (struct str){name, len};
}

/* Parameters we use, by name; the first occurrence counts, as for libfcgi itself. */
static const struct {
    const char *name;
    size_t offset;
} known_params[] = {
    {"REQUEST_METHOD", offsetof(struct fn_req, method)},
    {"PATH_INFO", offsetof(struct fn_req, path)},
    {"QUERY_STRING", offsetof(struct fn_req, query)},
    {"CONTENT_TYPE", offsetof(struct fn_req, content_type)},
    {"REMOTE_ADDR", offsetof(struct fn_req, remote_addr)},
};

static void
take_param(struct fn_req *req, struct header *headers, const char *param)
{
    const char *eq = strchr(param, '=');

    if (eq == NULL)
        return;

    const size_t name_len = (size_t)(eq - param);
    const char *value = eq + 1;
    const size_t value_len = strlen(value);

    if (name_len > 5 && memcmp(param, "HTTP_", 5) == 0) {
        headers[req->header_count++] = (struct header){
            header_name(req->arena, param + 5, name_len - 5),
            {arena_copy(req->arena, (struct str){value, value_len}), value_len},
        };
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(known_params); i++) {
        struct str *field = (struct str *)(void *)((char *)req + known_params[i].offset);

        if (strlen(known_params[i].name) == name_len && field->ptr == NULL &&
            memcmp(known_params[i].name, param, name_len) == 0)
            *field = (struct str){arena_copy(req->arena, (struct str){value, value_len}), value_len};
    }
    if (name_len == 10 && memcmp(param, "REQUEST_ID", 10) == 0 && req->id[0] == '\0')
        memcpy(req->id, value, MIN(value_len, sizeof req->id - 1));
}

/* False when there are more than a request may have. */
static bool
take_params(struct fn_req *req, char **envp)
{
    size_t count = 0;
    size_t bytes = 0;

    for (; envp[count] != NULL; count++) {
        bytes += strlen(envp[count]) + sizeof(struct header);
        if (bytes > PARAMS_MAX)
            return false;
    }

    struct header *headers = ARENA_ARRAY(req->arena, struct header, count + 1);

    for (size_t i = 0; i < count; i++)
        take_param(req, headers, envp[i]);
    req->headers = headers;
    return true;
}

enum body_state { BODY_COMPLETE, BODY_TOO_LARGE, BODY_BROKEN };

/* Read standard input to its end, whatever the handler will want of it. */
static enum body_state
read_body(struct fn_req *req, FCGX_Stream *in, size_t announced)
{
    static char waste[2048]; /* shared: nobody reads it */
    size_t beyond = 0;
    char *body = arena_alloc(req->arena, MIN(announced, server.body_max) + 1);
    size_t len = 0;

    if (announced <= server.body_max) {
        len = (size_t)FCGX_GetStr(body, (int)announced, in);
        body[len] = '\0';
    }
    for (int n; (n = FCGX_GetStr(waste, sizeof waste, in)) > 0;) {
        beyond += (size_t)n;
        if (beyond > DRAIN_BEYOND)
            return BODY_BROKEN;
    }
    if (FCGX_GetError(in) != 0)
        return BODY_BROKEN;
    if (announced > server.body_max)
        return BODY_TOO_LARGE;
    if (len != announced || beyond != 0)
        return BODY_BROKEN;
    req->body = (struct str){body, len};
    return BODY_COMPLETE;
}

static size_t
announced_length(char **envp)
{
    const char *text = FCGX_GetParam("CONTENT_LENGTH", envp);
    size_t n = 0;

    if (text == NULL)
        return 0;
    for (; *text >= '0' && *text <= '9' && n < SIZE_MAX / 16; text++)
        n = n * 10 + (size_t)(*text - '0');
    return n;
}

struct incoming {
    int request_id;
    bool keep; /* the peer wants the connection kept */
};

/* Read one request; BODY_BROKEN also when the parameters were. */
static enum body_state
read_request(struct conn *c, struct fn_req *req, struct incoming *ret)
{
    FCGX_Request fcgi;
    enum body_state state = BODY_BROKEN;

    c->read_deadline_ms = clock_ms() + server.read_timeout_ms;
    MUST(FCGX_InitRequest(&fcgi, -1, 0) == 0);
    fcgi.ipcFd = c->watch.fd;
    fcgi.keepConnection = 1; /* or its first act would be to close our descriptor */
    if (FCGX_Accept_r(&fcgi) != 0)
        return BODY_BROKEN;
    ret->request_id = fcgi.requestId;
    ret->keep = fcgi.keepConnection != 0;
    if (fcgi.role == FCGI_RESPONDER && take_params(req, fcgi.envp))
        state = read_body(req, fcgi.in, announced_length(fcgi.envp));
    FCGX_Free(&fcgi, 0);
    return state;
}

/* ---- one answer out ---- */

static void
record_header(uint8_t h[8], int type, int request_id, size_t content)
{
    h[0] = FCGI_VERSION_1;
    h[1] = (uint8_t)type;
    h[2] = (uint8_t)(request_id >> 8);
    h[3] = (uint8_t)request_id;
    h[4] = (uint8_t)(content >> 8);
    h[5] = (uint8_t)content;
    h[6] = 0; /* no padding */
    h[7] = 0;
}

/* Write all of `iov`, suspending while the socket is full. */
static bool
write_all(struct conn *c, struct iovec *iov, int count)
{
    const int64_t deadline_ms = clock_ms() + WRITE_TIMEOUT_MS;
    const uint32_t watched = c->watch.events;
    bool ok = true;

    while (count > 0 && ok) {
        ssize_t n = writev(c->watch.fd, iov, count);

        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return false;
            loop_watch(&c->watch, watched | EPOLLOUT);
            c->writer = co_self();
            ok = co_wait_until(deadline_ms);
            c->writer = NULL;
            loop_watch(&c->watch, watched);
            continue;
        }
        for (; count > 0 && (size_t)n >= iov->iov_len; iov++, count--)
            n -= (ssize_t)iov->iov_len;
        if (count > 0) {
            iov->iov_base = (char *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    return ok;
}

/* STDOUT records with the answer, the empty record that ends them, END_REQUEST. */
static bool
write_answer(struct conn *c, int request_id, struct str answer)
{
    uint8_t headers[RECORDS_PER_WRITE][8];
    uint8_t end[8 + 16];
    struct iovec iov[2 * RECORDS_PER_WRITE + 1];

    record_header(end, FCGI_STDOUT, request_id, 0);
    record_header(end + 8, FCGI_END_REQUEST, request_id, 8);
    memset(end + 16, 0, 8); /* exit status 0, FCGI_REQUEST_COMPLETE */
    for (;;) {
        int count = 0;

        for (int i = 0; i < RECORDS_PER_WRITE && answer.len > 0; i++) {
            const size_t part = MIN(answer.len, RECORD_CONTENT);

            record_header(headers[i], FCGI_STDOUT, request_id, part);
            iov[count++] = (struct iovec){headers[i], 8};
            iov[count++] = (struct iovec){(void *)(uintptr_t)answer.ptr, part};
            answer.ptr += part;
            answer.len -= part;
        }
        if (answer.len == 0)
            iov[count++] = (struct iovec){end, sizeof end};
        if (!write_all(c, iov, count))
            return false;
        if (answer.len == 0)
            return true;
    }
}

/* ---- a connection's coroutine: one request after the other, while there is input ---- */

/* True when the connection can take another request. */
static bool
serve_one(struct conn *c)
{
    struct incoming in = {0};
    bool again = false;
    struct arena *a = arena_take();
    struct fn_req *req = ARENA_NEW(a, struct fn_req);

    req->arena = a;
    const enum body_state state = read_request(c, req, &in);
    if (state != BODY_BROKEN) {
        KILL_POINT("client", "request", "read");
        const struct str answer = server.serve(req, state == BODY_TOO_LARGE);

        KILL_POINT("client", "answer", "before");
        again = write_answer(c, in.request_id, answer) && in.keep;
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

static void
conn_ready(struct loop_watch *w, uint32_t events)
{
    struct conn *c = CONTAINER_OF(w, struct conn, watch);

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
fcgi_server_start(const struct fcgi_server *config)
{
    static struct loop_hook rest = {.fn = forget_arenas};

    server = *config;
    MUST(FCGX_Init() == 0);
    listener.fd = server.listen_fd;
    listener.ready = listener_ready;
    accept_again.fire = accept_resume;
    loop_at_rest(&rest);
    loop_watch(&listener, EPOLLIN | EPOLLEXCLUSIVE);
}

void
fcgi_server_drain(void (*done)(void))
{
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
fcgi_server_connections(void)
{
    return connections;
}
