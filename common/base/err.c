#include "base/err.h"

#include <stdarg.h>

/* The table names levels as log.h does.  log is above err, so the numbers are repeated here;
 * err_test holds the two together. */
enum { LOG_INFO = 1, LOG_WARN = 2, LOG_ERROR = 3 };

static const struct err_info infos[ERR_MAX] = {
#define X(name, status, level, retryable, text) [name] = {#name, status, level, retryable, text},
    ERR_TABLE(X)
#undef X
};

const struct err_info *
err_info(enum err e)
{
    MUST((unsigned)e < ERR_MAX);
    return &infos[e];
}

/* Append the formatted text; what does not fit is cut between two characters of UTF-8. */
static void PRINTF(4, 0) put(char *buffer, size_t size, size_t at, const char *fmt, va_list va)
{
    const int n = vsnprintf(buffer + at, size - at, fmt, va);

    if (n < 0) {
        buffer[at] = '\0';
        return;
    }
    if ((size_t)n < size - at)
        return;
    size_t start = size - 1; /* of the last, perhaps incomplete, character */
    while (start > at && ((unsigned char)buffer[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > at && (unsigned char)buffer[start - 1] >= 0xC0)
        start--;
    else
        start = size - 1;
    const unsigned char lead = (unsigned char)buffer[start];
    const size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
    if (start + want > size - 1)
        buffer[start] = '\0';
}

/* Another error than the one described so far: its text does not belong to this one. */
static void
become(struct fail *f, enum err e)
{
    if (f->err != e) {
        f->text[0] = '\0';
        f->retry_after_s = 0;
        f->sqlstate[0] = '\0';
        f->code = NULL;
        f->statement = NULL;
    }
    f->err = e;
}

enum err
fail_set(struct fail *f, enum err e, const char *fmt, ...)
{
    va_list va;

    if (f == NULL)
        return e;
    become(f, e);
    va_start(va, fmt);
    put(f->text, sizeof(f->text), 0, fmt, va);
    va_end(va);
    return e;
}

enum err
fail_code(struct fail *f, enum err e, const char *code, const char *text)
{
    (void)fail_set(f, e, "%s", text);
    if (f != NULL)
        f->code = code;
    return e;
}

enum err
fail_detail(struct fail *f, enum err e, const char *fmt, ...)
{
    size_t at;
    va_list va;

    if (f == NULL)
        return e;
    at = strlen(f->detail);
    become(f, e);
    if (at > 0 && at < sizeof(f->detail) - 2) {
        memcpy(f->detail + at, "; ", 3);
        at += 2;
    }
    va_start(va, fmt);
    put(f->detail, sizeof(f->detail), at, fmt, va);
    va_end(va);
    return e;
}

enum err
fail_say(struct fail *f, enum err e, const char *text)
{
    if (f == NULL)
        return e;
    become(f, e);
    if (f->text[0] == '\0')
        (void)snprintf(f->text, sizeof(f->text), "%s", text);
    return e;
}

const char *
fail_text(const struct fail *f, enum err e)
{
    return f->err == e && f->text[0] != '\0' ? f->text : err_info(e)->text;
}

const char *
fail_reason(const struct fail *f, enum err e)
{
    return f->detail[0] != '\0' ? f->detail : fail_text(f, e);
}
