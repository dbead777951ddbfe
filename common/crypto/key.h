/*
 * key: keys of a pair, for tokens: public ones check a signature, the private one makes it.  ES256
 * (P-256, RFC 7518, 3.4) and RS256 (2048 to 8192 bits, RFC 7518, 3.3); what a key is for is its own
 * `alg`, never a token's.
 *
 * Public keys come as a JWK set (RFC 7517, 5), the private one as PKCS #8 in base64url. Keys
 * live as long as the process.  Thread rule: loop's thread (it reads JSON).
 */
#ifndef FFX_CRYPTO_KEY_H
#define FFX_CRYPTO_KEY_H

#include "base/arena.h"

#define KEYS_MAX 8 /* of a set: one that signs, and those before it */
/* Of one that somebody else publishes, with keys that are not for us. */
#define KEYS_FOREIGN_MAX  32
#define KEY_SET_BYTES_MAX ((size_t)64 * 1024)
#define KEY_ID_SIZE       65
#define ES256_BYTES       64

struct key;
struct key_set;

/* The keys of a JWK set, each with kty, alg, kid and `use` sig or none; NULL: `*ret_why` says what
 * the text must be ("must be …", a literal).  Private parts in it are refused: the set is public.
 */
struct key_set *key_set_read(struct str jwks, const char **ret_why);
/* The same of somebody else's set: keys that are not understood, are for something else or are not
 * public are passed over (RFC 7517, 5), and so is a second one of the same kid; where `alg` is
 * missing the key's kind says it. */
struct key_set *key_set_read_foreign(struct str jwks, const char **ret_why);
void key_set_free(struct key_set *set); /* NULL is allowed */
/* The key of this id; NULL: there is none. */
const struct key *key_set_find(const struct key_set *set, struct str id);
const struct key *key_set_at(const struct key_set *set, size_t i); /* NULL: no more */

/* The private key, an EC one of P-256; its id is its public part's thumbprint (RFC 7638).  NULL:
 * `*ret_why` as above. */
struct key *key_read_private(struct str pkcs8_base64, const char **ret_why);
void key_free(struct key *k); /* of one that was read by itself; NULL is allowed */

const char *key_id(const struct key *k);
const char *key_algorithm(const struct key *k); /* "ES256", "RS256" */
/* The public part, as an object of a JWK set. */
const char *key_public_jwk(struct arena *a, const struct key *k);

/* Whether `signature` over `text` was made by this key's owner. */
NODISCARD bool key_verify(const struct key *k, struct str text, const uint8_t *signature,
                          size_t len);
/* Sign `text` with the private key. */
void key_sign_es256(const struct key *k, struct str text, uint8_t ret[ES256_BYTES]);

#endif
