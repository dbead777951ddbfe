/*
 * The first byte chooses: the rest is a token as it comes from outside, which must never be
 * accepted; or it is a payload, which gets a right signature, so that the claims are reached.
 */
#include "base/encode.h"
#include "fn/caller.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW    1800000000
#define SECRET STR("fuzzing-secret-of-32-characters!")

/* The public key of RFC 7515, A.3; nobody who fuzzes has signed anything with it. */
static const struct key_set *
public_keys(void)
{
    static struct key_set *set;
    const char *why;

    if (set == NULL)
        set = key_set_read(STR("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\","
                               "\"kid\":\"k\","
                               "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                               "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"),
                           &why);
    return set;
}

static void
check_caller(const struct caller *caller, struct str payload)
{
    char id[UUID_SIZE];
    const bool user =
        strcmp(caller->role, "authenticated") == 0 || strcmp(caller->role, "staff") == 0;

    MUST(user || strcmp(caller->role, "anon") == 0 || strcmp(caller->role, "service_role") == 0);
    MUST(caller->user_id[0] == '\0' ? !user : uuid_read(str_of(caller->user_id), id));
    MUST(str_eq(caller->claims_json, payload));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 * 1024 * 1024);
    const struct jws_keys keys = {.secret = SECRET, .set = public_keys()};
    struct caller caller;
    struct fail f = {0};

    if (size > 0 && data[0] == 't') {
        const struct str token = {(const char *)data + 1, size - 1};

        MUST(caller_read(a, &f, &keys, token, NOW, &caller) == ERR_UNAUTHENTICATED);
    } else if (size > 0) {
        const struct str payload = {(const char *)data + 1, size - 1};
        const char *token = jws_sign(a, SECRET, payload);

        if (caller_read(a, &f, &keys, str_of(token), NOW, &caller) == ERR_OK)
            check_caller(&caller, payload);
        else
            MUST(f.err == ERR_UNAUTHENTICATED && f.text[0] != '\0' && f.detail[0] != '\0');
    }
    arena_free(a);
    return 0;
}
