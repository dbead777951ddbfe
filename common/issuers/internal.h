/*
 * What the files of issuers share.
 *
 *   setting.c  which issuers there are
 *   keys.c     their keys, fetched and kept
 *   read.c     their tokens
 */
#ifndef FFX_ISSUERS_INTERNAL_H
#define FFX_ISSUERS_INTERNAL_H

#include "base/setting.h"
#include "base/task.h"
#include "crypto/digest.h"
#include "crypto/key.h"

#define ISSUERS_MAX       8
#define ISSUER_TEXT_MAX   ((size_t)255)
#define ISSUER_AZP_MAX    16
#define ISSUER_KEEP_MS    (600 * 1000) /* how long its keys are not asked for again */
#define ISSUER_AGAIN_MS   (30 * 1000)  /* between two fetches, whatever for */
#define ISSUER_FETCH_MS   5000
#define ISSUER_LIFETIME_S (24 * 60 * 60)

struct waiter;

struct issuer {
    const char *iss, *jwks_url;
    const char *audience; /* NULL: not looked at */
    const char *azp[ISSUER_AZP_MAX];
    size_t azp_count; /* 0: not looked at */

    /* keys.c's own */
    struct key_set *set; /* NULL: never had */
    uint8_t hash[SHA256_BYTES];
    uint32_t turn; /* another one whenever the keys are others */
    int64_t had_ms, tried_ms;
    bool tried, failed; /* … and how the last try ended */
    bool fetching;
    struct waiter *waiting;
};

struct issuers {
    struct issuer list[ISSUERS_MAX];
    size_t count;
};

/* ---- setting.c ---- */

extern struct setting cfg_auth_issuers;

/* NULL, or what the text must be; texts point into the arena. */
const char *issuers_parse(struct arena *a, struct str text, struct issuers *ret);
/* Those of the setting. */
struct issuers *issuers_all(void);

/* ---- keys.c ---- */

/* See to it that x->set is as it has to be for a token of this kid (ptr NULL: of one that was
 * known), which may take ISSUER_FETCH_MS.  ERR_UNAVAILABLE: there never was one. */
NODISCARD enum err issuer_keys(struct task *task, struct issuer *x, struct str kid, int64_t now_ms);

/* ---- read.c ---- */

struct caller;
struct json;
struct jws_times;

/* Who `claims` say it is, when this issuer may say it to us. */
NODISCARD enum err issuer_caller(struct arena *a, struct fail *f, const struct issuer *x,
                                 const struct json *claims, const struct jws_times *times,
                                 struct caller *ret);

#endif
