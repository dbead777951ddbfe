/* A token of another issuer, to who it is. */
#include "base/clock.h"
#include "issuers/internal.h"
#include "issuers/issuers.h"
#include "json/tree.h"

static struct setting *const settings[] = {&cfg_auth_issuers, NULL};

/* ---- claims ---- */

static bool
is_text(const struct json *v, const char *text)
{
    return v != NULL && json_type(v) == JSON_STRING && str_is(json_text(v), text);
}

/* RFC 7519, 4.1.3: one, or a list of them. */
static bool
is_for(const struct json *aud, const char *audience)
{
    if (aud == NULL || json_type(aud) != JSON_ARRAY)
        return is_text(aud, audience);
    for (const struct json *v = json_first(aud); v != NULL; v = json_next(v))
        if (is_text(v, audience))
            return true;
    return false;
}

static bool
is_from_known_party(const struct issuer *x, const struct json *azp)
{
    for (size_t i = 0; i < x->azp_count; i++)
        if (is_text(azp, x->azp[i]))
            return true;
    return azp == NULL || x->azp_count == 0;
}

/* 1 to 255 bytes without control characters. */
static bool
is_subject(const struct json *sub)
{
    const struct str text = json_text(sub);

    if (sub == NULL || json_type(sub) != JSON_STRING || text.len == 0 || text.len > ISSUER_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F)
            return false;
    return true;
}

/* Negative times are nobody's, and without them no difference is too large for its type. */
static bool
lives_too_long(const struct jws_times *times)
{
    return times->iat < 0 || times->exp < times->iat || times->exp - times->iat > ISSUER_LIFETIME_S;
}

enum err
issuer_caller(struct arena *a, struct fail *f, const struct issuer *x, const struct json *claims,
              const struct jws_times *times, struct caller *ret)
{
    const struct json *sub = json_get(claims, "sub"), *email = json_get(claims, "email");
    struct caller caller = {.issuer = x->iss};

    if (!is_text(json_get(claims, "iss"), x->iss))
        return jws_refuse(f, "iss is another one");
    if (x->audience != NULL && !is_for(json_get(claims, "aud"), x->audience))
        return jws_refuse(f, "aud is another one");
    if (!is_from_known_party(x, json_get(claims, "azp")))
        return jws_refuse(f, "azp is none of the list");
    if (lives_too_long(times))
        return jws_refuse(f, "iat is missing, or exp is more than 24 h later");
    if (!is_subject(sub))
        return jws_refuse(f, "sub is missing, or no name");
    caller.subject = arena_copy(a, json_text(sub));
    if (email != NULL && json_type(email) == JSON_STRING &&
        json_is_true(json_get(claims, "email_verified")))
        caller.email = arena_copy(a, json_text(email));
    *ret = caller;
    return ERR_OK;
}

/* ---- what routes of FN_FOREIGN ask ---- */

static struct issuer *
issuer_at(unsigned number)
{
    return &issuers_all()->list[number - 1];
}

static unsigned
issuer_of(struct arena *a, struct str token)
{
    const struct issuers *all = issuers_all();
    struct jws_said said;

    if (all->count == 0)
        return 0;
    jws_peek(a, token, &said);
    for (size_t i = 0; i < all->count; i++)
        if (said.issuer.len > 0 && str_is(said.issuer, all->list[i].iss))
            return (unsigned)i + 1;
    return 0;
}

static uint32_t
turn_of(struct task *task, unsigned number)
{
    struct issuer *x = issuer_at(number);

    return issuer_keys(task, x, STR_NONE, clock_ms()) == ERR_OK ? x->turn : 0;
}

static enum err
read_token(struct task *task, unsigned number, struct str token, uint32_t *ret_turn,
           struct jws_times *ret_times, struct caller *ret)
{
    struct issuer *x = issuer_at(number);
    const struct json *claims;
    struct jws_said said;
    struct jws_times times;
    struct caller caller;
    struct str payload;

    jws_peek(task->arena, token, &said);
    if (said.key_id.len == 0)
        return jws_refuse(&task->fail, "kid is missing");
    TRY(issuer_keys(task, x, said.key_id, clock_ms()));
    const struct jws_keys keys = {.set = x->set};
    TRY(jws_open(task->arena, &task->fail, &keys, token, &times, &payload, &claims));
    TRY(issuer_caller(task->arena, &task->fail, x, claims, &times, &caller));
    caller.foreign_json = payload;
    *ret_turn = x->turn;
    *ret_times = times;
    *ret = caller;
    return ERR_OK;
}

const struct fn_foreign issuers = {
    .settings = settings,
    .issuer_of = issuer_of,
    .turn = turn_of,
    .read = read_token,
};
