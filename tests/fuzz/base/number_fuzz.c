/*
 * A decimal that was read is canonical, reads as itself, and is as large as the C library says;
 * every integer number_i64 reads is the decimal of the same digits.
 */
#include "base/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_canonical(const struct decimal *d)
{
    const char *digits = d->text + (d->text[0] == '-');
    const char *point = strchr(digits, '.');
    const size_t len = strlen(digits);
    const size_t integer = point != NULL ? (size_t)(point - digits) : len;
    struct decimal again;

    MUST(integer >= 1 && integer <= 20 && (digits[0] != '0' || integer == 1));
    MUST(point == NULL || (len - integer - 1 >= 1 && len - integer - 1 <= 18));
    MUST(point == NULL || digits[len - 1] != '0');
    MUST(strspn(digits, "0123456789.") == len);
    MUST(strcmp(d->text, "-0") != 0);
    MUST(decimal_read(str_of(d->text), &again) && strcmp(again.text, d->text) == 0);
    MUST(decimal_cmp(d, &again) == 0);
}

/* The same number by the library's long double, which has at least 18 digits. */
static void
check_size(const char *spelling, const struct decimal *d)
{
    const long double theirs = strtold(spelling, NULL);
    const long double ours = strtold(d->text, NULL);
    const long double off = theirs > ours ? theirs - ours : ours - theirs;
    const long double size = ours < 0 ? -ours : ours;

    MUST(off <= size * 1e-17L);
    MUST(decimal_is_positive(d) == (ours > 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    char spelling[512] = "";
    struct decimal d;
    int64_t n;

    if (size >= sizeof(spelling))
        return 0;
    if (size > 0)
        memcpy(spelling, data, size);
    const bool is_decimal = decimal_read(text, &d);
    if (is_decimal) {
        check_canonical(&d);
        check_size(spelling, &d);
    }
    if (number_i64(text, &n)) {
        MUST(is_decimal && strcmp(d.text, spelling) == 0);
        MUST(n == strtoll(spelling, NULL, 10));
    }
    return 0;
}
