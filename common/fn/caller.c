/*
 * Who calls: the token of a request, and what its owner may.  What good tokens said is kept here
 * because a process at rest gives it back, which the loop tells.
 */
#include "fn/caller.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "fn/internal.h"
#include "fn/keys.h"
#include "fn/request.h"
#include "loop/loop.h"

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
    struct caller caller; /* its texts point behind the token, but the issuer's name, which stays */
    unsigned issuer;      /* whose keys it was good under; 0: ours */
    uint32_t turn;        /* … of another issuer: which of them */
    size_t token_len;
    char text[]; /* the token, and the texts of the caller */
};

static struct kept *places[PLACES];
static struct {
    uint32_t turn;
    size_t len;
    char secret[SECRET_MAX];
} places_keys; /* under which all of ours were good */

/* The end of a signature is as random as a place has to be. */
static struct kept **
place_of(struct str token)
{
    uint32_t n = 0;

    for (size_t i = token.len - MIN(token.len, 8); i < token.len; i++)
        n = n * 31 + (unsigned char)token.ptr[i];
    return &places[n % PLACES];
}

static bool
are_places_keys(const struct jws_keys *keys)
{
    return keys->turn == places_keys.turn &&
           crypto_equal(places_keys.secret, places_keys.len, keys->secret.ptr, keys->secret.len);
}

static const struct kept *
find_kept(struct str token)
{
    const struct kept *k = token.len == 0 ? NULL : *place_of(token);

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

/* A text behind those before it, with a NUL; one that is not there stays so. */
static const char *
append(char **end, const char *text, size_t len)
{
    char *at = *end;

    if (text == NULL)
        return NULL;
    memcpy(at, text, len);
    at[len] = '\0';
    *end += len + 1;
    return at;
}

static size_t
length(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

/* `found` has everything but the token's length. */
static void
keep(const struct jws_keys *keys, struct str token, const struct kept *found)
{
    static struct loop_hook rest = {.fn = forget};
    const struct caller *c = &found->caller;
    const size_t email_len = length(c->email), subject_len = length(c->subject);

    if (token.len > KEPT_TOKEN || keys->secret.len > SECRET_MAX)
        return;
    if (!are_places_keys(keys)) {
        forget();
        memcpy(places_keys.secret, keys->secret.ptr == NULL ? "" : keys->secret.ptr,
               keys->secret.len);
        places_keys.len = keys->secret.len;
        places_keys.turn = keys->turn;
    }
    struct kept **place = place_of(token);
    struct kept *k = malloc(sizeof(*k) + token.len + c->claims_json.len + c->foreign_json.len +
                            email_len + subject_len + 4);
    if (k == NULL)
        return;
    *k = *found;
    k->token_len = token.len;
    memcpy(k->text, token.ptr, token.len);
    char *end = k->text + token.len;
    k->caller.claims_json.ptr = append(&end, c->claims_json.ptr, c->claims_json.len);
    k->caller.foreign_json.ptr = append(&end, c->foreign_json.ptr, c->foreign_json.len);
    k->caller.email = append(&end, c->email, email_len);
    k->caller.subject = append(&end, c->subject, subject_len);
    free(*place);
    *place = k;
    loop_at_rest(&rest);
}

static const char *
copy_text(struct arena *a, const char *text, size_t len)
{
    return text == NULL ? NULL : arena_copy(a, (struct str){text, len});
}

/* A copy in the arena: the place may get another token while the request waits. */
static void
copy_caller(struct arena *a, const struct caller *caller, struct caller *ret)
{
    *ret = *caller;
    ret->claims_json.ptr = copy_text(a, caller->claims_json.ptr, caller->claims_json.len);
    ret->foreign_json.ptr = copy_text(a, caller->foreign_json.ptr, caller->foreign_json.len);
    ret->email = copy_text(a, caller->email, length(caller->email));
    ret->subject = copy_text(a, caller->subject, length(caller->subject));
}

static enum err
copy_kept(struct arena *a, struct fail *f, const struct kept *k, int64_t now_s, struct caller *ret)
{
    TRY(jws_check_times(f, &k->times, now_s));
    copy_caller(a, &k->caller, ret);
    return ERR_OK;
}

enum err
caller_read(struct arena *a, struct fail *f, const struct jws_keys *keys, struct str token,
            int64_t now_s, struct caller *ret)
{
    const struct kept *k = are_places_keys(keys) ? find_kept(token) : NULL;
    struct kept found = {0};

    if (k != NULL && k->issuer == 0)
        return copy_kept(a, f, k, now_s, ret);
    TRY(jws_read(a, f, keys, token, &found.times, &found.caller));
    TRY(jws_check_times(f, &found.times, now_s));
    keep(keys, token, &found);
    *ret = found.caller;
    return ERR_OK;
}

enum err
caller_read_foreign(struct task *task, const struct fn_foreign *foreign, struct str token,
                    int64_t now_s, struct caller *ret)
{
    struct arena *a = task->arena;
    const struct kept *k = find_kept(token);
    struct kept found = {0};

    if (k != NULL && k->issuer != 0) {
        const uint32_t turn = foreign->turn(task, k->issuer);

        k = find_kept(token); /* the place may have got another one meanwhile */
        if (k != NULL && k->issuer != 0 && k->turn == turn)
            return copy_kept(a, &task->fail, k, now_s, ret);
    } else if (k != NULL) {
        return caller_read(a, &task->fail, fn_keys(), token, now_s, ret);
    }
    found.issuer = foreign->issuer_of(a, token);
    if (found.issuer == 0)
        return caller_read(a, &task->fail, fn_keys(), token, now_s, ret);
    TRY(foreign->read(task, found.issuer, token, &found.turn, &found.times, &found.caller));
    TRY(jws_check_times(&task->fail, &found.times, now_s));
    keep(fn_keys(), token, &found);
    *ret = found.caller;
    return ERR_OK;
}

const char *
caller_staff_id(const struct caller *caller)
{
    return strcmp(caller->role, "staff") == 0 ? caller->user_id : NULL;
}

const char *
caller_staff_claims(struct arena *a, const struct caller *caller)
{
    return caller_staff_id(caller) == NULL ? NULL : arena_copy(a, caller->claims_json);
}

/* ---- what a request brings ---- */

static bool
is_key(struct str text)
{
    return text.len >= 3 && memcmp(text.ptr, "sb_", 3) == 0;
}

/* What stands behind "Bearer " (RFC 9110, 11.4: one blank or more); len 0: none. */
static struct str
bearer(struct str authorization)
{
    static const struct str scheme = {"bearer", 6};

    if (authorization.len <= scheme.len || authorization.ptr[scheme.len] != ' ' ||
        !str_ieq((struct str){authorization.ptr, scheme.len}, scheme))
        return STR_NONE;
    struct str token = {authorization.ptr + scheme.len, authorization.len - scheme.len};
    while (token.len > 0 && token.ptr[0] == ' ')
        token = (struct str){token.ptr + 1, token.len - 1};
    return token;
}

struct str
fn_credential(const struct fn_req *req)
{
    const struct str authorization = fn_header(req, "authorization");
    const struct str token = bearer(authorization);
    const struct str apikey = fn_header(req, "apikey");

    if (authorization.len > 0 && (!is_key(token) || apikey.len == 0))
        return token;
    return apikey;
}

/* Whom a key of the new form stands for. */
static enum err
read_key(struct fail *f, struct str key, struct caller *ret)
{
    const char *role = fn_key_role(key);

    if (role == NULL)
        return fail_set(f, ERR_UNAUTHENTICATED, "Invalid authentication credentials");
    memcpy(ret->role, role, strlen(role) + 1);
    ret->claims_json =
        role[0] == 's' ? STR("{\"role\":\"service_role\"}") : STR("{\"role\":\"anon\"}");
    return ERR_OK;
}

/* Whom a token or a key of this system stands for. */
static enum err
read_credential(const struct fn_req *req, struct str given, struct caller *ret)
{
    struct fail *f = &req->task->fail;

    return is_key(given)
               ? read_key(f, given, ret)
               : caller_read(req->task->arena, f, fn_keys(), given, wall_us() / 1000000, ret);
}

/* … or, where the route takes them, a token of another issuer. */
static enum err
read_any_credential(const struct fn_req *req, struct str given, struct caller *ret)
{
    if ((req->match->route->who & FN_FOREIGN) == 0 || is_key(given))
        return read_credential(req, given, ret);
    return caller_read_foreign(req->task, req->spec->foreign, given, wall_us() / 1000000, ret);
}

/* The gateway's own question: without a key of this system nobody comes in. */
static enum err
check_apikey(const struct fn_req *req)
{
    const struct str apikey = fn_header(req, "apikey");
    struct caller owner = {0};

    if (apikey.len == 0)
        return fail_set(&req->task->fail, ERR_UNAUTHENTICATED, "No API key found in request");
    if (read_credential(req, apikey, &owner) != ERR_OK || owner.user_id[0] != '\0')
        return fail_set(&req->task->fail, ERR_UNAUTHENTICATED,
                        "Invalid authentication credentials");
    return ERR_OK;
}

/* ---- the caller of a request ---- */

bool
fn_route_takes_token(const struct fn_route *route)
{
    return (route->who & (FN_ANON | FN_USER | FN_STAFF | FN_SERVICE | FN_KEY | FN_FOREIGN)) != 0;
}

bool
fn_takes_token(const struct fn_spec *spec)
{
    bool takes = spec->key_needed;

    for (const struct fn_route *r = spec->routes; r != NULL && r->methods != 0; r++)
        takes = takes || fn_route_takes_token(r);
    return takes;
}

static unsigned
who_is(const struct caller *caller)
{
    static const struct {
        const char *role;
        unsigned who;
    } roles[] = {
        {"authenticated", FN_USER},
        {"anon", FN_ANON},
        {"service_role", FN_SERVICE},
        {"staff", FN_STAFF | FN_USER}, /* the role is a member of authenticated */
    };

    if (caller->issuer != NULL)
        return FN_FOREIGN;
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (strcmp(caller->role, roles[i].role) == 0)
            return roles[i].who;
    return 0;
}

/* A good token of somebody whom the route is not for. */
static enum err
refuse(struct fn_req *req, unsigned who)
{
    struct fail *f = &req->task->fail;

    switch (who & ~(unsigned)(FN_NOBODY | FN_FOREIGN)) {
    case 0:
        return fail_set(f, ERR_UNAUTHENTICATED, "Token of another issuer required");
    case FN_USER:
        return fail_set(f, ERR_UNAUTHENTICATED, "User token required");
    case FN_USER | FN_SERVICE:
        return fail_set(f, ERR_UNAUTHENTICATED, "User token or service key required");
    case FN_SERVICE:
        return fail_set(f, ERR_FORBIDDEN, "Service role key required");
    case FN_STAFF:
    case FN_STAFF | FN_SERVICE:
        return fail_set(f, ERR_FORBIDDEN, "For staff only");
    default:
        return ERR_FORBIDDEN;
    }
}

enum err
fn_bearer(struct fn_req *req, struct caller *ret)
{
    req->credential = fn_credential(req);
    if (req->credential.len == 0)
        return fail_set(&req->task->fail, ERR_UNAUTHENTICATED, "Missing authorization header");
    return read_credential(req, req->credential, ret);
}

enum err
fn_authenticate(struct fn_req *req)
{
    const unsigned who = req->match->route->who;

    if (!fn_route_takes_token(req->match->route))
        return ERR_OK;
    if (req->spec->key_needed || (who & FN_KEY) != 0)
        TRY(check_apikey(req));
    if ((who & FN_KEY) != 0)
        return ERR_OK;
    req->credential = fn_credential(req);
    if (req->credential.len == 0) {
        if ((who & FN_NOBODY) != 0 && fn_header(req, "authorization").len == 0)
            return ERR_OK;
        return fail_set(&req->task->fail, ERR_UNAUTHENTICATED, "Missing authorization header");
    }
    TRY(read_any_credential(req, req->credential, &req->caller));
    return (who_is(&req->caller) & who) != 0 ? ERR_OK : refuse(req, who);
}
