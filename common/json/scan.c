/*
 * The strict scan: cJSON accepts much that is not JSON, so a text is checked here first, and cJSON
 * then builds the tree of one that is known to be good.
 */
#include "json/internal.h"

#include "base/encode.h"
#include "base/text.h"
#include "json/tree.h"

#define FEW_KEYS   32 /* compared pair by pair; more are sorted */
#define NUMBER_MAX 63 /* cJSON reads no longer ones */

/* A member's name as it is meant (escapes resolved). */
struct key {
    const char *ptr;
    uint32_t len;
    uint32_t at; /* position of its opening quote */
};

struct scan {
    struct arena *arena;
    const unsigned char *text;
    size_t len;
    size_t at;
    int depth;
    size_t values;
    bool mend;
    char *mended; /* a copy of the text, once something in it is not to be read as it stands */
    const char *reason; /* set by the first fault, together with `at` */
    struct key *keys;   /* of the objects that are open, outermost first */
    size_t key_count;
};

static bool scan_value(struct scan *s);

static bool
fault(struct scan *s, size_t at, const char *reason)
{
    s->at = at;
    s->reason = reason;
    return false;
}

/* Byte at the scan's position, or -1 at the end. */
static int
peek(const struct scan *s)
{
    return s->at < s->len ? s->text[s->at] : -1;
}

static void
skip_blanks(struct scan *s)
{
    int c = peek(s);

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        s->at++;
        c = peek(s);
    }
}

/* Four hex digits at p; -1 when they are none. */
static int32_t
hex4(const unsigned char *p, size_t left)
{
    int32_t n = 0;

    if (left < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_value((char)p[i]);

        if (digit < 0)
            return -1;
        n = n * 16 + digit;
    }
    return n;
}

/* The escape whose four digits stand at `at` is of no character: a fault, or read as U+FFFD, which
 * is as long, so that every token stays in its place. */
static bool
no_character(struct scan *s, size_t at, const char *reason)
{
    if (!s->mend)
        return fault(s, at - 2, reason);
    if (s->mended == NULL)
        s->mended = arena_copy(s->arena, (struct str){(const char *)s->text, s->len});
    memcpy(s->mended + at, "fffd", 4);
    s->at = at + 4;
    return true;
}

/* A \u escape, or two that make a surrogate pair; s->at is behind the 'u'. */
static bool
scan_unicode_escape(struct scan *s)
{
    const size_t start = s->at;
    const int32_t first = hex4(s->text + s->at, s->len - s->at);

    if (first < 0)
        return fault(s, start - 2, "invalid \\u escape");
    if (first == 0) /* PostgreSQL's text has no NUL */
        return no_character(s, start, "\\u0000 is not allowed");
    s->at += 4;
    if (first < 0xD800 || first > 0xDFFF)
        return true;
    if (first > 0xDBFF || s->len - s->at < 6 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u')
        return no_character(s, start, "lone surrogate");
    const int32_t second = hex4(s->text + s->at + 2, s->len - s->at - 2);
    if (second < 0xDC00 || second > 0xDFFF)
        return no_character(s, start, "lone surrogate");
    s->at += 6;
    return true;
}

/* A string with its quotes; ret_escaped: it has a backslash. */
static bool
scan_string(struct scan *s, bool *ret_escaped)
{
    const size_t start = s->at;

    *ret_escaped = false;
    for (s->at++; s->at < s->len;) {
        s->at += plain_length((const char *)s->text + s->at, s->len - s->at);
        if (s->at == s->len)
            break;
        const unsigned char c = s->text[s->at];

        if (c == '"') {
            s->at++;
            return true;
        }
        if (c == '\\') {
            *ret_escaped = true;
            s->at++;
            const int escape = peek(s);
            if (escape < 0)
                break;
            if (escape == 0 || strchr("\"\\/bfnrtu", escape) == NULL)
                return fault(s, s->at - 1, "invalid escape");
            s->at++;
            if (escape == 'u' && !scan_unicode_escape(s))
                return false;
            continue;
        }
        if (c < 0x20)
            return fault(s, s->at, "control character in a string");
        const size_t n = utf8_length((const char *)s->text + s->at, s->len - s->at);
        if (n == 0)
            return fault(s, s->at, "invalid UTF-8");
        s->at += n;
    }
    return fault(s, start, "unterminated string");
}

static size_t
skip_digits(struct scan *s)
{
    const size_t start = s->at;

    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at - start;
}

static bool
scan_number(struct scan *s)
{
    const size_t start = s->at;

    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else if (skip_digits(s) == 0)
        return fault(s, start, "invalid number");
    if (peek(s) == '.') {
        s->at++;
        if (skip_digits(s) == 0)
            return fault(s, start, "invalid number");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (skip_digits(s) == 0)
            return fault(s, start, "invalid number");
    }
    if (peek(s) >= '0' && peek(s) <= '9')
        return fault(s, start, "invalid number"); /* 01 */
    if (s->at - start > NUMBER_MAX)
        return fault(s, start, "number is too long");
    return true;
}

/* The bytes of U+code; returns their number. */
static size_t
utf8_put(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xE0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 63));
        to[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    to[0] = (char)(0xF0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 63));
    to[2] = (char)(0x80 | (code >> 6 & 63));
    to[3] = (char)(0x80 | (code & 63));
    return 4;
}

/* What a scanned string without its quotes means; never longer than its spelling. */
static struct str
unescape(struct arena *a, const unsigned char *p, size_t len)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    char *out = arena_alloc(a, len);
    size_t n = 0;

    for (size_t i = 0; i < len;) {
        if (p[i] != '\\') {
            out[n++] = (char)p[i++];
            continue;
        }
        const unsigned char c = p[i + 1];
        i += 2;
        if (c == 'u') {
            uint32_t code = (uint32_t)hex4(p + i, len - i);
            i += 4;
            if (code >= 0xD800 && code <= 0xDBFF) {
                const uint32_t low = (uint32_t)hex4(p + i + 2, len - i - 2);
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                i += 6;
            }
            n += utf8_put(out + n, code);
        } else {
            const char *letter = strchr(letters, c);
            out[n++] = letter != NULL ? meanings[letter - letters] : (char)c;
        }
    }
    return (struct str){out, n};
}

static int
key_order(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;
    const int order = memcmp(x->ptr, y->ptr, MIN(x->len, y->len));

    if (order != 0)
        return order;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static bool
same_key(const struct key *a, const struct key *b)
{
    return a->len == b->len && memcmp(a->ptr, b->ptr, a->len) == 0;
}

/* Are the names of one object all different?  Sorting keeps a hostile body of thousands of names
 * from costing quadratic time. */
static bool
keys_differ(struct scan *s, struct key *keys, size_t count)
{
    size_t first = SIZE_MAX;

    if (count <= FEW_KEYS) {
        for (size_t i = 1; i < count; i++)
            for (size_t k = 0; k < i; k++)
                if (same_key(&keys[i], &keys[k]))
                    return fault(s, keys[i].at, "duplicate key");
        return true;
    }
    qsort(keys, count, sizeof(keys[0]), key_order);
    for (size_t i = 1; i < count; i++)
        if (same_key(&keys[i], &keys[i - 1]))
            first = MIN(first, keys[i].at);
    return first == SIZE_MAX || fault(s, first, "duplicate key");
}

static bool
scan_key(struct scan *s)
{
    const size_t start = s->at;
    bool escaped;

    if (peek(s) != '"')
        return fault(s, s->at, "expected a key in double quotes");
    if (!scan_string(s, &escaped))
        return false;
    const unsigned char *name =
        (s->mended == NULL ? s->text : (const unsigned char *)s->mended) + start + 1;
    const size_t len = s->at - start - 2;
    const struct str key =
        escaped ? unescape(s->arena, name, len) : (struct str){(const char *)name, len};
    skip_blanks(s);
    if (peek(s) != ':')
        return fault(s, s->at, "expected ':'");
    s->at++;
    s->keys[s->key_count++] = (struct key){key.ptr, (uint32_t)key.len, (uint32_t)start};
    return true;
}

/* The members behind '{' or the elements behind '['. */
static bool
scan_members(struct scan *s, bool object)
{
    const int end = object ? '}' : ']';
    const size_t first_key = s->key_count;

    skip_blanks(s);
    if (peek(s) == end) {
        s->at++;
        return true;
    }
    for (;;) {
        skip_blanks(s);
        if (object && !scan_key(s))
            return false;
        skip_blanks(s);
        if (!scan_value(s))
            return false;
        skip_blanks(s);
        const int c = peek(s);
        if (c != ',' && c != end)
            return fault(s, s->at, object ? "expected ',' or '}'" : "expected ',' or ']'");
        s->at++;
        if (c == end)
            break;
    }
    if (!keys_differ(s, s->keys + first_key, s->key_count - first_key))
        return false;
    s->key_count = first_key;
    return true;
}

static bool
scan_literal(struct scan *s, const char *word)
{
    const size_t len = strlen(word);

    if (s->len - s->at < len || memcmp(s->text + s->at, word, len) != 0)
        return fault(s, s->at, "expected a value");
    s->at += len;
    return true;
}

static bool
scan_value(struct scan *s)
{
    const int c = peek(s);
    bool escaped;

    s->values++;
    if (c == '{' || c == '[') {
        if (s->depth == JSON_DEPTH_MAX)
            return fault(s, s->at, "nested too deeply");
        s->depth++;
        s->at++;
        if (!scan_members(s, c == '{'))
            return false;
        s->depth--;
        return true;
    }
    if (c == '"')
        return scan_string(s, &escaped);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(s);
    if (c == 't')
        return scan_literal(s, "true");
    if (c == 'f')
        return scan_literal(s, "false");
    if (c == 'n')
        return scan_literal(s, "null");
    return fault(s, s->at, c < 0 ? "unexpected end" : "expected a value");
}

/* Every member has a ':', so their number bounds the number of names. */
static size_t
count_colons(struct str text)
{
    const char *end = text.ptr + text.len;
    size_t n = 0;

    for (const char *p = text.ptr; (p = memchr(p, ':', (size_t)(end - p))) != NULL; p++)
        n++;
    return n;
}

static bool
scan_document(struct scan *s)
{
    skip_blanks(s);
    if (!scan_value(s))
        return false;
    skip_blanks(s);
    return s->at == s->len || fault(s, s->at, "text behind the end");
}

bool
json_scan(struct arena *a, struct str text, bool mend, struct json_scanned *ret)
{
    struct scan s = {
        .arena = a,
        .text = (const unsigned char *)text.ptr,
        .len = text.len,
        .mend = mend,
        .keys = ARENA_ARRAY(a, struct key, count_colons(text)),
    };
    const bool good = scan_document(&s);

    *ret = (struct json_scanned){
        .at = s.at,
        .reason = s.reason,
        .values = s.values,
        .text = {s.mended == NULL ? text.ptr : s.mended, text.len},
    };
    return good;
}

bool
json_is_number(struct str text)
{
    struct scan s = {.text = (const unsigned char *)text.ptr, .len = text.len};

    return text.len > 0 && scan_number(&s) && s.at == s.len;
}
