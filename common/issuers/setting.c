/* Which issuers there are, as the setting lists them. */
#include "issuers/internal.h"

#include "base/url.h"
#include "json/tree.h"

#define ARENA_BYTES ((size_t)1024 * 1024)

static const char must[] =
    "must be a JSON list of {\"iss\", \"jwks_url\", \"audience\"?, \"azp\"?}";

static const char *
check(const char *text)
{
    struct arena *a = arena_new(ARENA_BYTES);
    struct issuers *parsed = ARENA_NEW(a, struct issuers);
    const char *why = issuers_parse(a, str_of(text), parsed);

    arena_free(a);
    return why;
}

struct setting cfg_auth_issuers = {
    .env = "AUTH_ISSUERS",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning =
        "other issuers whose tokens count, a JSON list of {iss, jwks_url, audience?, azp?[]}",
    .check = check,
};

/* A text of 1 to 255 visible characters. */
static bool
read_word(struct arena *a, const struct json *v, const char **ret)
{
    const struct str text = json_text(v);

    if (v == NULL || json_type(v) != JSON_STRING || text.len == 0 || text.len > ISSUER_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7F)
            return false;
    *ret = arena_copy(a, text);
    return true;
}

static const char *
read_azp(struct arena *a, const struct json *list, struct issuer *ret)
{
    static const char wrong[] = "must have 1 to 16 texts in azp";

    if (json_type(list) != JSON_ARRAY || json_count(list) == 0 || json_count(list) > ISSUER_AZP_MAX)
        return wrong;
    for (const struct json *v = json_first(list); v != NULL; v = json_next(v))
        if (!read_word(a, v, &ret->azp[ret->azp_count++]))
            return wrong;
    return NULL;
}

/* A misspelt member would be a check that is not made. */
static bool
has_other_members(const struct json *object)
{
    static const char *const known[] = {"iss", "jwks_url", "audience", "azp"};

    for (const struct json *v = json_first(object); v != NULL; v = json_next(v)) {
        size_t i = 0;

        while (i < ARRAY_LEN(known) && !str_is(json_key(v), known[i]))
            i++;
        if (i == ARRAY_LEN(known))
            return true;
    }
    return false;
}

static const char *
read_issuer(struct arena *a, const struct json *object, struct issuer *ret)
{
    const struct json *audience = json_get(object, "audience");
    const struct json *azp = json_get(object, "azp");

    if (json_type(object) != JSON_OBJECT || has_other_members(object))
        return must;
    if (!read_word(a, json_get(object, "iss"), &ret->iss) ||
        !read_word(a, json_get(object, "jwks_url"), &ret->jwks_url))
        return "must have iss and jwks_url with each issuer, of at most 255 characters";
    if (!url_ok(ret->jwks_url) || !url_is_private(ret->jwks_url))
        return "must have an https:// URL as jwks_url; http:// only to this machine";
    if (audience != NULL && !read_word(a, audience, &ret->audience))
        return "must have a text as audience";
    return azp == NULL ? NULL : read_azp(a, azp, ret);
}

const char *
issuers_parse(struct arena *a, struct str text, struct issuers *ret)
{
    const struct json *doc;

    *ret = (struct issuers){0};
    if (text.len == 0)
        return NULL;
    if (json_parse(a, NULL, text, &doc) != ERR_OK || json_type(doc) != JSON_ARRAY)
        return must;
    for (const struct json *v = json_first(doc); v != NULL; v = json_next(v)) {
        if (ret->count == ISSUERS_MAX)
            return "must have 8 issuers at most";
        const char *why = read_issuer(a, v, &ret->list[ret->count]);
        if (why != NULL)
            return why;
        for (size_t i = 0; i < ret->count; i++)
            if (strcmp(ret->list[i].iss, ret->list[ret->count].iss) == 0)
                return "must have each iss once";
        ret->count++;
    }
    return NULL;
}

struct issuers *
issuers_all(void)
{
    static struct issuers all;
    static struct arena *texts; /* as long as the process */

    if (texts == NULL) {
        texts = arena_new(ARENA_BYTES);
        MUST(issuers_parse(texts, setting_str(&cfg_auth_issuers), &all) == NULL); /* was checked */
    }
    return &all;
}
