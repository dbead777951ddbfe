/*
 * password: password hashes by libcrypt and libargon2.  New ones are bcrypt; bcrypt of every
 * spelling ($2a$, $2b$, $2y$) and Argon2 (PHC string) of before are read.
 *
 * Thread rule: any thread; each call takes a processor for tens to hundreds of milliseconds, so it
 * belongs on one of offload's (OFFLOAD_HASH).
 */
#ifndef FFX_CRYPTO_PASSWORD_H
#define FFX_CRYPTO_PASSWORD_H

#include "base/prelude.h"

#define PASSWORD_BYTES_MAX 72 /* bcrypt reads no more, so more is refused by whoever takes one */
#define PASSWORD_HASH_SIZE 128
#define PASSWORD_COST_MIN  4
#define PASSWORD_COST_MAX  16

/* bcrypt of `clear` at 2^cost rounds. */
void password_hash(const char *clear, int cost, char ret[PASSWORD_HASH_SIZE]);

enum password_match {
    PASSWORD_WRONG, /* or the hash is none that is read here */
    PASSWORD_RIGHT,
    PASSWORD_RIGHT_OLD, /* the hash is of another kind or cost than new ones: make it anew */
};

/* NULL or "" for `hash`: there is nobody, which takes as long as a wrong password at `cost`. */
enum password_match password_check(const char *hash, const char *clear, int cost);

#endif
