/*
 * Integers, then decimals: a decimal is read as the parts of a JSON number (read_spelling), and
 * written again with the point in its place (decimal_read); comparing needs only the text.
 */
#include "base/number.h"

#define INTEGER_DIGITS_MAX  20
#define DECIMALS_MAX        18
#define EXPONENT_DIGITS_MAX 4 /* more cannot fit, whatever the digits before it */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool
number_i64(struct str s, int64_t *ret)
{
    const bool negative = s.len > 0 && s.ptr[0] == '-';
    size_t at = negative ? 1 : 0;
    int64_t n = 0;

    if (at == s.len || (s.ptr[at] == '0' && s.len > 1))
        return false;
    for (; at < s.len; at++) {
        if (!is_digit(s.ptr[at]) || __builtin_mul_overflow(n, 10, &n))
            return false;
        /* counted downwards: the smallest integer has no positive twin */
        if (__builtin_sub_overflow(n, s.ptr[at] - '0', &n))
            return false;
    }
    if (!negative && n == INT64_MIN)
        return false;
    *ret = negative ? n : -n;
    return true;
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

/* The parts of a JSON number; digits are slices of the text. */
struct spelling {
    bool negative;
    struct str integer;
    struct str fraction;
    int exponent;
};

/* The digits from *at on. */
static struct str
digits(struct str s, size_t *at)
{
    const size_t start = *at;

    while (*at < s.len && is_digit(s.ptr[*at]))
        ++*at;
    return (struct str){s.ptr + start, *at - start};
}

static bool
read_exponent(struct str s, size_t *at, int *ret)
{
    const bool negative = *at < s.len && s.ptr[*at] == '-';

    if (*at < s.len && (s.ptr[*at] == '-' || s.ptr[*at] == '+'))
        ++*at;
    struct str d = digits(s, at);
    if (d.len == 0)
        return false;
    while (d.len > 1 && d.ptr[0] == '0') {
        d.ptr++;
        d.len--;
    }
    if (d.len > EXPONENT_DIGITS_MAX)
        d = STR("99999");
    int n = 0;
    for (size_t i = 0; i < d.len; i++)
        n = n * 10 + (d.ptr[i] - '0');
    *ret = negative ? -n : n;
    return true;
}

/* RFC 8259 section 6. */
static bool
read_spelling(struct str s, struct spelling *ret)
{
    size_t at = 0;

    *ret = (struct spelling){0};
    if (s.len > 0 && s.ptr[0] == '-') {
        ret->negative = true;
        at = 1;
    }
    ret->integer = digits(s, &at);
    if (ret->integer.len == 0 || (ret->integer.len > 1 && ret->integer.ptr[0] == '0'))
        return false;
    if (at < s.len && s.ptr[at] == '.') {
        at++;
        ret->fraction = digits(s, &at);
        if (ret->fraction.len == 0)
            return false;
    }
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        at++;
        if (!read_exponent(s, &at, &ret->exponent))
            return false;
    }
    return at == s.len;
}

/* Digit number i of integer and fraction written one after the other. */
static char
digit_at(const struct spelling *n, size_t i)
{
    return i < n->integer.len ? n->integer.ptr[i] : n->fraction.ptr[i - n->integer.len];
}

bool
decimal_read(struct str s, struct decimal *ret)
{
    struct spelling n;

    if (s.len > INT32_MAX / 2 || !read_spelling(s, &n))
        return false;

    /* the significant digits are first..end, without zeros on either side */
    size_t end = n.integer.len + n.fraction.len;
    size_t first = 0;
    while (first < end && digit_at(&n, first) == '0')
        first++;
    if (first == end) {
        *ret = (struct decimal){"0"};
        return true;
    }
    while (digit_at(&n, end - 1) == '0')
        end--;

    /* the point stands in front of digit number `point`, which may lie outside of first..end */
    const int64_t point = (int64_t)n.integer.len + n.exponent;
    const int64_t integer_digits = point - (int64_t)first;
    const int64_t decimals = (int64_t)end - point;
    if (integer_digits > INTEGER_DIGITS_MAX || decimals > DECIMALS_MAX)
        return false;

    struct decimal d = {{0}};
    size_t len = 0;
    if (n.negative)
        d.text[len++] = '-';
    if (integer_digits <= 0)
        d.text[len++] = '0';
    const int64_t from = integer_digits <= 0 ? point : (int64_t)first;
    const int64_t to = MAX((int64_t)end, point);
    for (int64_t i = from; i < to; i++) {
        if (i == point)
            d.text[len++] = '.';
        d.text[len++] = i < (int64_t)first || i >= (int64_t)end ? '0' : digit_at(&n, (size_t)i);
    }
    *ret = d;
    return true;
}

int
decimal_cmp(const struct decimal *a, const struct decimal *b)
{
    const bool a_negative = a->text[0] == '-';
    const bool b_negative = b->text[0] == '-';

    if (a_negative != b_negative)
        return a_negative ? -1 : 1;
    const char *x = a->text + a_negative;
    const char *y = b->text + b_negative;
    const size_t x_len = strcspn(x, ".");
    const size_t y_len = strcspn(y, ".");
    int order = 0;
    if (x_len != y_len)
        order = x_len < y_len ? -1 : 1;
    else
        order = strcmp(x, y); /* canonical: a longer fraction with the same start is larger */
    return a_negative ? -order : order;
}

bool
decimal_is_positive(const struct decimal *a)
{
    return a->text[0] != '-' && strcmp(a->text, "0") != 0;
}
