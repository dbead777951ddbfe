/*
 * sealed: secrets that the database stores sealed, on their way out (passwords, codes of mails),
 * and in, where a program makes them.
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

/* `plain` as the database stores it under this row's id (a uuid) and name: sealed with the current
 * key, in the arena.  At most SEALED_PLAIN_MAX bytes. */
#define SEALED_PLAIN_MAX 2048
char *sealed_seal(struct arena *a, struct str plain, const char *row_id, const char *name);

/* CREDENTIAL_KEYS: the keys, the current one first. */
extern struct setting cfg_credential_keys;

#endif
