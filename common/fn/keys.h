/*
 * keys: what tokens are signed with, and the API keys.  They are settings, or stand in KEYS_FILE,
 * which is followed: a key that is published or retired there counts within FN_KEYS_LOOK_MS,
 * without a restart.  Of that file:
 *
 *     {"keys": [JWK, …],                          public keys of tokens (RFC 7517)
 *      "api_keys": [{"name": "web", "role": "anon", "sha256": "…"}, …]}
 *
 * `role` is "anon" (publishable) or "service_role" (secret); `sha256` is the key's, in hex: whoever
 * reads the file cannot use it.
 *
 * Thread rule: loop's thread.
 */
#ifndef FFX_FN_KEYS_H
#define FFX_FN_KEYS_H

#include "base/setting.h"
#include "crypto/jws.h"

#define FN_KEYS_LOOK_MS 1000

extern struct setting cfg_jwt_secret, cfg_jwt_keys, cfg_publishable_key, cfg_secret_key,
    cfg_keys_file;
/* All of them, ended by NULL. */
extern struct setting *const fn_keys_settings[];

/* What is wrong with the settings of keys, of which one has to be there; NULL: nothing. */
const char *fn_keys_problem(void);

/* The present keys of tokens; good until the loop's next turn. */
const struct jws_keys *fn_keys(void);

/* "anon" or "service_role": for whom this key (sb_…) stands, told in constant time; NULL: it is
 * none. */
const char *fn_key_role(struct str key);

#endif
