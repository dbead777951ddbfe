/*
 * sealed: secrets that the database stores sealed, on their way out: passwords, codes of mails.
 *
 * Where SQL gives a secret to somebody who may see it, it writes the JSON string
 * "sealed:<row id>:<name>:<value>" (platform.show_sealed in migrations/platform/sql/seals.sql,
 * which also describes the value).  A program that has CREDENTIAL_KEYS puts the secret in its place
 * here; the keys never go to the database.  A name has letters, digits and '_'.
 *
 * Needs the setting CREDENTIAL_KEYS.  Any thread may call.
 */
#ifndef FFX_CRYPTO_SEALED_H
#define FFX_CRYPTO_SEALED_H

#include "base/arena.h"
#include "base/setting.h"

/* JSON text as PostgreSQL made it, with every sealed string opened; `ret` is in the arena, or the
 * given text when it holds none.  A string of that form that does not open (no such key, changed,
 * another row's) becomes null, and the first reason is returned, without any secret; NULL:
 * all is open.  Other text, however it looks, stays as it is. */
NODISCARD const char *sealed_open(struct arena *a, struct str json, struct str *ret);

/* CREDENTIAL_KEYS: the keys, the current one first. */
extern struct setting cfg_credential_keys;

#endif
