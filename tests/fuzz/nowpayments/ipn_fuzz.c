/*
 * Callbacks: each canonical text is JSON and canonical again, a signature of the body or of the
 * sender's text is accepted with either secret, and every other signature is refused.
 */
#include "base/encode.h"
#include "crypto/digest.h"
#include "json/tree.h"
#include "nowpayments/canonical.h"
#include "nowpayments/ipn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET   STR("fuzzing-ipn-secret")
#define PREVIOUS STR("fuzzing-previous-secret")

static struct str
canonical(struct arena *a, const struct json *doc, enum np_form form)
{
    struct buf out;

    buf_init_arena(&out, a, 1024 * 1024);
    np_canonical(&out, doc, form);
    return out.overflow ? STR_NONE : buf_str(&out);
}

/* A text that an accepted document was turned into reads as itself. */
static void
check_stable(struct arena *a, struct str text, enum np_form form)
{
    const struct json *doc;
    struct fail f = {0};

    MUST(json_parse(a, &f, text, &doc) == ERR_OK);
    MUST(str_eq(canonical(a, doc, form), text));
}

static enum np_ipn_key
verified(struct arena *a, struct str body, const struct json *doc, struct str signature,
         struct str secret, struct str previous)
{
    const enum np_ipn_key key = np_ipn_verify_body(body, signature, secret, previous);

    return key != NP_IPN_FORGED
               ? key
               : np_ipn_verify_forms(a, body, doc, signature, secret, previous, INT32_MAX);
}

static void
check_signature(struct arena *a, struct str body, const struct json *doc, struct str signed_text)
{
    uint8_t mac[SHA512_BYTES];
    char hex[2 * SHA512_BYTES + 1];

    crypto_hmac_sha512(SECRET, signed_text, mac);
    hex_encode(mac, sizeof(mac), hex);
    MUST(verified(a, body, doc, str_of(hex), SECRET, STR("")) == NP_IPN_CURRENT);
    MUST(verified(a, body, doc, str_of(hex), PREVIOUS, SECRET) == NP_IPN_PREVIOUS);
    MUST(verified(a, body, doc, str_of(hex), PREVIOUS, STR("")) == NP_IPN_FORGED);
    mac[body.len % SHA512_BYTES] ^= 1;
    hex_encode(mac, sizeof(mac), hex);
    MUST(verified(a, body, doc, str_of(hex), SECRET, PREVIOUS) == NP_IPN_FORGED);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 * 1024 * 1024);
    const struct str body = {(const char *)data, size};
    const struct json *doc;
    struct fail f = {0};

    if (json_parse(a, &f, body, &doc) == ERR_OK) {
        static const enum np_form forms[] = {NP_SORTED_TOKENS, NP_SORTED_JS,
                                             NP_SORTED_JS_ARRAYS_AS_OBJECTS};

        check_signature(a, body, doc, body);
        for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
            const struct str text = canonical(a, doc, forms[i]);

            if (text.ptr == NULL)
                continue; /* more values than a callback may have */
            check_stable(a, text, forms[i]);
            if (forms[i] != NP_SORTED_TOKENS) /* that one keeps the body's spelling of strings */
                check_signature(a, body, doc, text);
        }
    }
    arena_free(a);
    return 0;
}
