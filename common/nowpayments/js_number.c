/*
 * A token becomes a double, the double its shortest digits (shortest_digits), and these a text
 * (format_digits).  One of few digits needs no double: they are the shortest (few_digits).
 */

/* The prelude forbids strtod, because money must never pass through a double.  Here a double is
 * right: the question is which digits a JavaScript engine prints for a number it read.  The
 * wrapper stands in front of the prelude, where the name is still free. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double
double_of(const char *text)
{
    return strtod(text, NULL);
}

#include "nowpayments/js_number.h"

/* A double's shortest digits that read back as the same double: x = 0.DIGITS * 10^point. */
struct shortest {
    char digits[24];
    int count;
    int point;
};

static bool
same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Take digits * 10^exponent as the answer when it reads back as `x`. */
static bool
try_digits(double x, uint64_t digits, int exponent, struct shortest *ret)
{
    char text[40];
    (void)snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits, exponent);
    if (!same_double(double_of(text), x))
        return false;
    ret->count = snprintf(ret->digits, sizeof(ret->digits), "%llu", (unsigned long long)digits);
    ret->point = exponent + ret->count;
    while (ret->count > 1 && ret->digits[ret->count - 1] == '0')
        ret->count--;
    return true;
}

/* `x` is positive and finite. */
static void
shortest_digits(double x, struct shortest *ret)
{
    /* A double with a spelling of up to 15 digits has exactly that one when printed with 15, and
     * trailing zeros are cut; only the denormals, which hold fewer digits, need the search. */
    for (int precision = x < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
        char text[40];
        (void)snprintf(text, sizeof(text), "%.*e", precision - 1, x);
        uint64_t digits = 0;
        const char *p = text;
        for (; *p != 'e'; p++) {
            if (*p != '.')
                digits = digits * 10 + (uint64_t)(*p - '0');
        }
        const int exponent = (int)strtol(p + 1, NULL, 10) - (precision - 1);
        /* Just above a power of two the doubles below lie closer than those above: there the
         * nearest text of this length can fail and its upper neighbour still read back. */
        if (try_digits(x, digits, exponent, ret) || try_digits(x, digits + 1, exponent, ret))
            return;
    }
    die("a double without a 17-digit spelling");
}

static char *
put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static char *
put_zeros(char *at, int count)
{
    for (; count > 0; count--)
        *at++ = '0';
    return at;
}

/* Number::toString of ECMA-262 6.1.6.1.20, steps 6 to 12, for radix 10.  The longest results are
 * "0.0000012345678901234567" and "1.2345678901234567e-308", 24 characters; returns the end. */
static char *
format_digits(const struct shortest *s, char *at)
{
    const int n = s->point;
    const size_t count = (size_t)s->count;

    if (n > 21 || n <= -6) {
        at = put(at, s->digits, 1);
        if (count > 1) {
            *at++ = '.';
            at = put(at, s->digits + 1, count - 1);
        }
        *at++ = 'e';
        *at++ = n - 1 < 0 ? '-' : '+';
        return at + snprintf(at, 4, "%d", abs(n - 1) % 1000);
    }
    if (n <= 0) {
        at = put_zeros(put(at, "0.", 2), -n);
        return put(at, s->digits, count);
    }
    if (s->count <= n)
        return put_zeros(put(at, s->digits, count), n - s->count);
    at = put(at, s->digits, (size_t)n);
    *at++ = '.';
    return put(at, s->digits + n, count - (size_t)n);
}

/* Decimal exponents within which every number of up to 15 digits has a double of its own. */
#define POINT_MAX 300

enum digits {
    DIGITS_FEW,  /* these are the shortest: no other of up to 15 means the same double */
    DIGITS_MANY, /* more than 15 */
    DIGITS_FAR,  /* beyond POINT_MAX */
};

/* The digits of a number token; `ret` is complete for DIGITS_FEW, with count 0 for zero. */
static enum digits
few_digits(struct str token, struct shortest *ret)
{
    const char *p = token.ptr, *const end = token.ptr + token.len;
    bool fraction = false, many = false;
    int zeros = 0; /* after the last other digit */

    *ret = (struct shortest){0};
    for (p += p < end && *p == '-'; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        ret->point += !fraction;
        if (*p == '0') {
            if (ret->count == 0)
                ret->point--;
            else
                zeros++;
            continue;
        }
        many = many || ret->count + zeros >= 15;
        for (; !many && zeros > 0; zeros--)
            ret->digits[ret->count++] = '0';
        if (!many)
            ret->digits[ret->count++] = *p;
    }
    if (p < end) {
        const bool negative = ++p < end && *p == '-';
        int exponent = 0;

        for (p += p < end && (*p == '-' || *p == '+'); p < end; p++)
            exponent = MIN(exponent * 10 + (*p - '0'), 100 * POINT_MAX);
        ret->point += negative ? -exponent : exponent;
    }
    if (ret->count == 0)
        return DIGITS_FEW;
    if (abs(ret->point) > POINT_MAX)
        return DIGITS_FAR;
    return many ? DIGITS_MANY : DIGITS_FEW;
}

int
np_js_number_effort(struct str token)
{
    struct shortest s;

    switch (few_digits(token, &s)) {
    case DIGITS_FEW:
        return 0;
    case DIGITS_MANY:
        return 1;
    case DIGITS_FAR:
        break;
    }
    return 8;
}

/* "NaN", "Infinity", or the digits of a double. */
static char *
put_double(char *at, struct str token)
{
    /* A double has at most 767 significant digits; no sender spells more than that. */
    char text[1024];
    double x = (double)NAN;
    if (token.len > 0 && token.len < sizeof(text)) {
        memcpy(text, token.ptr, token.len);
        text[token.len] = '\0';
        x = double_of(text);
    }
    const int kind = fpclassify(x);
    if (kind == FP_NAN)
        return put(at, "NaN", 3);
    if (kind == FP_ZERO)
        return put(at, "0", 1); /* -0 too */
    if (signbit(x) != 0)
        *at++ = '-';
    if (kind == FP_INFINITE)
        return put(at, "Infinity", 8);
    struct shortest s = {0};
    shortest_digits(fabs(x), &s);
    return format_digits(&s, at);
}

void
np_js_number(struct str token, char ret[NP_JS_NUMBER_SIZE])
{
    struct shortest s;
    char *at = ret;

    if (token.len == 0 || few_digits(token, &s) != DIGITS_FEW) {
        at = put_double(at, token);
    } else if (s.count == 0) {
        at = put(at, "0", 1);
    } else {
        if (token.ptr[0] == '-')
            *at++ = '-';
        at = format_digits(&s, at);
    }
    *at = '\0';
}
