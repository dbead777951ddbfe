/*
 * A line is composed in place, piece by piece (put_…), so that it is valid JSON however little room
 * is left; then it is written at once, or held until the turn of the loop ends (log_hold).  Read
 * compose first.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/text.h"

#define TEXT_MAX  1024 /* bytes of one escaped value; more is cut */
#define KEY_MAX   64
#define ERROR_MAX (TEXT_MAX + 16) /* room kept for `error` behind the data, quotes included */
#define TAIL_MAX  4               /* closing braces and the line feed */

_Static_assert(LOG_LINE_MAX <= PIPE_BUF, "a pipe takes a line, or the lines held, whole");

static struct {
    char service[KEY_MAX];
    enum log_level min_level;
} config = {"", LOG_INFO};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

/* One line in the making.  Every put_ either adds its whole piece below `limit`, or nothing, so
 * that the line is valid JSON wherever the room ends. */
struct line {
    char *text; /* LOG_LINE_MAX bytes */
    size_t len;
    size_t limit;
};

void
log_init(const char *service, enum log_level min_level)
{
    (void)snprintf(config.service, sizeof(config.service), "%s", service);
    config.min_level = min_level;
}

void
log_set_level(enum log_level min_level)
{
    __atomic_store_n(&config.min_level, min_level, __ATOMIC_RELAXED);
}

bool
log_enabled(enum log_level level)
{
    return level >= __atomic_load_n(&config.min_level, __ATOMIC_RELAXED);
}

bool
log_level_read(const char *text, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void
put(struct line *l, const char *data, size_t len)
{
    if (len <= l->limit - l->len) {
        memcpy(l->text + l->len, data, len);
        l->len += len;
    }
}

/* A JSON string of at most `max` escaped bytes; what is cut ends in "...". */
static void
put_string(struct line *l, const char *text, size_t max)
{
    const char *end = text + strlen(text);
    const size_t room = l->limit - l->len;

    if (room < 2 + 3)
        return;
    const size_t stop = l->len + 1 + MIN(max, room - 2 - 3);
    bool cut = false;

    l->text[l->len++] = '"';
    while (text < end && !cut) {
        const size_t plain = plain_length(text, (size_t)(end - text));
        const size_t fits = MIN(plain, stop - l->len);
        char piece[JSON_ESCAPE_SIZE];
        size_t taken;

        put(l, text, fits);
        text += fits;
        cut = fits < plain;
        if (cut || text == end)
            break;
        const size_t len = json_escape(text, (size_t)(end - text), piece, &taken);
        cut = len > stop - l->len;
        if (!cut)
            put(l, piece, len);
        text += taken;
    }
    if (cut)
        put(l, "...", 3);
    l->text[l->len++] = '"';
}

/* ,"name":"text" */
static void
put_member(struct line *l, const char *name, const char *text, size_t max)
{
    put(l, ",\"", 2);
    put(l, name, strlen(name));
    put(l, "\":", 2);
    put_string(l, text, max);
}

/* Does the key, without '-' and '_' and in lower case, contain a word that names a secret? */
static bool
is_secret(const char *key)
{
    static const char *const words[] = {"password", "token",  "authorization",
                                        "apikey",   "secret", "signature"};
    char plain[KEY_MAX + 1];
    size_t len = 0;

    for (const char *p = key; *p != '\0' && len < KEY_MAX; p++) {
        if (*p == '-' || *p == '_')
            continue;
        plain[len++] = ascii_lower(*p);
    }
    plain[len] = '\0';
    for (const char *p = plain; *p != '\0'; p++)
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (*p == words[i][0] && strncmp(p, words[i], strlen(words[i])) == 0)
                return true;
    return false;
}

/* "key":value, all of it or nothing. */
static void
put_field(struct line *l, const struct log_field *f, bool first)
{
    const size_t start = l->len;
    const size_t least = KEY_MAX + 3 + 32 + 8; /* longest key, quotes, a number, a short text */

    if (l->limit - start < least)
        return;
    if (!first)
        put(l, ",", 1);
    put_string(l, f->key, KEY_MAX);
    put(l, ":", 1);
    if (is_secret(f->key)) {
        put(l, "\"***\"", 5);
    } else if (f->text != NULL) {
        put_string(l, f->text, TEXT_MAX);
    } else {
        char number[INT64_SIZE];

        put(l, number, int64_format(f->number, number));
    }
}

static void
write_out(const char *text, size_t len)
{
    /* No more than PIPE_BUF, so a pipe takes it whole.  A log that cannot be written must not stop
     * a request: there is nobody left to tell. */
    while (len > 0 && write(STDERR_FILENO, text, len) < 0 && errno == EINTR) {
    }
}

/* The line at `text`; returns its length. */
static size_t
compose(char *text, enum log_level level, const char *event, const char *request_id,
        const char *error, const struct log_field *fields, size_t count)
{
    struct line l = {.text = text, .limit = LOG_LINE_MAX - TAIL_MAX - ERROR_MAX};
    char timestamp[TIMESTAMP_SIZE];

    timestamp_format(wall_us(), timestamp);
    put(&l, "{\"timestamp\":\"", 14);
    put(&l, timestamp, TIMESTAMP_SIZE - 1);
    put(&l, "\"", 1);
    put_member(&l, "level", level_names[level], KEY_MAX);
    put_member(&l, "service", config.service, KEY_MAX);
    put_member(&l, "event", event, 4 * KEY_MAX);
    if (request_id != NULL && request_id[0] != '\0')
        put_member(&l, "request_id", request_id, KEY_MAX);
    if (count > 0) {
        put(&l, ",\"data\":{", 9);
        for (size_t i = 0; i < count; i++)
            put_field(&l, &fields[i], i == 0);
        l.limit += 1;
        put(&l, "}", 1);
    }
    l.limit = LOG_LINE_MAX - TAIL_MAX;
    if (error != NULL)
        put_member(&l, "error", error, TEXT_MAX);
    l.limit = LOG_LINE_MAX;
    put(&l, "}\n", 2);
    return l.len;
}

/* ---- lines held back ---- */

static _Thread_local bool holds; /* this thread does */
static struct {
    void (*ask)(void);
    size_t len; /* at most LOG_LINE_MAX, outside of log_write */
    char text[2 * LOG_LINE_MAX];
} held;

void
log_hold(void (*ask)(void))
{
    MUST(ask != NULL);
    held.ask = ask;
    holds = true;
}

void
log_flush(void)
{
    write_out(held.text, held.len);
    held.len = 0;
}

/* A line of `len` bytes stands behind those that are held: it joins them. */
static void
hold(enum log_level level, size_t len)
{
    if (held.len + len > LOG_LINE_MAX) {
        write_out(held.text, held.len);
        memmove(held.text, held.text + held.len, len);
        held.len = 0;
    }
    held.len += len;
    if (level >= LOG_WARN)
        log_flush();
    else
        held.ask();
}

/* Not inlined: a coroutine, whose stack is small, does not come here. */
static void __attribute__((noinline))
write_now(enum log_level level, const char *event, const char *request_id, const char *error,
          const struct log_field *fields, size_t count)
{
    char text[LOG_LINE_MAX];

    write_out(text, compose(text, level, event, request_id, error, fields, count));
}

void
log_write(enum log_level level, const char *event, const char *request_id, const char *error,
          const struct log_field *fields, size_t count)
{
    if (!log_enabled(level))
        return;
    if (holds)
        hold(level, compose(held.text + held.len, level, event, request_id, error, fields, count));
    else
        write_now(level, event, request_id, error, fields, count);
}
