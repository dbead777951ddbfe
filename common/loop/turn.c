/*
 * How late the loop can be: what comes or becomes due during a turn waits for its end.
 *
 * Measured is a turn, from one epoll_wait to the next, and not the lateness of a timer: when a busy
 * machine is slow to wake the process up, that is not the loop's doing.  Nor is it when a thread
 * that could run gets no processor; for how long that was so the kernel counts, and it is taken off
 * turns that took long.  What is left is what the loop did, and what it waited for in place.
 */
#include "loop/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/metric.h"

#define LONG_TURN_MS 100
/* The count is read so often, when there are turns, or what was waited for long before would be
 * taken off too.  Reading it takes two microseconds. */
#define READ_EVERY_MS 100

static int schedstat_fd = -1;

static struct {
    int64_t at_ms;
    int64_t waited_ms;
} last_read;

/* Ms for which this thread has waited for a processor since it began; 0 when nobody says so.  The
 * file has ns on a processor, ns of waiting, and how often. */
static int64_t
waited_for_processor_ms(void)
{
    char text[80];
    const ssize_t len = schedstat_fd < 0 ? 0 : pread(schedstat_fd, text, sizeof text - 1, 0);

    text[MAX(len, 0)] = '\0';
    const char *second = strchr(text, ' ');
    return second == NULL ? 0 : strtoll(second, NULL, 10) / 1000000;
}

void
loop_turns_init(void)
{
    schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    last_read.waited_ms = waited_for_processor_ms();
}

void
loop_note_turn(int64_t from_ms, int64_t to_ms)
{
    int64_t took_ms = to_ms - from_ms;

    if (took_ms > LONG_TURN_MS || to_ms - last_read.at_ms >= READ_EVERY_MS) {
        const int64_t waited_ms = waited_for_processor_ms();

        if (took_ms > LONG_TURN_MS)
            took_ms -= MIN(took_ms, waited_ms - last_read.waited_ms);
        last_read.at_ms = to_ms;
        last_read.waited_ms = waited_ms;
    }
    metric_set_max(METRIC_TURN_MAX, took_ms);
    if (took_ms > LONG_TURN_MS)
        metric_add(METRIC_LONG_TURNS, 1);
}
