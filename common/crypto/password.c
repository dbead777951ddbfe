#include "crypto/password.h"

#include <argon2.h>
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/digest.h"

#define SALT_BYTES 16
#define ARGON2_MAX 512 /* characters of such a string; its memory and passes are bounded below */

#define ARGON2_KIB_MAX    (256 * 1024)
#define ARGON2_PASSES_MAX 10

void
password_hash(const char *clear, int cost, char ret[PASSWORD_HASH_SIZE])
{
    char salt[SALT_BYTES], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = calloc(1, sizeof *data);

    MUST(data != NULL && cost >= PASSWORD_COST_MIN && cost <= PASSWORD_COST_MAX);
    crypto_random(salt, sizeof salt);
    MUST(crypt_gensalt_rn("$2b$", (unsigned long)cost, salt, sizeof salt, setting,
                          sizeof setting) != NULL);
    const char *hash = crypt_r(clear, setting, data);
    MUST(hash != NULL && hash[0] == '$' && strlen(hash) < PASSWORD_HASH_SIZE);
    memcpy(ret, hash, strlen(hash) + 1);
    crypto_wipe(data, sizeof *data);
    free(data);
}

/* "$2b$10$" and 53 more of crypt's alphabet, which are not looked at; 0: it is no bcrypt. */
static int
bcrypt_cost(const char *hash)
{
    if (strlen(hash) != 60 || strncmp(hash, "$2", 2) != 0 || strchr("aby", hash[2]) == NULL ||
        hash[3] != '$' || hash[6] != '$')
        return 0;
    if (hash[4] < '0' || hash[4] > '3' || hash[5] < '0' || hash[5] > '9')
        return 0;
    return (hash[4] - '0') * 10 + (hash[5] - '0');
}

static bool
bcrypt_is(const char *hash, const char *clear)
{
    struct crypt_data *data = calloc(1, sizeof *data);

    MUST(data != NULL);
    const char *again = crypt_r(clear, hash, data);
    const bool same =
        again != NULL && again[0] == '$' && crypto_equal(again, strlen(again), hash, strlen(hash));
    crypto_wipe(data, sizeof *data);
    free(data);
    return same;
}

/* "$argon2id$v=19$m=65536,t=3,p=4$…$…": what it costs is in it, and has bounds here. */
static bool
argon2_is(const char *hash, const char *clear)
{
    const bool id = strncmp(hash, "$argon2id$", 10) == 0;
    const char *cost = strstr(hash, "$m=");
    unsigned kib, passes, lanes;

    if (strlen(hash) > ARGON2_MAX || cost == NULL ||
        sscanf(cost, "$m=%7u,t=%3u,p=%3u$", &kib, &passes, &lanes) != 3 || kib > ARGON2_KIB_MAX ||
        passes > ARGON2_PASSES_MAX)
        return false;
    return (id ? argon2id_verify : argon2i_verify)(hash, clear, strlen(clear)) == ARGON2_OK;
}

enum password_match
password_check(const char *hash, const char *clear, int cost)
{
    if (hash != NULL &&
        (strncmp(hash, "$argon2id$", 10) == 0 || strncmp(hash, "$argon2i$", 9) == 0))
        return argon2_is(hash, clear) ? PASSWORD_RIGHT_OLD : PASSWORD_WRONG;

    const int old_cost = hash == NULL ? 0 : bcrypt_cost(hash);
    char nobody[PASSWORD_HASH_SIZE];
    if (old_cost == 0) {
        password_hash(clear, cost, nobody); /* for its time */
        return PASSWORD_WRONG;
    }
    if (old_cost > PASSWORD_COST_MAX || !bcrypt_is(hash, clear))
        return PASSWORD_WRONG;
    return old_cost == cost ? PASSWORD_RIGHT : PASSWORD_RIGHT_OLD;
}
