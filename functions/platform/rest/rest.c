/* How a stage says why a request is refused. */
#include "rest/rest.h"

#include <stdarg.h>

bool
rest_fail(struct arena *a, struct rest_error *e, int status, const char *code, const char *format,
          ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    *e =
        (struct rest_error){.status = status, .code = code, .message = arena_copy(a, str_of(text))};
    return false;
}
