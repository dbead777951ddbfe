/*
 * A request in.  libfcgi parses it, and reads through its OS layer (OS_Read of fcgios.h), which we
 * supply, so that a half-sent request suspends its coroutine and not the process.
 */
#include "net/internal.h"

#include <errno.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <fcgios.h>
#include <unistd.h>

#include "base/text.h"
#include "loop/wait.h"

#define DRAIN_BEYOND (1024 * 1024) /* body bytes read and thrown away before we give up */
#define PARAMS_MAX   (64 * 1024)   /* all parameters; nginx lets in 32 KiB of headers */

/* ---- the OS layer libfcgi reads through (declared in fcgios.h) ---- */

#pragma GCC visibility push(default)

/* Read like read(2), but a socket that has nothing suspends the coroutine. */
int
OS_Read(int fd, char *buf, size_t len)
{
    struct conn *c = conn_of(fd);

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

/* ---- one request in ---- */

/* "HTTP_X_REQUEST_ID" -> "x-request-id" */
static struct str
header_name(struct arena *a, const char *param, size_t len)
{
    char *name = arena_copy(a, (struct str){param, len});

    for (size_t i = 0; i < len; i++)
        name[i] = name[i] == '_' ? '-' : ascii_lower(name[i]);
    return (struct str){name, len};
}

/* Parameters we use, by name; the first occurrence counts, as for libfcgi itself. */
static const struct {
    const char *name;
    size_t offset;
} known_params[] = {
    {"REQUEST_METHOD", offsetof(struct net_request, method)},
    {"PATH_INFO", offsetof(struct net_request, path)},
    {"REQUEST_URI", offsetof(struct net_request, uri)},
    {"QUERY_STRING", offsetof(struct net_request, query)},
    {"CONTENT_TYPE", offsetof(struct net_request, content_type)},
    {"REMOTE_ADDR", offsetof(struct net_request, remote_addr)},
};

static void
take_param(struct task *task, struct net_request *http, struct header *headers, const char *param)
{
    const char *eq = strchr(param, '=');

    if (eq == NULL)
        return;

    const size_t name_len = (size_t)(eq - param);
    const char *value = eq + 1;
    const size_t value_len = strlen(value);

    if (name_len > 5 && memcmp(param, "HTTP_", 5) == 0) {
        headers[http->header_count++] = (struct header){
            header_name(task->arena, param + 5, name_len - 5),
            {arena_copy(task->arena, (struct str){value, value_len}), value_len},
        };
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(known_params); i++) {
        struct str *field = (struct str *)(void *)((char *)http + known_params[i].offset);

        if (strlen(known_params[i].name) == name_len && field->ptr == NULL &&
            memcmp(known_params[i].name, param, name_len) == 0)
            *field =
                (struct str){arena_copy(task->arena, (struct str){value, value_len}), value_len};
    }
    if (name_len == 10 && memcmp(param, "REQUEST_ID", 10) == 0 && task->id[0] == '\0')
        memcpy(task->id, value, MIN(value_len, sizeof task->id - 1));
}

/* False when there are more than a request may have. */
static bool
take_params(struct task *task, struct net_request *http, char **envp)
{
    size_t count = 0;
    size_t bytes = 0;

    for (; envp[count] != NULL; count++) {
        bytes += strlen(envp[count]) + sizeof(struct header);
        if (bytes > PARAMS_MAX)
            return false;
    }

    struct header *headers = ARENA_ARRAY(task->arena, struct header, count + 1);

    for (size_t i = 0; i < count; i++)
        take_param(task, http, headers, envp[i]);
    http->headers = headers;
    return true;
}

/* Read standard input to its end, whatever the handler will want of it. */
static enum body_state
read_body(struct arena *a, FCGX_Stream *in, size_t announced, size_t body_max, struct str *ret)
{
    static char waste[2048]; /* shared: nobody reads it */
    size_t beyond = 0;
    char *body = arena_bytes(a, MIN(announced, body_max) + 1);
    size_t len = 0;

    if (announced <= body_max) {
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
    if (announced > body_max)
        return BODY_TOO_LARGE;
    if (len != announced || beyond != 0)
        return BODY_BROKEN;
    *ret = (struct str){body, len};
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

enum body_state
fcgi_read(struct conn *c, size_t (*body_limit)(struct task *task, struct net_request *http),
          struct task *task, struct net_request *ret, struct incoming *ret_in)
{
    FCGX_Request fcgi;
    enum body_state state = BODY_BROKEN;

    MUST(FCGX_InitRequest(&fcgi, -1, 0) == 0);
    fcgi.ipcFd = c->watch.fd;
    fcgi.keepConnection = 1; /* or its first act would be to close our descriptor */
    if (FCGX_Accept_r(&fcgi) != 0)
        return BODY_BROKEN;
    ret_in->request_id = fcgi.requestId;
    ret_in->keep = fcgi.keepConnection != 0;
    if (fcgi.role == FCGI_RESPONDER && take_params(task, ret, fcgi.envp))
        state = read_body(task->arena, fcgi.in, announced_length(fcgi.envp), body_limit(task, ret),
                          &ret->body);
    FCGX_Free(&fcgi, 0);
    return state;
}

void
fcgi_init(void)
{
    MUST(FCGX_Init() == 0);
}
