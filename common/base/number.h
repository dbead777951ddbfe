/*
 * number: strict reading of integers and of decimals (money).
 *
 * Nothing here uses a double: money and ids keep their decimal digits.
 * Readers accept the whole text or nothing and leave the output untouched on failure.
 * Any thread may call.
 */
#ifndef FFX_BASE_NUMBER_H
#define FFX_BASE_NUMBER_H

#include "base/prelude.h"

/* Decimal integer, optional '-', no leading zeros, no blanks, no overflow. */
NODISCARD bool number_i64(struct str s, int64_t *ret);

/* The decimal digits of n and a NUL; returns their number. */
#define INT64_SIZE 21
size_t int64_format(int64_t n, char ret[INT64_SIZE]);

/* A non-negative or negative plain decimal in canonical form: no exponent, no leading zeros
 * ("0.5", "12", "-3.25"), at most 20 integer digits and 18 decimals, trailing zeros removed. */
#define DECIMAL_SIZE 48
struct decimal {
    char text[DECIMAL_SIZE];
};

/* Reads any JSON number spelling, exponent included ("1e-7", "13.0", "2.7E3"), and plain decimal
 * text, exactly; refuses what does not fit without losing digits. */
NODISCARD bool decimal_read(struct str s, struct decimal *ret);

/* <0, 0, >0 like memcmp; exact. */
int decimal_cmp(const struct decimal *a, const struct decimal *b);
bool decimal_is_positive(const struct decimal *a);

#endif
