/*
 * num: strict reading of numbers, money, identifiers and times.
 *
 * Nothing here uses a double: money and ids keep their decimal digits (see the contract).
 * Readers accept the whole text or nothing and leave the output untouched on failure.
 * Any thread may call.
 */
#ifndef FFX_NUM_H
#define FFX_NUM_H

#include "base/prelude.h"

/* Decimal integer, optional '-', no leading zeros, no blanks, no overflow. */
NODISCARD bool num_i64(struct str s, int64_t *ret);

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

/* 8-4-4-4-12 hex digits; `ret` gets the lower-case text (36 characters and a NUL). */
#define UUID_SIZE 37
NODISCARD bool uuid_read(struct str s, char ret[UUID_SIZE]);

/* "FFX" and 9 digits; `ret` gets 12 characters and a NUL. */
#define ORDER_ID_SIZE 13
NODISCARD bool order_id_read(struct str s, char ret[ORDER_ID_SIZE]);

#endif
