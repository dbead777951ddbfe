/*
 * A setting is fetched (environment, credential file, fallback), checked by its kind and by its own
 * rule, and stored only when all of a function's are good.  Read settings_load first.
 */
#include "base/setting.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/number.h"
#include "base/url.h"

#define FILE_MAX     ((size_t)64 * 1024) /* longest credential file */
#define SHOWN_MAX    80                  /* of a wrong value, in a problem's text */
#define SETTINGS_MAX ((size_t)64)        /* of one function */
#define FOLDER_MAX   ((size_t)400)       /* names are added to it */

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
fetch(const struct setting *s, struct buf *problems)
{
    const char *env = getenv(s->env);
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char *text = NULL;

    if (env != NULL && env[0] != '\0') {
        text = strdup(env);
    } else if (folder != NULL && folder[0] != '\0') {
        char path[4096];
        const int n = snprintf(path, sizeof(path), "%s/%s", folder, s->env);

        if (n < 0 || (size_t)n >= sizeof(path)) {
            buf_printf(problems, "%s: CREDENTIALS_DIRECTORY is too long\n", s->env);
            return NULL;
        }
        text = read_file(path);
        if (text == NULL && errno != ENOENT) {
            buf_printf(problems, "%s: %s: %s\n", s->env, path,
                       errno != 0 ? strerror(errno) : "too long, or not text");
            return NULL;
        }
        if (text != NULL && text[0] == '\0') {
            free(text);
            text = NULL;
        }
    }
    if (text == NULL && s->fallback == NULL) {
        buf_printf(problems, "%s: missing (%s)\n", s->env, s->meaning);
        return NULL;
    }
    if (text == NULL)
        text = strdup(s->fallback);
    if (text == NULL)
        die("out of memory");
    return text;
}

/* ---- checking: NULL, or what the value must be ---- */

static const char *
check_text(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return "must be one line without control characters";
    return NULL;
}

static const char *
check_bare_text(const char *text)
{
    const size_t len = strlen(text);

    if (len > 0 && (text[0] == ' ' || text[len - 1] == ' '))
        return "must not begin or end with a blank";
    return check_text(text);
}

static const char *
check_word(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (*p <= 0x20 || *p >= 0x7F)
            return "must be visible ASCII without blanks";
    return NULL;
}

static const char *
check_link(const char *text)
{
    return url_ok(text) ? NULL : "must be an http:// or https:// URL without blanks";
}

static const char *
check_url(const char *text)
{
    const char *wrong = check_link(text);

    if (wrong != NULL)
        return wrong;
    if (strpbrk(text, "?#") != NULL)
        return "must not have a query or a fragment";
    return text[strlen(text) - 1] == '/' ? "must not end with a slash" : NULL;
}

static const char *
check_service(const char *text)
{
    const char *wrong = check_url(text);

    if (wrong == NULL && !url_is_private(text))
        return "must be an https:// URL; http:// only to this machine";
    return wrong;
}

static const char *
check_folder(const char *text)
{
    if (text[0] != '/' || strlen(text) > FOLDER_MAX)
        return "must be an absolute path of at most 400 bytes";
    return check_bare_text(text);
}

static const char *
check_secret32(const char *text)
{
    return strlen(text) < 32 ? "must have 32 characters or more" : check_text(text);
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
check_int(const struct setting *s, const char *text, char *why, size_t why_size, int64_t *ret)
{
    const int64_t max = s->max != 0 ? s->max : INT32_MAX;
    int64_t n;

    if (!number_i64(str_of(text), &n) || n < s->min || n > max) {
        (void)snprintf(why, why_size, "must be a whole number from %lld to %lld", (long long)s->min,
                       (long long)max);
        return why;
    }
    *ret = n;
    return NULL;
}

static bool
check(const struct setting *s, const char *text, int64_t *ret_number, struct buf *problems)
{
    const char *wrong = NULL;
    char why[96];

    if (text[0] == '\0' && s->fallback != NULL && s->fallback[0] == '\0')
        return true;
    switch (s->kind) {
    case SETTING_TEXT:
        wrong = s->secret ? check_text(text) : check_bare_text(text);
        break;
    case SETTING_LINK:
        wrong = check_link(text);
        break;
    case SETTING_WORD:
        wrong = check_word(text);
        break;
    case SETTING_URL:
        wrong = check_url(text);
        break;
    case SETTING_SERVICE:
        wrong = check_service(text);
        break;
    case SETTING_FOLDER:
        wrong = check_folder(text);
        break;
    case SETTING_INT:
        wrong = check_int(s, text, why, sizeof(why), ret_number);
        break;
    case SETTING_BOOL:
        wrong = check_bool(text, ret_number);
        break;
    case SETTING_SECRET32:
        wrong = check_secret32(text);
        break;
    }
    if (wrong == NULL && s->check != NULL)
        wrong = s->check(text);
    if (wrong == NULL)
        return true;
    if (s->secret)
        buf_printf(problems, "%s: %s\n", s->env, wrong);
    else
        buf_printf(problems, "%s: %s, not \"%.*s\"\n", s->env, wrong, SHOWN_MAX, text);
    return false;
}

/* Whether settings[at] was named before. */
static bool
stands_before(struct setting *const *settings, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (settings[i] == settings[at])
            return true;
    return false;
}

/* Half of a pair says nothing: a login without its password, say. */
static bool
has_its_other(struct setting *const *settings, char *const *texts, const int64_t *numbers,
              size_t count, size_t at, struct buf *problems)
{
    const struct setting *s = settings[at];

    if (s->with == NULL || texts[at] == NULL || texts[at][0] == '\0' ||
        (s->kind == SETTING_BOOL && numbers[at] == 0))
        return true;
    for (size_t i = 0; i < count; i++) {
        if (settings[i] != s->with || stands_before(settings, i) ||
            (texts[i] != NULL && texts[i][0] != '\0'))
            continue;
        buf_printf(problems, "%s: must have %s beside it\n", s->env, s->with->env);
        return false;
    }
    return true;
}

bool
settings_load(struct setting *const *settings, size_t count, struct buf *problems)
{
    char *texts[SETTINGS_MAX] = {NULL};
    int64_t numbers[SETTINGS_MAX] = {0};
    bool good = true;

    MUST(count <= SETTINGS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (stands_before(settings, i))
            continue;
        texts[i] = fetch(settings[i], problems);
        if (texts[i] == NULL || !check(settings[i], texts[i], &numbers[i], problems))
            good = false;
    }
    for (size_t i = 0; good && i < count; i++)
        good = has_its_other(settings, texts, numbers, count, i, problems);
    for (size_t i = 0; i < count; i++) {
        if (!good || texts[i] == NULL) {
            free(texts[i]);
            continue;
        }
        free(settings[i]->text);
        settings[i]->text = texts[i];
        settings[i]->number = numbers[i];
    }
    return good;
}

/* ---- values ---- */

const char *
setting_text(const struct setting *s)
{
    if (s->text == NULL)
        die("setting %s is used but not loaded; add it to the function's spec", s->env);
    return s->text;
}

struct str
setting_str(const struct setting *s)
{
    return str_of(setting_text(s));
}

int64_t
setting_int(const struct setting *s)
{
    MUST(s->kind == SETTING_INT);
    (void)setting_text(s);
    return s->number;
}

bool
setting_bool(const struct setting *s)
{
    MUST(s->kind == SETTING_BOOL);
    (void)setting_text(s);
    return s->number != 0;
}

bool
setting_is_loaded(const struct setting *s)
{
    return s->text != NULL;
}
