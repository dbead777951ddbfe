/*
 * Verification of callbacks: the texts the provider may have signed, and the comparison.
 *
 * The provider signs JSON.stringify of an object whose keys were sorted at every level, so two
 * things have to be done as a JavaScript engine does them: the order of keys and the printing of
 * numbers and strings.  The document is turned into a small tree once; every form is printed from
 * that.
 */

/* base.h forbids strtod, because money must never pass through a double.  Here a double is
 * right: the question is which digits a JavaScript engine prints for a number it read.  The
 * wrapper stands in front of base.h, where the name is still free. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double
double_of(const char *text)
{
    return strtod(text, NULL);
}

#include "base/buf.h"
#include "base/encode.h"
#include "crypto/digest.h"
#include "json/json.h"
#include "nowpayments/nowpayments.h"

/* Real callbacks have about 25 values in under 2 KiB; more than this is only compared as
 * received. */
#define IPN_BODY_MAX   (64 * 1024)
#define IPN_TEXT_MAX   (128 * 1024)
#define IPN_NODES_MAX  256
#define IPN_SECRET_MAX 1024

/* Memory of np_canonical when the output is not in an arena. */
#define CANONICAL_MEMORY_MAX (4 * 1024 * 1024)

/* ---- the document as a tree that can be sorted ---- */

struct node {
    const struct json *value;
    struct str key;       /* decoded; in objects */
    struct str key_token; /* as received, with quotes; ptr NULL when the body is not known */
    struct str token;     /* strings, numbers, literals as received; ptr NULL likewise */
    struct node *children;
    size_t count;
};

struct builder {
    struct arena *arena;
    const char *at; /* next byte of the body; NULL when it is not known */
    const char *end;
    size_t nodes_left;
};

static bool
is_structure(char c)
{
    return memchr(" \t\r\n{}[],:", c, 10) != NULL;
}

/* The next string, number or literal of the body.  The body is valid JSON (json_parse took it),
 * so these tokens come in the order in which the document is walked. */
static struct str
next_token(struct builder *b)
{
    if (b->at == NULL)
        return STR_NONE;
    while (b->at < b->end && is_structure(*b->at))
        b->at++;
    const char *start = b->at;
    if (b->at < b->end && *b->at == '"') {
        b->at++;
        while (b->at < b->end && *b->at != '"')
            b->at += *b->at == '\\' && b->end - b->at > 1 ? 2 : 1;
        if (b->at < b->end)
            b->at++;
    } else {
        while (b->at < b->end && !is_structure(*b->at))
            b->at++;
    }
    return (struct str){start, (size_t)(b->at - start)};
}

/* False when the document has too many values.  Recursion is bounded by JSON_DEPTH_MAX. */
static bool
build(struct builder *b, const struct json *value, struct node *ret)
{
    const enum json_type type = json_type(value);

    ret->value = value;
    if (type != JSON_OBJECT && type != JSON_ARRAY) {
        ret->token = next_token(b);
        return true;
    }
    const size_t count = json_count(value);
    if (count > b->nodes_left)
        return false;
    b->nodes_left -= count;
    ret->children = ARENA_ARRAY(b->arena, struct node, MAX(count, 1));
    for (const struct json *v = json_first(value); v != NULL; v = json_next(v)) {
        struct node *child = &ret->children[ret->count++];
        if (type == JSON_OBJECT) {
            child->key = json_key(v);
            child->key_token = next_token(b);
        }
        if (!build(b, v, child))
            return false;
    }
    return true;
}

/* ---- order of keys ---- */

/* UTF-8 sorts by code point, JavaScript by UTF-16 unit.  They differ in one place: the surrogates
 * of U+10000 and above (lead bytes F0 to F4) come before U+E000 to U+FFFF (lead bytes EE, EF). */
static int
utf16_rank(char c)
{
    const int byte = (unsigned char)c;
    return byte == 0xEE || byte == 0xEF ? byte + 0x10 : byte;
}

static int
utf16_cmp(struct str a, struct str b)
{
    const size_t n = MIN(a.len, b.len);
    for (size_t i = 0; i < n; i++) {
        if (a.ptr[i] != b.ptr[i])
            return utf16_rank(a.ptr[i]) - utf16_rank(b.ptr[i]);
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* An "array index" of ECMA-262 6.1.7: "0", "1", … "4294967294", spelled canonically. */
static bool
is_array_index(struct str key, uint64_t *ret)
{
    if (key.len == 0 || key.len > 10 || (key.len > 1 && key.ptr[0] == '0'))
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] < '0' || key.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(key.ptr[i] - '0');
    }
    *ret = n;
    return n <= UINT32_MAX - 1;
}

static int
by_text(const void *a, const void *b)
{
    return utf16_cmp(((const struct node *)a)->key, ((const struct node *)b)->key);
}

/* The sender sorts the keys and builds a new object from them.  A JavaScript object lists its
 * array indices first, in ascending order, whatever the order of insertion (ECMA-262 10.1.11). */
static int
by_javascript(const void *a, const void *b)
{
    const struct str key_a = ((const struct node *)a)->key;
    const struct str key_b = ((const struct node *)b)->key;
    uint64_t n_a = 0;
    uint64_t n_b = 0;
    const bool index_a = is_array_index(key_a, &n_a);
    const bool index_b = is_array_index(key_b, &n_b);

    if (index_a && index_b)
        return (n_a > n_b) - (n_a < n_b);
    if (index_a != index_b)
        return index_a ? -1 : 1;
    return utf16_cmp(key_a, key_b);
}

/* ---- printing ---- */

/* QuoteJSONString of ECMA-262 25.5.2.3.  Valid UTF-8 has no lone surrogates. */
static void
print_string(struct buf *out, struct str s)
{
    static const char escaped[7] = "\b\f\n\r\t\"\\";
    static const char letters[7] = "bfnrt\"\\";

    buf_add_char(out, '"');
    size_t clean = 0; /* start of the run that needs no escape */
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(out, s.ptr + clean, i - clean);
        clean = i + 1;
        const char *found = memchr(escaped, c, sizeof(escaped));
        if (found != NULL)
            buf_printf(out, "\\%c", letters[found - escaped]);
        else
            buf_printf(out, "\\u%04x", c);
    }
    if (s.len > clean)
        buf_add(out, s.ptr + clean, s.len - clean);
    buf_add_char(out, '"');
}

static void
print_number(struct buf *out, const struct node *n, enum np_form form)
{
    if (form == NP_SORTED_TOKENS) {
        buf_add_str(out, json_text(n->value));
        return;
    }
    char digits[32];
    np_js_number(json_text(n->value), digits);
    const bool finite = strpbrk(digits, "NI") == NULL; /* not "NaN", not "Infinity" */
    buf_add_text(out, finite ? digits : "null");       /* as JSON.stringify does */
}

static void
print_scalar(struct buf *out, const struct node *n, enum np_form form)
{
    if (form == NP_SORTED_TOKENS && n->token.ptr != NULL) {
        buf_add_str(out, n->token);
        return;
    }
    switch (json_type(n->value)) {
    case JSON_STRING:
        print_string(out, json_text(n->value));
        break;
    case JSON_NUMBER:
        print_number(out, n, form);
        break;
    case JSON_BOOL:
        buf_add_text(out, json_is_true(n->value) ? "true" : "false");
        break;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        buf_add_text(out, "null");
        break;
    }
}

static void
print_key(struct buf *out, const struct node *parent, size_t child, enum np_form form)
{
    const struct node *n = &parent->children[child];

    if (json_type(parent->value) == JSON_ARRAY)
        buf_printf(out, "\"%zu\"", child);
    else if (form == NP_SORTED_TOKENS && n->key_token.ptr != NULL)
        buf_add_str(out, n->key_token);
    else
        print_string(out, n->key);
    buf_add_char(out, ':');
}

static void
print(struct buf *out, struct node *n, enum np_form form)
{
    const enum json_type type = json_type(n->value);

    if (type != JSON_OBJECT && type != JSON_ARRAY) {
        print_scalar(out, n, form);
        return;
    }
    if (type == JSON_OBJECT && n->count > 1)
        qsort(n->children, n->count, sizeof(n->children[0]),
              form == NP_SORTED_TOKENS ? by_text : by_javascript);
    const bool keyed = type == JSON_OBJECT || form == NP_SORTED_JS_ARRAYS_AS_OBJECTS;
    buf_add_char(out, keyed ? '{' : '[');
    for (size_t i = 0; i < n->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        if (keyed)
            print_key(out, n, i, form);
        print(out, &n->children[i], form);
    }
    buf_add_char(out, keyed ? '}' : ']');
}

void
np_canonical(struct buf *out, const struct json *doc, enum np_form form)
{
    struct arena *own = out->arena == NULL ? arena_new(CANONICAL_MEMORY_MAX) : NULL;
    struct builder b = {own == NULL ? out->arena : own, NULL, NULL, IPN_NODES_MAX};
    struct node root = {0};

    /* Without the body strings are printed the JavaScript way in every form. */
    if (build(&b, doc, &root))
        print(out, &root, form);
    else
        out->overflow = true;
    arena_free(own);
}

/* ---- numbers ---- */

/* A double's shortest digits that read back as the same double: x = 0.DIGITS * 10^point. */
struct shortest {
    char digits[24];
    int count;
    int point;
};

static bool
same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Take digits * 10^exponent as the answer when it reads back as `x`. */
static bool
try_digits(double x, uint64_t digits, int exponent, struct shortest *ret)
{
    char text[40];
    (void)snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits, exponent);
    if (!same_double(double_of(text), x))
        return false;
    ret->count = snprintf(ret->digits, sizeof(ret->digits), "%llu", (unsigned long long)digits);
    ret->point = exponent + ret->count;
    while (ret->count > 1 && ret->digits[ret->count - 1] == '0')
        ret->count--;
    return true;
}

/* `x` is positive and finite. */
static void
shortest_digits(double x, struct shortest *ret)
{
    /* A double with a spelling of up to 15 digits has exactly that one when printed with 15, and
     * trailing zeros are cut; only the denormals, which hold fewer digits, need the search. */
    for (int precision = x < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
        char text[40];
        (void)snprintf(text, sizeof(text), "%.*e", precision - 1, x);
        uint64_t digits = 0;
        const char *p = text;
        for (; *p != 'e'; p++) {
            if (*p != '.')
                digits = digits * 10 + (uint64_t)(*p - '0');
        }
        const int exponent = (int)strtol(p + 1, NULL, 10) - (precision - 1);
        /* Just above a power of two the doubles below lie closer than those above: there the
         * nearest text of this length can fail and its upper neighbour still read back. */
        if (try_digits(x, digits, exponent, ret) || try_digits(x, digits + 1, exponent, ret))
            return;
    }
    die("a double without a 17-digit spelling");
}

static char *
put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static char *
put_zeros(char *at, int count)
{
    for (; count > 0; count--)
        *at++ = '0';
    return at;
}

/* Number::toString of ECMA-262 6.1.6.1.20, steps 6 to 12, for radix 10.  The longest results are
 * "0.0000012345678901234567" and "1.2345678901234567e-308", 24 characters; returns the end. */
static char *
format_digits(const struct shortest *s, char *at)
{
    const int n = s->point;
    const size_t count = (size_t)s->count;

    if (n > 21 || n <= -6) {
        at = put(at, s->digits, 1);
        if (count > 1) {
            *at++ = '.';
            at = put(at, s->digits + 1, count - 1);
        }
        *at++ = 'e';
        *at++ = n - 1 < 0 ? '-' : '+';
        return at + snprintf(at, 4, "%d", abs(n - 1) % 1000);
    }
    if (n <= 0) {
        at = put_zeros(put(at, "0.", 2), -n);
        return put(at, s->digits, count);
    }
    if (s->count <= n)
        return put_zeros(put(at, s->digits, count), n - s->count);
    at = put(at, s->digits, (size_t)n);
    *at++ = '.';
    return put(at, s->digits + n, count - (size_t)n);
}

void
np_js_number(struct str token, char ret[32])
{
    /* A double has at most 767 significant digits; no sender spells more than that. */
    char text[1024];
    double x = (double)NAN;
    if (token.len > 0 && token.len < sizeof(text)) {
        memcpy(text, token.ptr, token.len);
        text[token.len] = '\0';
        x = double_of(text);
    }
    const int kind = fpclassify(x);
    char *at = ret;
    if (kind == FP_NAN) {
        at = put(at, "NaN", 3);
    } else if (kind == FP_ZERO) {
        at = put(at, "0", 1); /* -0 too */
    } else {
        if (signbit(x) != 0)
            *at++ = '-';
        if (kind == FP_INFINITE) {
            at = put(at, "Infinity", 8);
        } else {
            struct shortest s = {0};
            shortest_digits(fabs(x), &s);
            at = format_digits(&s, at);
        }
    }
    *at = '\0';
}

/* ---- the signature ---- */

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

    struct builder b = {a, body.ptr, body.ptr + body.len, IPN_NODES_MAX};
    struct node root = {0};
    if (doc == NULL || !build(&b, doc, &root))
        return false;
    struct buf text;
    buf_init_arena(&text, a, IPN_TEXT_MAX);
    static const enum np_form forms[] = {NP_SORTED_TOKENS, NP_SORTED_JS,
                                         NP_SORTED_JS_ARRAYS_AS_OBJECTS};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        buf_clear(&text);
        print(&text, &root, forms[i]);
        if (!text.overflow && proves(&p, buf_str(&text)))
            return true;
    }
    return false;
}
