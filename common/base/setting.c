#include "base/setting.h"
#include "base/log.h"
#include "base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FILE_MAX  ((size_t)64 * 1024) /* longest credential file */
#define SHOWN_MAX 80                  /* of a wrong value, in a problem's text */

static const struct config_entry entries[CFG_MAX] = {
#define X(id, env, kind, fallback, secret, meaning) [id] = {env, kind, fallback, secret, meaning},
    CONFIG_TABLE(X)
#undef X
};

/* Set by config_load, for the life of the process. */
static struct {
    char *text; /* NULL: not loaded */
    int64_t number;
} values[CFG_MAX];

/* Integer settings with more than "a number from 0". */
static const struct {
    enum config_id id;
    int64_t min;
    int64_t max;
} ranges[] = {
    {CFG_DB_CONNECTIONS, 2, 64},
    {CFG_DB_PREPARE, 0, 1},
    {CFG_WORKERS, 1, 64},
    {CFG_SMTP_PORT, 1, 65535},
    {CFG_NOWPAYMENTS_TIMEOUT_MS, 1, INT32_MAX},
};

const struct config_entry *
config_entry(enum config_id id)
{
    MUST((unsigned)id < CFG_MAX);
    return &entries[id];
}

/* ---- reading ---- */

/* The whole file on the heap without its last line feed, or NULL; errno tells why (0: it holds
 * a NUL or is too long). */
static char *
read_file(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    if (fd < 0)
        return NULL;
    char *text = malloc(FILE_MAX + 2);
    if (text == NULL)
        die("out of memory");
    while (len <= FILE_MAX) {
        const ssize_t n = read(fd, text + len, FILE_MAX + 1 - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            const int why = errno;
            (void)close(fd);
            free(text);
            errno = why;
            return NULL;
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    (void)close(fd);
    if (len > FILE_MAX || memchr(text, '\0', len) != NULL) {
        free(text);
        errno = 0;
        return NULL;
    }
    if (len > 0 && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    return text;
}

/* The value on the heap: environment, then credential file, then default; NULL with a problem
 * written down.  An empty value counts as none. */
static char *
fetch(const struct config_entry *e, struct buf *problems)
{
    const char *env = getenv(e->env);
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char *text = NULL;

    if (env != NULL && env[0] != '\0') {
        text = strdup(env);
    } else if (folder != NULL && folder[0] != '\0') {
        char path[4096];
        const int n = snprintf(path, sizeof(path), "%s/%s", folder, e->env);

        if (n < 0 || (size_t)n >= sizeof(path)) {
            buf_printf(problems, "%s: CREDENTIALS_DIRECTORY is too long\n", e->env);
            return NULL;
        }
        text = read_file(path);
        if (text == NULL && errno != ENOENT) {
            buf_printf(problems, "%s: %s: %s\n", e->env, path,
                       errno != 0 ? strerror(errno) : "too long, or not text");
            return NULL;
        }
        if (text != NULL && text[0] == '\0') {
            free(text);
            text = NULL;
        }
    }
    if (text == NULL && e->fallback == NULL) {
        buf_printf(problems, "%s: missing (%s)\n", e->env, e->meaning);
        return NULL;
    }
    if (text == NULL)
        text = strdup(e->fallback);
    if (text == NULL)
        die("out of memory");
    return text;
}

/* ---- checking: NULL, or what the value must be ---- */

static const char *
check_text(enum config_id id, const char *text)
{
    enum log_level level;

    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return "must be one line without control characters";
    if (id == CFG_LOG_LEVEL && !log_level_read(text, &level))
        return "must be debug, info, warn or error";
    return NULL;
}

static const char *
check_url(const char *text)
{
    static const char wrong[] = "must be an http:// or https:// URL without blanks";
    const size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
                          : strncmp(text, "http://", 7) == 0 ? 7
                                                             : 0;

    if (scheme == 0 || text[scheme] == '\0' || text[scheme] == '/')
        return wrong;
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7F)
            return wrong;
    return text[strlen(text) - 1] == '/' ? "must not end with a slash" : NULL;
}

static const char *
check_secret32(const char *text)
{
    return strlen(text) < 32 ? "must have 32 characters or more" : check_text(CFG_MAX, text);
}

/* As backend.credential_keys() of the database reads them. */
static const char *
check_keys(const char *text)
{
    static const char ids[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    for (;;) {
        const size_t id = strspn(text, ids);
        const size_t digits = text[id] == ':' ? strspn(text + id + 1, "0123456789abcdef") : 0;

        if (id == 0 || id > 16 || digits != 64)
            break;
        text += id + 1 + digits;
        if (*text == '\0')
            return NULL;
        if (*text++ != ',')
            break;
    }
    return "must be id:64 hex digits[,id:64 hex digits…]; an id is up to 16 letters a-z and digits";
}

static const char *
check_bool(const char *text, int64_t *ret)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
        *ret = 1;
    else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
        *ret = 0;
    else
        return "must be true or false";
    return NULL;
}

/* `why` is filled here, because it names the range. */
static const char *
check_int(enum config_id id, const char *text, char *why, size_t why_size, int64_t *ret)
{
    int64_t min = 0;
    int64_t max = INT32_MAX;
    int64_t n;

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (ranges[i].id == id) {
            min = ranges[i].min;
            max = ranges[i].max;
        }
    }
    if (!num_i64(str_of(text), &n) || n < min || n > max) {
        (void)snprintf(why, why_size, "must be a whole number from %lld to %lld", (long long)min,
                       (long long)max);
        return why;
    }
    *ret = n;
    return NULL;
}

static bool
check(enum config_id id, const char *text, int64_t *ret_number, struct buf *problems)
{
    const struct config_entry *e = &entries[id];
    const char *wrong = NULL;
    char why[96];

    switch (e->kind) {
    case CFG_TEXT:
        wrong = check_text(id, text);
        break;
    case CFG_URL:
        wrong = check_url(text);
        break;
    case CFG_INT:
        wrong = check_int(id, text, why, sizeof(why), ret_number);
        break;
    case CFG_BOOL:
        wrong = check_bool(text, ret_number);
        break;
    case CFG_SECRET32:
        wrong = check_secret32(text);
        break;
    case CFG_KEYS:
        wrong = check_keys(text);
        break;
    }
    if (wrong == NULL)
        return true;
    if (e->secret)
        buf_printf(problems, "%s: %s\n", e->env, wrong);
    else
        buf_printf(problems, "%s: %s, not \"%.*s\"\n", e->env, wrong, SHOWN_MAX, text);
    return false;
}

bool
config_load(const enum config_id *ids, size_t count, struct buf *problems)
{
    char *texts[CFG_MAX] = {NULL};
    int64_t numbers[CFG_MAX] = {0};
    bool good = true;

    for (size_t i = 0; i < count; i++) {
        const enum config_id id = ids[i];

        MUST((unsigned)id < CFG_MAX);
        if (texts[id] != NULL)
            continue; /* named twice */
        texts[id] = fetch(&entries[id], problems);
        if (texts[id] == NULL || !check(id, texts[id], &numbers[id], problems))
            good = false;
    }
    for (size_t id = 0; id < CFG_MAX; id++) {
        if (texts[id] == NULL)
            continue;
        if (!good) {
            free(texts[id]);
            continue;
        }
        free(values[id].text);
        values[id].text = texts[id];
        values[id].number = numbers[id];
    }
    return good;
}

/* ---- values ---- */

const char *
config_text(enum config_id id)
{
    MUST((unsigned)id < CFG_MAX);
    if (values[id].text == NULL)
        die("setting %s is used but not loaded; add it to the function's spec", entries[id].env);
    return values[id].text;
}

struct str
config_str(enum config_id id)
{
    return str_of(config_text(id));
}

int64_t
config_int(enum config_id id)
{
    (void)config_text(id);
    MUST(entries[id].kind == CFG_INT);
    return values[id].number;
}

bool
config_bool(enum config_id id)
{
    (void)config_text(id);
    MUST(entries[id].kind == CFG_BOOL);
    return values[id].number != 0;
}
