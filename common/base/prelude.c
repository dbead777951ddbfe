#include "base/prelude.h"

#include <stdarg.h>
#include <unistd.h>

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
str_ieq(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

static int64_t
clock_in_us(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0)
        die("clock_gettime failed");
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_ms(void)
{
    return clock_in_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
clock_us(void)
{
    return clock_in_us(CLOCK_MONOTONIC);
}

int64_t
wall_us(void)
{
    return clock_in_us(CLOCK_REALTIME);
}

/* `count` decimal digits of n, with leading zeros. */
static void
put_digits(char *to, int count, int64_t n)
{
    for (int i = count - 1; i >= 0; i--, n /= 10)
        to[i] = (char)('0' + n % 10);
}

/* Own arithmetic instead of gmtime_r: that one takes the C library's time-zone lock, and every
 * log line needs a time.  Civil date from a day number: Hinnant, "chrono-compatible low-level
 * date algorithms".  The form has four digits for the year: years 0000 to 9999. */
void
timestamp_format(int64_t at_us, char ret[TIMESTAMP_SIZE])
{
    static const int64_t day_ms = 86400000;
    static const int64_t first_ms = -62167219200000; /* 0000-01-01 */
    static const int64_t last_ms = 253402300799999;  /* 9999-12-31T23:59:59.999 */
    const int64_t floor_ms = at_us / 1000 - (at_us % 1000 < 0);
    const int64_t ms = MAX(first_ms, MIN(floor_ms, last_ms));
    const int64_t in_day = ((ms % day_ms) + day_ms) % day_ms;
    const int64_t day = (ms - in_day) / day_ms + 719468; /* since 0000-03-01 */
    const int64_t era = (day >= 0 ? day : day - 146096) / 146097;
    const int64_t of_era = day - era * 146097;
    const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t shifted_month = (5 * of_year + 2) / 153; /* March is 0 */
    const int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;

    memcpy(ret, "0000-00-00T00:00:00.000Z", TIMESTAMP_SIZE);
    put_digits(ret, 4, year_of_era + era * 400 + (month <= 2));
    put_digits(ret + 5, 2, month);
    put_digits(ret + 8, 2, of_year - (153 * shifted_month + 2) / 5 + 1);
    put_digits(ret + 11, 2, in_day / 3600000);
    put_digits(ret + 14, 2, in_day / 60000 % 60);
    put_digits(ret + 17, 2, in_day / 1000 % 60);
    put_digits(ret + 20, 3, in_day % 1000);
}

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

size_t
utf8_length(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned char low = 0x80; /* bounds of the second byte */
    unsigned char high = 0xBF;
    size_t n = 0;

    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        n = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        n = 3;
        low = p[0] == 0xE0 ? 0xA0 : 0x80;  /* overlong */
        high = p[0] == 0xED ? 0x9F : 0xBF; /* surrogates */
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        n = 4;
        low = p[0] == 0xF0 ? 0x90 : 0x80;  /* overlong */
        high = p[0] == 0xF4 ? 0x8F : 0xBF; /* beyond U+10FFFF */
    }
    if (n == 0 || n > left || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* Eight bytes at a time: a byte's upper bit in `stop` says that it does not pass.  Borrows run
 * upwards, so the lowest of these bits is right. */
size_t
plain_length(const char *text, size_t len)
{
    const uint64_t ones = 0x0101010101010101;
    size_t i = 0;

    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");
    for (; len - i >= 8; i += 8) {
        uint64_t w;

        memcpy(&w, text + i, 8);
        const uint64_t quote = w ^ ones * '"';
        const uint64_t backslash = w ^ ones * '\\';
        const uint64_t stop = (w | ((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) |
                               ((backslash - ones) & ~backslash)) &
                              ones * 0x80;
        if (stop != 0)
            return i + (size_t)__builtin_ctzll(stop) / 8;
    }
    for (; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return i;
}

size_t
int64_format(int64_t n, char ret[INT64_SIZE])
{
    uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
    char digits[INT64_SIZE];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (n < 0)
        digits[--at] = '-';
    memcpy(ret, digits + at, sizeof(digits) - at);
    ret[sizeof(digits) - at] = '\0';
    return sizeof(digits) - at;
}
