/*
 * What issuers and strangers send: the first byte chooses.  k: the rest is a set of keys; t: a
 * token, which only says whose it is; c: the claims of one that is signed.
 */
#include "issuers/internal.h"
#include "issuers/issuers.h"
#include "json/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY(kid)                                                                                   \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"" kid "\","                                       \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                       \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"

static const struct issuer example = {
    .iss = "https://a.example", .audience = "api", .azp = {"web"}, .azp_count = 1};

static void
read_keys(struct str text)
{
    const char *why;
    struct key_set *set = key_set_read_foreign(text, &why);

    MUST((set == NULL) == (why != NULL));
    for (size_t i = 0; set != NULL && i < KEYS_FOREIGN_MAX && key_set_at(set, i) != NULL; i++) {
        const struct key *k = key_set_at(set, i);

        MUST(key_set_find(set, str_of(key_id(k))) == k);
        MUST(strcmp(key_algorithm(k), "ES256") == 0 || strcmp(key_algorithm(k), "RS256") == 0);
    }
    key_set_free(set);
}

static void
read_token(struct arena *a, struct str text)
{
    const char *why;
    static struct key_set *set;
    struct fail f = {0};
    struct jws_said said;
    struct jws_times times;
    struct str payload;
    const struct json *claims;

    if (set == NULL)
        set = key_set_read_foreign(STR("{\"keys\":[" KEY("k") "]}"), &why);
    const struct jws_keys keys = {.set = set};
    jws_peek(a, text, &said);
    MUST(said.issuer.len <= text.len && said.key_id.len <= text.len);
    MUST(jws_open(a, &f, &keys, text, &times, &payload, &claims) == ERR_UNAUTHENTICATED);
}

static void
read_claims(struct arena *a, struct str text)
{
    const struct jws_times times = {.iat = 0, .exp = 3600, .nbf = INT64_MIN};
    struct fail f = {0};
    struct caller caller;
    const struct json *claims;

    if (json_parse(a, NULL, text, &claims) != ERR_OK || json_type(claims) != JSON_OBJECT)
        return;
    if (issuer_caller(a, &f, &example, claims, &times, &caller) != ERR_OK) {
        MUST(f.err == ERR_UNAUTHENTICATED && f.text[0] != '\0' && f.detail[0] != '\0');
        return;
    }
    MUST(caller.role[0] == '\0' && caller.user_id[0] == '\0' && caller.claims_json.len == 0);
    MUST(caller.subject[0] != '\0' && strlen(caller.subject) <= ISSUER_TEXT_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new((size_t)16 * 1024 * 1024);

    if (size > 0) {
        const struct str text = {(const char *)data + 1, size - 1};

        if (data[0] == 'k')
            read_keys(text);
        else if (data[0] == 't')
            read_token(a, text);
        else if (data[0] == 'c')
            read_claims(a, text);
    }
    arena_free(a);
    return 0;
}
