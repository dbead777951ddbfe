/*
 * base: the prelude every file includes first.
 *
 * Attributes, a counted string, checked arithmetic, the clocks, and the list of functions that
 * must not be used (after git's banned.h).  Nothing here allocates.  Any thread may call.
 */
#ifndef FFX_BASE_H
#define FFX_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>  /* these two before the list below poisons what they declare */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NODISCARD       __attribute__((warn_unused_result))
#define PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define NORETURN        __attribute__((noreturn))
#define UNUSED          __attribute__((unused))

#define ARRAY_LEN(a)    (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)       ((a) < (b) ? (a) : (b))
#define MAX(a, b)       ((a) > (b) ? (a) : (b))

/* The struct of `type` whose `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A counted piece of somebody else's memory; not NUL-terminated unless said so. */
struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})

static inline struct str
str_of(const char *text)
{
    return (struct str){text, text == NULL ? 0 : strlen(text)};
}

static inline bool
str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Equal to a NUL-terminated text. */
static inline bool
str_is(struct str a, const char *text)
{
    return str_eq(a, str_of(text));
}

/* ASCII case-insensitive; for header names and currency codes. */
bool str_ieq(struct str a, struct str b);

/* Length of the well-formed UTF-8 character at the start of `left` bytes (no overlong forms, no
 * surrogates, up to U+10FFFF), or 0. */
size_t utf8_length(const char *p, size_t left);

/* Length of the beginning of `text` that stands in a JSON string as it is: ASCII without control
 * characters, quotes and backslashes. */
size_t plain_length(const char *text, size_t len);

/* The decimal digits of n and a NUL; returns their number. */
#define INT64_SIZE 21
size_t int64_format(int64_t n, char ret[INT64_SIZE]);

/* Monotonic time in ms and us: for deadlines and durations. */
int64_t clock_ms(void);
int64_t clock_us(void);

/* Wall clock, microseconds since 1970-01-01 UTC: for log lines, tokens and provider times. */
int64_t wall_us(void);

/* "2026-01-31T12:34:56.789Z" (24 characters and a NUL). */
#define TIMESTAMP_SIZE 25
void timestamp_format(int64_t at_us, char ret[TIMESTAMP_SIZE]);

/* Ends the process with one line on standard error.  For broken invariants: a restart with a
 * core file is better than going on with wrong state. */
void NORETURN die(const char *fmt, ...) PRINTF(1, 2);

/* An assertion that stays in release builds. */
#define MUST(cond) ((cond) ? (void)0 : die("%s:%d: broken invariant: %s", __FILE__, __LINE__, #cond))

/* Functions with unbounded writes, hidden state or silent errors. */
#pragma GCC poison strcpy strcat strncpy strncat strtok sprintf vsprintf gets atoi atol atof strtod
#pragma GCC poison gmtime localtime ctime asctime

#endif
