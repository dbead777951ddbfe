/* What all stages use. */
#include "rest/rest.h"

#include <stdarg.h>

bool
rest_fail(struct arena *a, struct rest_error *e, int status, const char *code, const char *format,
          ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    const int len = vsnprintf(NULL, 0, format, args);
    MUST(len >= 0);
    char *text = arena_bytes(a, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    *e = (struct rest_error){.status = status, .code = code, .message = text};
    return false;
}

bool
rest_is_among(struct str name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (str_is(name, *names))
            return true;
    return false;
}

int
rest_text_order(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}
