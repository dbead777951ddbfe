#include "base/clock.h"

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

/* ---- dates of HTTP ---- */

#define HTTP_DATE_SIZE 64

/* The year that two digits mean: none of more than 50 years to come. */
static void
choose_century(struct tm *date, int64_t now_s)
{
    const time_t now = (time_t)now_s;
    struct tm today;

    MUST(gmtime_r(&now, &today) != NULL);
    const int latest = today.tm_year + 50;
    date->tm_year = latest - ((latest - date->tm_year) % 100 + 100) % 100;
}

/* `d` in the form (RFC 9110, 5.6.7) that begins as `like` does. */
static void
print_date(const struct tm *d, const char *like, char ret[HTTP_DATE_SIZE])
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const char *day = days[d->tm_wday], *month = months[d->tm_mon];
    char clock[16];

    (void)snprintf(clock, sizeof clock, "%02d:%02d:%02d", d->tm_hour, d->tm_min, d->tm_sec);
    if (strlen(like) > 3 && like[3] == ',') /* IMF-fixdate */
        (void)snprintf(ret, HTTP_DATE_SIZE, "%.3s, %02d %s %04d %s GMT", day, d->tm_mday, month,
                       d->tm_year + 1900, clock);
    else if (strchr(like, ',') != NULL) /* RFC 850 */
        (void)snprintf(ret, HTTP_DATE_SIZE, "%s, %02d-%s-%02d %s GMT", day, d->tm_mday, month,
                       d->tm_year % 100, clock);
    else /* asctime */
        (void)snprintf(ret, HTTP_DATE_SIZE, "%.3s %s %2d %s %04d", day, month, d->tm_mday, clock,
                       d->tm_year + 1900);
}

bool
http_date_read(struct str text, int64_t now_s, int64_t *ret_s)
{
    char wanted[HTTP_DATE_SIZE], again[HTTP_DATE_SIZE];
    struct tm date = {0}, real;

    if (text.len >= sizeof wanted || text.len == 0)
        return false;
    memcpy(wanted, text.ptr, text.len);
    wanted[text.len] = '\0';
    if (strptime(wanted, "%A, %d-%b-%y %H:%M:%S GMT", &date) != NULL)
        choose_century(&date, now_s);
    else if (strptime(wanted, "%a, %d %b %Y %H:%M:%S GMT", &date) == NULL &&
             strptime(wanted, "%a %b %e %H:%M:%S %Y", &date) == NULL)
        return false;
    const time_t at = timegm(&date);
    if (gmtime_r(&at, &real) == NULL)
        return false;
    /* strptime lets much pass: what it read has to be written the same way, weekday too */
    print_date(&real, wanted, again);
    if (strcmp(again, wanted) != 0)
        return false;
    *ret_s = (int64_t)at;
    return true;
}
