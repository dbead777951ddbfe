/*
 * Who calls: the token of a request, and what its owner may.  What good tokens said is kept here
 * because a process at rest gives it back, which the loop tells.
 */
#include "fn/caller.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "fn/internal.h"
#include "fn/request.h"
#include "loop/loop.h"

struct setting cfg_jwt_secret = {
    .env = "JWT_SECRET",
    .kind = SETTING_SECRET32,
    .meaning = "HS256 secret of all tokens, 32 characters or more",
    .secret = true,
};

/* ---- tokens that were good before ----
 *
 * A customer sends the same token with every request for an hour.  What a token said when it was
 * read stands here, under its whole text; its times are checked anew at each use.  Only what passed
 * everything comes in, so that nobody without a token of ours can put anything here, or put
 * something out.  A place holds one token and takes the next one that falls on it. */

#define PLACES     4096
#define KEPT_TOKEN ((size_t)1024) /* longer ones are read each time: 4096 of these are 6 MiB */
#define SECRET_MAX ((size_t)256)

struct kept {
    struct jws_times times;
    struct caller caller; /* email and claims_json point behind the token */
    size_t token_len;
    char text[]; /* the token, its claims, its email */
};

static struct kept *places[PLACES];
static struct {
    size_t len;
    char text[SECRET_MAX];
} places_secret; /* under which all of them were good */

/* The end of a signature is as random as a place has to be. */
static struct kept **
place_of(struct str token)
{
    uint32_t n = 0;

    for (size_t i = token.len - MIN(token.len, 8); i < token.len; i++)
        n = n * 31 + (unsigned char)token.ptr[i];
    return &places[n % PLACES];
}

static const struct kept *
find_kept(struct str secret, struct str token)
{
    if (token.len == 0 ||
        !crypto_equal(places_secret.text, places_secret.len, secret.ptr, secret.len))
        return NULL;
    const struct kept *k = *place_of(token);
    return k != NULL && crypto_equal(k->text, k->token_len, token.ptr, token.len) ? k : NULL;
}

static void
forget(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        free(places[i]);
        places[i] = NULL;
    }
}

static void
keep(struct str secret, struct str token, const struct jws_times *times,
     const struct caller *caller)
{
    static struct loop_hook rest = {.fn = forget};
    const struct str claims = caller->claims_json;
    const size_t email_len = caller->email == NULL ? 0 : strlen(caller->email);

    if (token.len > KEPT_TOKEN || secret.len > SECRET_MAX)
        return;
    if (!crypto_equal(places_secret.text, places_secret.len, secret.ptr, secret.len)) {
        forget();
        memcpy(places_secret.text, secret.ptr, secret.len);
        places_secret.len = secret.len;
    }
    struct kept **place = place_of(token);
    struct kept *k = malloc(sizeof(*k) + token.len + claims.len + 1 + email_len + 1);
    if (k == NULL)
        return;
    *k = (struct kept){.times = *times, .caller = *caller, .token_len = token.len};
    memcpy(k->text, token.ptr, token.len);
    k->caller.claims_json.ptr = memcpy(k->text + token.len, claims.ptr, claims.len + 1);
    if (caller->email != NULL)
        k->caller.email =
            memcpy(k->text + token.len + claims.len + 1, caller->email, email_len + 1);
    free(*place);
    *place = k;
    loop_at_rest(&rest);
}

/* A copy in the arena: the place may get another token while the request waits. */
static void
copy_caller(struct arena *a, const struct caller *caller, struct caller *ret)
{
    *ret = *caller;
    ret->claims_json.ptr = arena_copy(a, caller->claims_json);
    if (caller->email != NULL)
        ret->email = arena_copy(a, str_of(caller->email));
}

enum err
caller_read(struct arena *a, struct fail *f, struct str secret, struct str token, int64_t now_s,
            struct caller *ret)
{
    const struct kept *k = find_kept(secret, token);
    struct caller caller;
    struct jws_times times;

    if (k != NULL) {
        TRY(jws_check_times(f, &k->times, now_s));
        copy_caller(a, &k->caller, ret);
        return ERR_OK;
    }
    TRY(jws_read(a, f, secret, token, &times, &caller));
    TRY(jws_check_times(f, &times, now_s));
    keep(secret, token, &times, &caller);
    *ret = caller;
    return ERR_OK;
}

/* ---- the caller of a request ---- */

/* The bearer token; the gateway's rule lets a legacy key stand in `apikey` alone. */
static struct str
bearer_token(const struct fn_req *req)
{
    static const struct str prefix = {"bearer ", 7};
    struct str value = fn_header(req, "authorization");

    if (value.len > prefix.len && str_ieq((struct str){value.ptr, prefix.len}, prefix))
        return (struct str){value.ptr + prefix.len, value.len - prefix.len};
    if (value.len > 0)
        return STR_NONE;
    return fn_header(req, "apikey");
}

enum err
fn_authenticate(struct fn_req *req)
{
    if (!fn_takes_token(req->spec))
        return ERR_OK;

    const struct str token = bearer_token(req);
    if (token.len == 0)
        return fail_set(&req->task->fail, ERR_UNAUTHENTICATED, "Missing authorization header");
    TRY(caller_read(req->task->arena, &req->task->fail, setting_str(&cfg_jwt_secret), token,
                    wall_us() / 1000000, &req->caller));
    if (req->spec->auth == FN_AUTH_SERVICE && strcmp(req->caller.role, "service_role") != 0)
        return fail_set(&req->task->fail, ERR_FORBIDDEN, "Service role key required");
    if (req->spec->auth == FN_AUTH_USER && strcmp(req->caller.role, "authenticated") != 0)
        return fail_set(&req->task->fail, ERR_UNAUTHENTICATED, "User token required");
    if (strcmp(req->caller.role, "anon") == 0)
        return fail_set(&req->task->fail, ERR_UNAUTHENTICATED,
                        "User token or service key required");
    return ERR_OK;
}
