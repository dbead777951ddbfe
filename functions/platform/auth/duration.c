/* Durations as Go writes them (time.ParseDuration): what the API of users takes. */
#include "admin.h"

#include <string.h>

static const struct {
    const char *name;
    double seconds;
} units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"µs", 1e-6}, {"ms", 1e-3},
             {"s", 1},     {"m", 60},    {"h", 3600}};

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number at `p`, decimals and all; where it ends, NULL when there is none. */
static const char *
read_number(const char *p, double *ret)
{
    double part = 0.1;
    const char *from = p;

    for (*ret = 0; is_digit(*p); p++)
        *ret = *ret * 10 + (*p - '0');
    bool any = p > from;
    if (*p == '.')
        for (p++; is_digit(*p); p++, part /= 10) {
            *ret += part * (*p - '0');
            any = true;
        }
    return any ? p : NULL;
}

const char *
duration_read(struct arena *a, const char *text, double *ret_seconds)
{
    const char *p = text;

    *ret_seconds = 0;
    if (*p == '\0' || strlen(text) > 40)
        return arena_printf(a, "time: invalid duration \"%.40s\"", text);
    while (*p != '\0') {
        double n;
        const char *unit = read_number(p, &n);

        if (unit == NULL)
            return arena_printf(a, "time: invalid duration \"%s\"", text);
        const size_t len = strcspn(unit, "0123456789.");
        size_t i = 0;
        while (i < ARRAY_LEN(units) &&
               (strlen(units[i].name) != len || memcmp(units[i].name, unit, len) != 0))
            i++;
        if (len == 0)
            return arena_printf(a, "time: missing unit in duration \"%s\"", text);
        if (i == ARRAY_LEN(units))
            return arena_printf(a, "time: unknown unit \"%.*s\" in duration \"%s\"", (int)len, unit,
                                text);
        *ret_seconds += n * units[i].seconds;
        p = unit + len;
    }
    return NULL;
}
