#include "base/prelude.h"

#include <stdarg.h>
#include <unistd.h>

void
die(const char *fmt, ...)
{
    char line[512];
    va_list va;

    memcpy(line, "fatal: ", 7);
    va_start(va, fmt);
    const int n = vsnprintf(line + 7, sizeof(line) - 8, fmt, va);
    va_end(va);
    size_t len = 7 + (n < 0 ? 0 : MIN((size_t)n, sizeof(line) - 9));
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0) {
        /* nothing left to tell it to */
    }
    abort();
}
