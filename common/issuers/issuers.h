/*
 * issuers: tokens of other issuers (Clerk, say), which AUTH_ISSUERS lists.
 *
 * A token's `iss` chooses the issuer, whose keys alone check it: RS256 or ES256, by `kid`.  Then
 * exp, nbf and iat, at most 24 hours between iat and exp, `aud` and `azp` where the list says them,
 * and a `sub`.  The caller gets issuer and subject, no id and no role: who that is here, and what
 * they may, is the function's to find out.
 *
 * Each worker fetches an issuer's keys (a JWK set) when it first needs them, and again when they
 * are 600 s old or a token names one that is not among them, at most every 30 s; all that need them
 * wait for one fetch.  While they cannot be had the old ones count, and nobody waits for new ones.
 *
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_ISSUERS_ISSUERS_H
#define FFX_ISSUERS_ISSUERS_H

#include "fn/caller.h"

/* For `.foreign` of a spec. */
extern const struct fn_foreign issuers;

#endif
