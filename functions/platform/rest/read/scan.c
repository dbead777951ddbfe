/*
 * JSON: is it, and which keys do its objects have?
 *
 * The body goes to PostgreSQL as it came; here it is walked once, without a tree and without
 * recursion, because it may be large and as deep as it likes.  The keys of the first object are
 * kept, those of the others are looked up among them.
 */
#include "rest/read/internal.h"

#include "base/encode.h"
#include "base/text.h"

/* More than any table has columns; an object that is one argument of a function may have many.  Two
 * million names would take seconds to sort. */
#define KEYS_MAX 20000

struct scan {
    struct arena *a;
    struct str text;
    size_t at;

    /* A bit for each container that is open: is it an object? */
    unsigned char few[64], *open;
    size_t open_max, depth;

    enum rest_shape shape;
    size_t elements, objects; /* of the top array; objects with keys of interest so far */
    bool uniform, too_many;

    struct str *keys; /* of the first object, as they were sent */
    size_t key_count, key_room;
    size_t *places;     /* of each of them among the sorted ones */
    struct str *sorted; /* each once */
    size_t *seen;       /* number of the last object that had it */
    size_t sorted_count;
    size_t number, differ; /* of the current object: keys so far, different ones */
};

/* ---- words ---- */

static int
peek(const struct scan *s)
{
    return s->at < s->text.len ? (unsigned char)s->text.ptr[s->at] : -1;
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

/* Four hex digits; -1 when they are none. */
static int32_t
hex4(struct str text, size_t at)
{
    int32_t n = 0;

    if (text.len - at < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        const int digit = hex_value(text.ptr[at + i]);

        if (digit < 0)
            return -1;
        n = n * 16 + digit;
    }
    return n;
}

/* The character of the digits at *at, which moves behind them and those of a second half; -1 when
 * there is none. */
static int32_t
unicode(struct str text, size_t *at)
{
    const int32_t first = hex4(text, *at);

    *at += 4;
    if (first < 0xD800 || first > 0xDFFF)
        return first;
    if (first > 0xDBFF || text.len - *at < 6 || memcmp(text.ptr + *at, "\\u", 2) != 0)
        return -1;
    const int32_t second = hex4(text, *at + 2);
    if (second < 0xDC00 || second > 0xDFFF)
        return -1;
    *at += 6;
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

static bool
scan_escape(struct scan *s)
{
    const int c = peek(s);

    if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL)
        return false;
    s->at++;
    return c != 'u' || unicode(s->text, &s->at) >= 0;
}

/* A string; ret is what is between its quotes, as written. */
static bool
scan_string(struct scan *s, struct str *ret, bool *ret_escaped)
{
    const size_t from = ++s->at;

    *ret_escaped = false;
    for (;;) {
        s->at += plain_length(s->text.ptr + s->at, s->text.len - s->at);
        const int c = peek(s);

        if (c == '"') {
            *ret = (struct str){s->text.ptr + from, s->at++ - from};
            return true;
        }
        if (c < 0x20) /* the end, too */
            return false;
        if (c == '\\') {
            *ret_escaped = true;
            s->at++;
            REST_TRY(scan_escape(s));
            continue;
        }
        const size_t n = utf8_length(s->text.ptr + s->at, s->text.len - s->at);
        if (n == 0)
            return false;
        s->at += n;
    }
}

static bool
scan_digits(struct scan *s)
{
    const size_t from = s->at;

    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at > from;
}

static bool
scan_number(struct scan *s)
{
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else
        REST_TRY(scan_digits(s));
    if (peek(s) == '.') {
        s->at++;
        REST_TRY(scan_digits(s));
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        REST_TRY(scan_digits(s));
    }
    return true;
}

static bool
scan_scalar(struct scan *s)
{
    static const char *const words[] = {"true", "false", "null"};
    struct str unused;
    bool escaped;

    if (peek(s) == '"')
        return scan_string(s, &unused, &escaped);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const size_t len = strlen(words[i]);

        if (s->text.len - s->at >= len && memcmp(s->text.ptr + s->at, words[i], len) == 0) {
            s->at += len;
            return true;
        }
    }
    return scan_number(s);
}

/* ---- keys ---- */

static size_t
put_utf8(char *to, int32_t code)
{
    const unsigned c = (unsigned)code;
    const size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (size_t i = len; i > 1; i--)
        to[i - 1] = (char)(0x80 | (c >> (6 * (len - i)) & 0x3F));
    to[0] = (char)(marks[len] | c >> (6 * (len - 1)));
    return len;
}

/* A scanned string as it is meant; false: it has a NUL. */
static bool
unescape(struct arena *a, struct str *text)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char *out = arena_bytes(a, text->len);
    size_t n = 0;

    for (size_t i = 0; i < text->len;) {
        if (text->ptr[i] != '\\') {
            out[n++] = text->ptr[i++];
            continue;
        }
        const char c = text->ptr[i + 1];
        i += 2;
        if (c != 'u') {
            const char *letter = strchr(letters, c);

            out[n++] = letter != NULL ? meanings[letter - letters] : c;
            continue;
        }
        const int32_t code = unicode(*text, &i);
        if (code == 0)
            return false;
        n += put_utf8(out + n, code);
    }
    *text = (struct str){out, n};
    return true;
}

static void
keep_key(struct scan *s, struct str key)
{
    if (s->key_count == KEYS_MAX) {
        s->too_many = true;
        s->uniform = false; /* nothing is of interest any more but whether it is JSON */
        return;
    }
    if (s->key_count == s->key_room) {
        struct str *more = ARENA_ARRAY(s->a, struct str, 2 * s->key_room + 16);

        if (s->key_count > 0)
            memcpy(more, s->keys, s->key_count * sizeof(more[0]));
        s->keys = more;
        s->key_room = 2 * s->key_room + 16;
    }
    s->keys[s->key_count++] = key;
}

static int
key_order(const void *a, const void *b)
{
    const struct str x = *(const struct str *)a;
    const struct str y = *(const struct str *)b;
    const int order = memcmp(x.ptr, y.ptr, MIN(x.len, y.len));

    if (order != 0)
        return order;
    return x.len < y.len ? -1 : x.len > y.len;
}

/* Where the key is among the sorted ones; their number: it is not. */
static size_t
find_key(const struct scan *s, struct str key)
{
    const struct str *found =
        s->sorted_count == 0 ? NULL
                             : bsearch(&key, s->sorted, s->sorted_count, sizeof(key), key_order);

    return found == NULL ? s->sorted_count : (size_t)(found - s->sorted);
}

/* The first object is complete. */
static void
sort_keys(struct scan *s)
{
    const size_t count = s->key_count;

    s->sorted = ARENA_ARRAY(s->a, struct str, MAX(count, 1));
    s->places = ARENA_ARRAY(s->a, size_t, MAX(count, 1));
    s->seen = ARENA_ARRAY(s->a, size_t, MAX(count, 1));
    if (count == 0)
        return;
    memcpy(s->sorted, s->keys, count * sizeof(s->sorted[0]));
    qsort(s->sorted, count, sizeof(s->sorted[0]), key_order);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !str_eq(s->sorted[i], s->sorted[s->sorted_count - 1]))
            s->sorted[s->sorted_count++] = s->sorted[i];
    for (size_t i = 0; i < count; i++)
        s->places[i] = find_key(s, s->keys[i]);
}

/* A key of a further object.  Nearly always it is the one that is at its place in the first. */
static void
compare_key(struct scan *s, struct str key)
{
    const size_t number = s->number++;
    const size_t place = number < s->key_count && str_eq(key, s->keys[number]) ? s->places[number]
                                                                               : find_key(s, key);

    if (place == s->sorted_count) {
        s->uniform = false;
    } else if (s->seen[place] != s->objects) {
        s->seen[place] = s->objects;
        s->differ++;
    }
}

/* The innermost container is an object whose keys are columns. */
static bool
of_interest(const struct scan *s)
{
    return s->depth == (s->shape == REST_ONE ? 1U : 2U) && s->uniform;
}

static bool
scan_key(struct scan *s)
{
    struct str key;
    bool escaped;

    skip_blanks(s);
    if (peek(s) != '"')
        return false;
    REST_TRY(scan_string(s, &key, &escaped));
    if (of_interest(s)) {
        if (escaped)
            REST_TRY(unescape(s->a, &key));
        if (s->objects == 1)
            keep_key(s, key);
        else
            compare_key(s, key);
    }
    skip_blanks(s);
    return s->at < s->text.len && s->text.ptr[s->at++] == ':';
}

/* ---- containers ---- */

static void
push(struct scan *s, bool object)
{
    const unsigned char bit = (unsigned char)(1U << s->depth % 8);

    if (s->depth == s->open_max) { /* never deeper than the text is long */
        unsigned char *more = ARENA_ARRAY(s->a, unsigned char, s->text.len / 8 + 1);

        memcpy(more, s->few, MIN(sizeof(s->few), s->text.len / 8 + 1));
        s->open = more;
        s->open_max = SIZE_MAX;
    }
    unsigned char *byte = &s->open[s->depth / 8];
    *byte = (unsigned char)(object ? *byte | bit : *byte & ~bit);
    s->depth++;
    if (object && of_interest(s)) {
        s->objects++;
        s->number = 0;
        s->differ = 0;
    }
}

static bool
in_object(const struct scan *s)
{
    return (s->open[(s->depth - 1) / 8] >> (s->depth - 1) % 8 & 1) != 0;
}

static void
pop(struct scan *s)
{
    if (in_object(s) && of_interest(s)) {
        if (s->objects == 1)
            sort_keys(s);
        else if (s->differ != s->sorted_count)
            s->uniform = false;
    }
    s->depth--;
}

/* A value begins: what it says about the whole. */
static void
note_value(struct scan *s, int c)
{
    if (s->depth == 0)
        s->shape = c == '{' ? REST_ONE : c == '[' ? REST_MANY : REST_SCALAR;
    if (s->depth == 1 && s->shape == REST_MANY) {
        s->elements++;
        s->uniform = s->uniform && c == '{';
    }
}

/* Behind a value: the ends of containers, and the comma before the next value; *ret_more: there
 * is one. */
static bool
scan_after(struct scan *s, bool *ret_more)
{
    *ret_more = false;
    for (skip_blanks(s); s->depth > 0; skip_blanks(s)) {
        const int c = peek(s);
        const bool object = in_object(s);

        s->at++;
        if (c == ',') {
            *ret_more = true;
            return !object || scan_key(s);
        }
        if (c != (object ? '}' : ']'))
            return false;
        pop(s);
    }
    return s->at == s->text.len;
}

/* A value up to the first scalar or empty container in it. */
static bool
scan_value(struct scan *s)
{
    for (;;) {
        skip_blanks(s);
        const int c = peek(s);

        note_value(s, c);
        if (c != '{' && c != '[')
            return scan_scalar(s);
        push(s, c == '{');
        s->at++;
        skip_blanks(s);
        if (peek(s) == (c == '{' ? '}' : ']')) {
            s->at++;
            pop(s);
            return true;
        }
        if (c == '{')
            REST_TRY(scan_key(s));
    }
}

bool
rest_scan(struct arena *a, struct str text, struct rest_scanned *ret)
{
    struct scan *s = ARENA_NEW(a, struct scan);
    struct rest_names **tail = &ret->keys;
    bool more = true;

    *s = (struct scan){.a = a, .text = text, .uniform = true};
    s->open = s->few;
    s->open_max = 8 * sizeof(s->few);
    while (more)
        REST_TRY(scan_value(s) && scan_after(s, &more));
    *ret = (struct rest_scanned){
        .shape = s->shape, .elements = s->elements, .uniform = s->uniform, .too_many = s->too_many};
    for (size_t i = 0; i < s->sorted_count; i++)
        rest_names_add(a, &tail, s->sorted[i]);
    return true;
}
