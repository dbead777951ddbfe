/*
 * log: one JSON line per event on standard error (journald or a log file reads it).
 *
 * {"timestamp","level","service","event","request_id"?,"data"?{…},"error"?}
 *
 * Only the runtime logs requests and failures; handlers call log_event for business facts worth
 * a line of their own.  Lines are at most LOG_LINE_MAX bytes, and whole ones go into a write(2), so
 * that processes sharing a log never mix lines.  Nothing here allocates.  Values whose key names a
 * secret (password, token, authorization, apikey, secret, signature) print as "***".
 * Thread rule: any thread.
 */
#ifndef FFX_BASE_LOG_H
#define FFX_BASE_LOG_H

#include "base/prelude.h"

#define LOG_LINE_MAX 4096

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Name of the service in every line, and the lowest level that is written. */
void log_init(const char *service, enum log_level min_level);
/* Another lowest level from now on. */
void log_set_level(enum log_level min_level);
bool log_enabled(enum log_level level);
/* "debug", "info", "warn", "error" */
NODISCARD bool log_level_read(const char *text, enum log_level *ret);

struct log_field {
    const char *key;
    const char *text; /* NULL: use number */
    int64_t number;
};

#define LOG_TEXT(key, text)  ((struct log_field){(key), (text) == NULL ? "" : (text), 0})
#define LOG_NUM(key, number) ((struct log_field){(key), NULL, (number)})

/* From now on this thread's lines are held back until log_flush, which `ask` has to see to: it is
 * called with each that is held.  A warning or an error is written at once, with those before it,
 * and a full page of lines too. */
void log_hold(void (*ask)(void));
void log_flush(void);

/* `request_id` and `error` may be NULL. */
void log_write(enum log_level level, const char *event, const char *request_id, const char *error,
               const struct log_field *fields, size_t count);

#define log_event(level, event, request_id, error, ...)                                            \
    log_write((level), (event), (request_id), (error), (const struct log_field[]){__VA_ARGS__},    \
              ARRAY_LEN(((const struct log_field[]){__VA_ARGS__})))

#endif
