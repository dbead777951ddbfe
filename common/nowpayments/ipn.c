/* The body itself first, then the forms of canonical.h; both secrets, each in constant time. */
#include "nowpayments/ipn.h"

#include "base/buf.h"
#include "base/encode.h"
#include "crypto/digest.h"
#include "nowpayments/canonical.h"

/* A body over this proves nothing. */
#define IPN_BODY_MAX   (64 * 1024)
#define IPN_TEXT_MAX   (128 * 1024)
#define IPN_SECRET_MAX 1024

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

static bool
proves(const struct proof *p, struct str text)
{
    bool equal = false;
    for (size_t i = 0; i < ARRAY_LEN(p->secrets); i++) {
        uint8_t mac[SHA512_BYTES];
        if (p->secrets[i].len == 0 || p->secrets[i].len > IPN_SECRET_MAX)
            continue;
        crypto_hmac_sha512(p->secrets[i], text, mac);
        equal |= crypto_equal(mac, sizeof(mac), p->given, sizeof(p->given));
        crypto_wipe(mac, sizeof(mac));
    }
    return equal;
}

bool
np_ipn_verify(struct arena *a, struct str body, const struct json *doc, struct str signature,
              struct str secret, struct str previous_secret)
{
    struct proof p = {.secrets = {trimmed(secret), trimmed(previous_secret)}};

    if (body.len == 0 || body.len > IPN_BODY_MAX)
        return false;
    if (signature.len != 2 * SHA512_BYTES || !hex_decode(signature, p.given, sizeof(p.given)))
        return false;
    if (proves(&p, body))
        return true;

    struct np_document *document = doc == NULL ? NULL : np_document_read(a, body, doc);
    struct buf text;
    if (document == NULL)
        return false;
    buf_init_arena(&text, a, IPN_TEXT_MAX);
    static const enum np_form forms[] = {NP_SORTED_TOKENS, NP_SORTED_JS,
                                         NP_SORTED_JS_ARRAYS_AS_OBJECTS};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        buf_clear(&text);
        np_document_print(&text, document, forms[i]);
        if (!text.overflow && proves(&p, buf_str(&text)))
            return true;
    }
    return false;
}
