/*
 * A document becomes a small tree once (build), in which a value knows its token in the body; every
 * form is printed from that, after its objects were sorted in its order.
 */
#include "nowpayments/canonical.h"

#include <stdlib.h>

#include "json/tree.h"
#include "nowpayments/js_number.h"

/* Memory of np_canonical when the output is not in an arena. */
#define CANONICAL_MEMORY_MAX (4 * 1024 * 1024)

/* ---- the document as a tree that can be sorted ---- */

struct np_document {
    const struct json *value;
    struct str key;       /* decoded; in objects */
    struct str key_token; /* as received, with quotes; ptr NULL when the body is not known */
    struct str token;     /* strings, numbers, literals as received; ptr NULL likewise */
    struct np_document *children;
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
build(struct builder *b, const struct json *value, struct np_document *ret)
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
    ret->children = ARENA_ARRAY(b->arena, struct np_document, MAX(count, 1));
    for (const struct json *v = json_first(value); v != NULL; v = json_next(v)) {
        struct np_document *child = &ret->children[ret->count++];
        if (type == JSON_OBJECT) {
            child->key = json_key(v);
            child->key_token = next_token(b);
        }
        if (!build(b, v, child))
            return false;
    }
    return true;
}

struct np_document *
np_document_read(struct arena *a, struct str body, const struct json *doc)
{
    const char *end = body.ptr == NULL ? NULL : body.ptr + body.len;
    struct builder b = {a, body.ptr, end, NP_VALUES_MAX};
    struct np_document *root = ARENA_NEW(a, struct np_document);

    return build(&b, doc, root) ? root : NULL;
}

int
np_document_effort(const struct np_document *n)
{
    int effort = json_type(n->value) == JSON_NUMBER ? np_js_number_effort(json_text(n->value)) : 0;

    for (size_t i = 0; i < n->count; i++)
        effort += np_document_effort(&n->children[i]);
    return effort;
}

bool
np_document_has_array(const struct np_document *n)
{
    if (json_type(n->value) == JSON_ARRAY)
        return true;
    for (size_t i = 0; i < n->count; i++)
        if (np_document_has_array(&n->children[i]))
            return true;
    return false;
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
    return utf16_cmp(((const struct np_document *)a)->key, ((const struct np_document *)b)->key);
}

/* The sender sorts the keys and builds a new object from them.  A JavaScript object lists its
 * array indices first, in ascending order, whatever the order of insertion (ECMA-262 10.1.11). */
static int
by_javascript(const void *a, const void *b)
{
    const struct str key_a = ((const struct np_document *)a)->key;
    const struct str key_b = ((const struct np_document *)b)->key;
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
print_number(struct buf *out, const struct np_document *n, enum np_form form)
{
    if (form == NP_SORTED_TOKENS) {
        buf_add_str(out, json_text(n->value));
        return;
    }
    char digits[NP_JS_NUMBER_SIZE];
    np_js_number(json_text(n->value), digits);
    const bool finite = strpbrk(digits, "NI") == NULL; /* not "NaN", not "Infinity" */
    buf_add_text(out, finite ? digits : "null");       /* as JSON.stringify does */
}

static void
print_scalar(struct buf *out, const struct np_document *n, enum np_form form)
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
print_key(struct buf *out, const struct np_document *parent, size_t child, enum np_form form)
{
    const struct np_document *n = &parent->children[child];

    if (json_type(parent->value) == JSON_ARRAY)
        buf_printf(out, "\"%zu\"", child);
    else if (form == NP_SORTED_TOKENS && n->key_token.ptr != NULL)
        buf_add_str(out, n->key_token);
    else
        print_string(out, n->key);
    buf_add_char(out, ':');
}

void
np_document_print(struct buf *out, struct np_document *n, enum np_form form)
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
        np_document_print(out, &n->children[i], form);
    }
    buf_add_char(out, keyed ? '}' : ']');
}

void
np_canonical(struct buf *out, const struct json *doc, enum np_form form)
{
    struct arena *own = out->arena == NULL ? arena_new(CANONICAL_MEMORY_MAX) : NULL;
    struct np_document *document = np_document_read(own == NULL ? out->arena : own, STR_NONE, doc);

    if (document != NULL)
        np_document_print(out, document, form);
    else
        out->overflow = true;
    arena_free(own);
}
