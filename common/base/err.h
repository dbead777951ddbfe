/*
 * err: every way a request can end, in one table.
 *
 * Functions return `enum err` and pass a failure up with TRY.  Where a failure happens it is
 * described once, with fail_set (text for the client) and fail_detail (text for the log only).
 * Nobody on the way up logs it again; the runtime writes one line with the request id.
 *
 * Columns: name, HTTP status, log level, retryable (the answer carries Retry-After), default
 * text for the client.  The text of a 5xx never holds internal detail.
 */
#ifndef FFX_BASE_ERR_H
#define FFX_BASE_ERR_H

#include "base/prelude.h"

/* clang-format off */
#define ERR_TABLE(X)                                                                            \
    X(ERR_OK,              200, LOG_INFO,  false, "")                                           \
    X(ERR_INVALID,         400, LOG_INFO,  false, "Bad request")                                \
    X(ERR_UNAUTHENTICATED, 401, LOG_INFO,  false, "Missing or invalid authorization")           \
    X(ERR_FORBIDDEN,       403, LOG_INFO,  false, "Unauthorized")                               \
    X(ERR_NOT_FOUND,       404, LOG_INFO,  false, "Not found")                                  \
    X(ERR_METHOD,          405, LOG_INFO,  false, "Method not allowed")                         \
    X(ERR_CONFLICT,        409, LOG_INFO,  true,  "A request for this is already in progress")  \
    X(ERR_TOO_LARGE,       413, LOG_INFO,  false, "Request body too large")                     \
    X(ERR_MEDIA_TYPE,      415, LOG_INFO,  false, "Content-Type must be application/json")      \
    X(ERR_RATE_LIMITED,    429, LOG_INFO,  true,  "Too many requests")                          \
    X(ERR_HUP,             499, LOG_INFO,  false, "Client closed request")                      \
    X(ERR_INTERNAL,        500, LOG_ERROR, false, "Internal server error")                      \
    X(ERR_MEMORY,          500, LOG_ERROR, false, "Request needs too much memory")              \
    X(ERR_PROVIDER,        500, LOG_WARN,  false, "Another service refused the request")       \
    X(ERR_UPSTREAM,        502, LOG_WARN,  true,  "Another service is not reachable")          \
    X(ERR_UNKNOWN_OUTCOME, 502, LOG_ERROR, true,  "Another service did not answer")            \
    X(ERR_UNAVAILABLE,     503, LOG_WARN,  true,  "Service temporarily unavailable")            \
    X(ERR_TIMEOUT,         504, LOG_WARN,  true,  "Request took too long")
/* clang-format on */

enum err {
#define X(name, status, level, retryable, text) name,
    ERR_TABLE(X)
#undef X
        ERR_MAX,
};

/* Return early on failure. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        const enum err try_err_ = (expr);                                                          \
        if (try_err_ != ERR_OK)                                                                    \
            return try_err_;                                                                       \
    } while (0)

struct err_info {
    const char *name;
    int http_status;
    int log_level; /* enum log_level of log.h */
    bool retryable;
    const char *text;
};

const struct err_info *err_info(enum err e);

#define SQLSTATE_SIZE 6

struct db_failure;

/* What went wrong; part of struct task. */
struct fail {
    enum err err;
    char text[512];               /* for the client; empty: the table's text */
    char detail[512];             /* for the log */
    int retry_after_s;            /* 0: the table decides */
    char sqlstate[SQLSTATE_SIZE]; /* of a statement that failed; "": none did, or it had none */
    const char *code;             /* a word for programs, where the answer has one; NULL: usual */
    const struct db_failure *statement; /* all the server said of it (db/failure.h), or NULL */
};

/* Describe the failure for the client and return `e`, so that `return fail_set(…)` reads well.
 * Texts longer than the buffers are cut.  `f` is NULL when nobody wants to know why: a kilobyte
 * on the stack of everybody who waits would be more than half a page. */
enum err fail_set(struct fail *f, enum err e, const char *fmt, ...) PRINTF(3, 4);

/* fail_set with a word for programs ("weak_password"); `code` is a literal. */
enum err fail_code(struct fail *f, enum err e, const char *code, const char *text);

/* Add what only the log may see (SQLSTATE, provider body, field path) and return `e`. */
enum err fail_detail(struct fail *f, enum err e, const char *fmt, ...) PRINTF(3, 4);

/* Give the failure a text for the client where it has none yet, and return `e`. */
enum err fail_say(struct fail *f, enum err e, const char *text);

/* The text the client sees. */
const char *fail_text(const struct fail *f, enum err e);

/* What the log says: the detail, or else the client's text. */
const char *fail_reason(const struct fail *f, enum err e);

#endif
