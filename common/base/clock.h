/*
 * clock: the two clocks, and how a time is written.
 * Any thread may call; nothing here allocates.
 */
#ifndef FFX_BASE_CLOCK_H
#define FFX_BASE_CLOCK_H

#include "base/prelude.h"

/* Monotonic time in ms and us: for deadlines and durations. */
int64_t clock_ms(void);
int64_t clock_us(void);

/* Wall clock, microseconds since 1970-01-01 UTC: for log lines, tokens and provider times. */
int64_t wall_us(void);

/* "2026-01-31T12:34:56.789Z" (RFC 3339; 24 characters and a NUL). */
#define TIMESTAMP_SIZE 25
void timestamp_format(int64_t at_us, char ret[TIMESTAMP_SIZE]);

/* A date in one of the three forms of RFC 9110, 5.6.7, as seconds since 1970; `now_s` says in which
 * century a year of two digits is.  False, and *ret_s untouched, when it is none. */
NODISCARD bool http_date_read(struct str text, int64_t now_s, int64_t *ret_s);

#endif
