/*
 * Streamed answers, over FastCGI to a worker (a forked process with server, handler and database),
 * from a client that is fast, slow or gone.
 */
#include "check_db.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "db/stream.h"
#include "fn/internal.h"
#include "fn/request.h"
#include "fn/spec.h"
#include "fn/stream.h"
#include "net/server.h"

#if defined(__SANITIZE_ADDRESS__)
#define ROWS    20000
#define MOST_KB 0 /* not measured */
#else
#define ROWS    1000000
#define MOST_KB 8192
#endif
#define ROW_BYTES 200 /* with its end of line */

/* ---- the worker ---- */

static enum err
stream(struct fn_req *req, struct fn_res *res)
{
    const struct db_step step = {
        .sql = "SELECT repeat('r', $1::int - 1) || E'\\n', 1/($3::int - i) FROM generate_series(1, "
               "$2::int) i",
        .params = (const char *const[]){"200",
                                        str_is(req->http->query, "short")
                                            ? "9"
                                            : arena_printf(req->task->arena, "%d", ROWS),
                                        str_is(req->http->query, "failing") ? "9999"
                                        : str_is(req->http->query, "wrong") ? "1"
                                                                            : "0"},
        .param_count = 3};
    struct db_stream *s;
    struct db_row row;

    fn_header_set(req, res, "X-Rows", "many");
    fn_stream_begin(req, res, 200, "text/plain");
    TRY(db_stream_open(req->task, &(struct db_script){.steps = &step, .count = 1}, &s));
    for (;;) {
        TRY(db_stream_next(s, &row));
        if (row.result == NULL)
            return ERR_OK;
        TRY(fn_stream_add(req, res, db_str(&row, 0)));
        if (str_is(req->http->query, "greedy"))
            (void)arena_alloc(req->task->arena, 1024);
    }
}

static const struct fn_route routes[] = {
    {.methods = FN_GET, .path = "", .who = FN_NOBODY, .handle = stream},
    {0},
};
static const struct fn_spec spec = {
    .app = "test", .name = "stream", .route = "/stream", .routes = routes, .timeout_ms = 6000};

static size_t
body_limit(struct task *task, struct net_request *http)
{
    return fn_body_limit(&spec, task, http);
}

static struct str
serve(struct task *task, const struct net_request *http, bool too_large)
{
    return fn_serve(&spec, task, http, too_large);
}

static char folder[64], socket_path[80], log_path[80];
static pid_t worker;

static struct sockaddr_un
address(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", socket_path);
    return a;
}

static int
start_worker(void **state UNUSED)
{
    const struct sockaddr_un a = address();
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (server == NULL)
        return 0;
    MUST(bind(listener, (const struct sockaddr *)(const void *)&a, sizeof a) == 0 &&
         listen(listener, 16) == 0);
    worker = fork();
    if (worker == 0) {
        const int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

        (void)dup2(log, STDERR_FILENO);
        (void)signal(SIGPIPE, SIG_IGN);
        log_init("stream", LOG_INFO);
        server_start(&(struct server){.listen_fd = listener,
                                      .memory_max = FN_MEMORY_DEFAULT,
                                      .read_timeout_ms = 5000,
                                      .body_limit = body_limit,
                                      .serve = serve});
        loop_run();
        _exit(0);
    }
    (void)close(listener);
    return 0;
}

static int
stop_worker(void **state UNUSED)
{
    int status;

    if (server == NULL)
        return 0;
    (void)kill(worker, SIGKILL);
    (void)waitpid(worker, &status, 0);
    return 0;
}

static int64_t
worker_peak_kb(void)
{
    char path[64], line[256];
    int64_t kb = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)worker);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    (void)fclose(f);
    return kb;
}

/* The worker's line for this request, once it is there. */
static const char *
log_line(const char *id, const char *event)
{
    static char line[4096];

    for (int i = 0; i < 200; i++) {
        FILE *f = fopen(log_path, "r");

        while (f != NULL && fgets(line, sizeof line, f) != NULL)
            if (strstr(line, id) != NULL && strstr(line, event) != NULL) {
                (void)fclose(f);
                return line;
            }
        if (f != NULL)
            (void)fclose(f);
        (void)usleep(20000);
    }
    fail_msg("no %s of %s", event, id);
    return "";
}

/* ---- the client ---- */

static void
put(uint8_t **to, int type, const void *content, size_t len)
{
    const uint8_t head[8] = {1, (uint8_t)type, 0, 1, (uint8_t)(len >> 8), (uint8_t)len, 0, 0};

    memcpy(*to, head, sizeof head);
    if (len > 0)
        memcpy(*to + sizeof head, content, len);
    *to += sizeof head + len;
}

static int
ask(const char *method, const char *query, const char *id)
{
    static const uint8_t begin[8] = {0, 1, 1};
    const char *const pairs[][2] = {
        {"REQUEST_METHOD", method}, {"QUERY_STRING", query}, {"REQUEST_ID", id}};
    const struct timeval patience = {.tv_sec = 30};
    uint8_t bytes[1024], params[512], *to = bytes, *p = params;
    const struct sockaddr_un a = address();
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        *p++ = (uint8_t)strlen(pairs[i][0]);
        *p++ = (uint8_t)strlen(pairs[i][1]);
        for (int k = 0; k < 2; k++) {
            memcpy(p, pairs[i][k], strlen(pairs[i][k]));
            p += strlen(pairs[i][k]);
        }
    }
    put(&to, 1, begin, sizeof begin);
    put(&to, 4, params, (size_t)(p - params));
    put(&to, 4, NULL, 0);
    put(&to, 5, NULL, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&a, sizeof a), 0);
    assert_int_equal(write(fd, bytes, (size_t)(to - bytes)), to - bytes);
    return fd;
}

struct answer {
    char head[1024]; /* the first bytes */
    size_t bytes;    /* of the body */
    bool whole;      /* END_REQUEST has come */
};

static bool
read_bytes(int fd, void *to, size_t len)
{
    return len == 0 || recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

/* With `pause_every` bytes there is a pause of a millisecond. */
static struct answer
take(int fd, size_t pause_every)
{
    static char content[65536];
    struct answer ret = {.bytes = 0};
    uint8_t head[8];
    size_t paused_at = pause_every, head_len = 0;

    while (!ret.whole && read_bytes(fd, head, sizeof head)) {
        const size_t len = (size_t)head[4] << 8 | head[5];

        if (!read_bytes(fd, content, len))
            break;
        ret.whole = head[1] == 3;
        if (head[1] != 6)
            continue;
        if (ret.bytes == 0 && len > 0) {
            memcpy(ret.head, content, MIN(len, sizeof ret.head - 1));
            head_len = (size_t)(strstr(ret.head, "\r\n\r\n") + 4 - ret.head);
        }
        ret.bytes += len;
        for (; pause_every > 0 && ret.bytes >= paused_at; paused_at += pause_every)
            (void)usleep(1000);
    }
    ret.bytes -= head_len;
    return ret;
}

static void
whole_answer(size_t pause_every, const char *id)
{
    const int64_t began_ms = clock_ms();
    const int fd = ask("GET", "", id);
    const struct answer got = take(fd, pause_every);
    char bytes[64];

    print_message("%zu bytes in %d ms, worker's peak %d KB\n", got.bytes,
                  (int)(clock_ms() - began_ms), (int)worker_peak_kb());
    assert_true(got.whole);
    assert_int_equal(got.bytes, (size_t)ROWS * ROW_BYTES);
    assert_non_null(strstr(got.head, "Status: 200 OK\r\n"));
    assert_non_null(strstr(got.head, "X-Rows: many\r\n"));
    assert_null(strstr(got.head, "Content-Length"));
    if (MOST_KB > 0)
        assert_in_range(worker_peak_kb(), 1, MOST_KB);
    (void)snprintf(bytes, sizeof bytes, "\"bytes\":%zu", got.bytes);
    assert_non_null(strstr(log_line(id, "\"request\""), bytes));
    (void)close(fd);
}

static void
a_fast_client_gets_all_of_it(void **state UNUSED)
{
    whole_answer(0, "fast");
}

/* For longer than the request's time. */
static void
a_slow_client_gets_all_of_it(void **state UNUSED)
{
    whole_answer((size_t)ROWS * ROW_BYTES / 6000, "slow");
}

static void
a_failure_before_the_first_chunk_is_an_answer_like_any_other(void **state UNUSED)
{
    const int fd = ask("GET", "wrong", "wrong");
    const struct answer got = take(fd, 0);

    assert_true(got.whole);
    assert_non_null(strstr(got.head, "Status: 500 "));
    assert_non_null(strstr(got.head, "Content-Length: "));
    assert_non_null(strstr(got.head, "\"success\":false"));
    assert_non_null(strstr(log_line("wrong", "\"request\""), "22012"));
    (void)close(fd);
}

static void
a_failure_after_it_cuts_the_answer(void **state UNUSED)
{
    const int fd = ask("GET", "failing", "failing");
    const struct answer got = take(fd, 0);
    const char *line = log_line("failing", "\"request\"");

    assert_false(got.whole);
    assert_true(got.bytes > 0 && got.bytes <= 9998 * ROW_BYTES);
    assert_non_null(strstr(line, "\"status\":200"));
    assert_non_null(strstr(line, "ERR_INTERNAL"));
    assert_non_null(strstr(line, "22012"));
    (void)close(fd);
}

static void
an_arena_that_overflows_cuts_it_too(void **state UNUSED)
{
    const int fd = ask("GET", "greedy", "greedy");
    const struct answer got = take(fd, 0);

    assert_false(got.whole);
    assert_true(got.bytes > 0 && got.bytes % FN_STREAM_CHUNK != 1);
    assert_non_null(strstr(log_line("greedy", "\"request\""), "ERR_MEMORY"));
    (void)close(fd);
}

/* Statements of this program's that are under way: others run at the same time. */
#define RUNNING                                                                                    \
    "select count(*) from pg_stat_activity where datname = current_database() "                    \
    "and state = 'active' and query like 'SELECT repeat(%'"

static void
a_client_that_leaves_ends_the_statement(void **state UNUSED)
{
    const int fd = ask("GET", "", "leaver");
    char head[8];

    assert_true(read_bytes(fd, head, sizeof head));
    (void)close(fd);
    assert_non_null(strstr(log_line("leaver", "\"request\""), "ERR_HUP"));
    /* on a busy machine it takes longer than the 100 ms that it takes otherwise */
    for (int tries = 0; strcmp(check_db_ask(RUNNING), "0") != 0; tries++) {
        assert_true(tries < 100);
        (void)usleep(10000);
    }
}

static void
a_short_one_is_whole_and_its_connection_is_kept(void **state UNUSED)
{
    const int fd = ask("GET", "short", "short");
    const struct answer got = take(fd, 0);
    char byte;

    assert_true(got.whole);
    assert_int_equal(got.bytes, 9 * ROW_BYTES);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1); /* open, and nothing behind the end */
    (void)close(fd);
}

static void
for_head_there_are_only_headers(void **state UNUSED)
{
    const int fd = ask("HEAD", "short", "head");
    const struct answer got = take(fd, 0);

    assert_true(got.whole);
    assert_int_equal(got.bytes, 0);
    assert_non_null(strstr(got.head, "Status: 200 OK"));
    (void)close(fd);
}

static const struct CMUnitTest tests[] = {
    DB_TEST(a_fast_client_gets_all_of_it),
    DB_TEST(a_slow_client_gets_all_of_it),
    DB_TEST(a_failure_before_the_first_chunk_is_an_answer_like_any_other),
    DB_TEST(a_failure_after_it_cuts_the_answer),
    DB_TEST(an_arena_that_overflows_cuts_it_too),
    DB_TEST(a_client_that_leaves_ends_the_statement),
    DB_TEST(a_short_one_is_whole_and_its_connection_is_kept),
    DB_TEST(for_head_there_are_only_headers),
};

int
main(void)
{
    (void)snprintf(folder, sizeof folder, "%s", check_folder());
    (void)snprintf(socket_path, sizeof socket_path, "%s/s", folder);
    (void)snprintf(log_path, sizeof log_path, "%s/log", folder);
    const int failed = check_db_main_with("fn_stream", tests, ARRAY_LEN(tests), "true", "true",
                                          start_worker, stop_worker);
    check_remove_folder(folder);
    return failed;
}
