/*
 * prelude: what every file has; any other header of the library brings it along.
 *
 * Attributes, a counted string, assertions, and the list of functions that must not be used (after
 * git's banned.h).  Nothing here allocates.  Any thread may call.
 */
#ifndef FFX_BASE_PRELUDE_H
#define FFX_BASE_PRELUDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h> /* these before the list below poisons what they declare */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NODISCARD       __attribute__((warn_unused_result))
#define PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define NORETURN        __attribute__((noreturn))
#define UNUSED          __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

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

/* Ends the process with one line on standard error.  For broken invariants: a restart with a
 * core file is better than going on with wrong state. */
void NORETURN die(const char *fmt, ...) PRINTF(1, 2);

/* An assertion that stays in release builds. */
#define MUST(cond)                                                                                 \
    ((cond) ? (void)0 : die("%s:%d: broken invariant: %s", __FILE__, __LINE__, #cond))

/* Functions with unbounded writes, hidden state or silent errors. */
#pragma GCC poison strcpy strcat strncpy strncat strtok sprintf vsprintf gets atoi atol atof strtod
#pragma GCC poison gmtime localtime ctime asctime

#endif
