/* The body itself first, then the forms of canonical.h, the cheap one before those that print
 * numbers; both secrets, each in constant time. */
#include "nowpayments/ipn.h"

#include "base/buf.h"
#include "base/encode.h"
#include "crypto/digest.h"
#include "nowpayments/canonical.h"

/* A body over this proves nothing. */
#define IPN_BODY_MAX   (64 * 1024)
#define IPN_TEXT_MAX   (128 * 1024)
/* Of a body to be printed and hashed: some microseconds, as one effort of a number. */
#define BYTES_PER_EFFORT 2048

static struct str
trimmed(struct str s)
{
    while (s.len > 0 && memchr(" \t\r\n", s.ptr[0], 4) != NULL)
        s = (struct str){s.ptr + 1, s.len - 1};
    while (s.len > 0 && memchr(" \t\r\n", s.ptr[s.len - 1], 4) != NULL)
        s.len--;
    return s;
}

struct proof {
    uint8_t given[SHA512_BYTES];
    struct str secrets[2]; /* an empty one proves nothing */
};

/* By which secret; the previous one is asked only when it was not the current, which tells nobody
 * more than the answer does. */
static enum np_ipn_key
proves(const struct proof *p, struct str text)
{
    for (size_t i = 0; i < ARRAY_LEN(p->secrets); i++) {
        uint8_t mac[SHA512_BYTES];
        if (p->secrets[i].len == 0 || p->secrets[i].len > NP_IPN_SECRET_MAX)
            continue;
        crypto_hmac_sha512(p->secrets[i], text, mac);
        const bool equal = crypto_equal(mac, sizeof(mac), p->given, sizeof(p->given));
        crypto_wipe(mac, sizeof(mac));
        if (equal)
            return i == 0 ? NP_IPN_CURRENT : NP_IPN_PREVIOUS;
    }
    return NP_IPN_FORGED;
}

static enum np_ipn_key
proves_form(const struct proof *p, struct np_document *document, enum np_form form,
            struct buf *text)
{
    buf_clear(text);
    np_document_print(text, document, form);
    return text->overflow ? NP_IPN_FORGED : proves(p, buf_str(text));
}

bool
np_ipn_is_signature(struct str signature)
{
    uint8_t bytes[SHA512_BYTES];

    return signature.len == 2 * SHA512_BYTES && hex_decode(signature, bytes, sizeof(bytes));
}

/* What proves it; false when nothing can. */
static bool
proof_of(struct str body, struct str signature, struct str secret, struct str previous_secret,
         struct proof *ret)
{
    ret->secrets[0] = trimmed(secret);
    ret->secrets[1] = trimmed(previous_secret);
    return body.len > 0 && body.len <= IPN_BODY_MAX && signature.len == 2 * SHA512_BYTES &&
           hex_decode(signature, ret->given, sizeof(ret->given));
}

enum np_ipn_key
np_ipn_verify_body(struct str body, struct str signature, struct str secret,
                   struct str previous_secret)
{
    struct proof p;

    return proof_of(body, signature, secret, previous_secret, &p) ? proves(&p, body)
                                                                  : NP_IPN_FORGED;
}

enum np_ipn_key
np_ipn_verify_forms(struct arena *a, struct str body, const struct json *doc, struct str signature,
                    struct str secret, struct str previous_secret, int effort)
{
    struct proof p;
    struct buf text;

    if (!proof_of(body, signature, secret, previous_secret, &p))
        return NP_IPN_FORGED;
    struct np_document *document = np_document_read(a, body, doc);
    if (document == NULL)
        return NP_IPN_FORGED;
    buf_init_arena(&text, a, IPN_TEXT_MAX);
    enum np_ipn_key key = proves_form(&p, document, NP_SORTED_TOKENS, &text);
    if (key != NP_IPN_FORGED)
        return key;
    if (np_document_effort(document) + (int)(body.len / BYTES_PER_EFFORT) > effort)
        return NP_IPN_COSTLY;
    key = proves_form(&p, document, NP_SORTED_JS, &text);
    if (key == NP_IPN_FORGED && np_document_has_array(document))
        key = proves_form(&p, document, NP_SORTED_JS_ARRAYS_AS_OBJECTS, &text);
    return key;
}
