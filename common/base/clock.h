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

#endif
