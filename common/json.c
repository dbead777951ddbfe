#include "json.h"

#include <cjson/cJSON.h>

#define FEW_KEYS   12 /* compared pair by pair; more are sorted */
#define NUMBER_MAX 63 /* cJSON reads no longer ones */

/* ---- the strict scan ----
 * cJSON accepts much that is not JSON, so the text is checked here first, and cJSON then builds
 * the tree of a text that is known to be good. */

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

/* Length of the well-formed UTF-8 character at p, or 0. */
static size_t
utf8_length(const unsigned char *p, size_t left)
{
    unsigned char low = 0x80; /* bounds of the second byte */
    unsigned char high = 0xBF;
    size_t n = 0;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        n = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        n = 3;
        low = p[0] == 0xE0 ? 0xA0 : 0x80;  /* overlong */
        high = p[0] == 0xED ? 0x9F : 0xBF; /* surrogates */
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        n = 4;
        low = p[0] == 0xF0 ? 0x90 : 0x80;  /* overlong */
        high = p[0] == 0xF4 ? 0x8F : 0xBF; /* beyond U+10FFFF */
    }
    if (n == 0 || n > left || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* Four hex digits at p; -1 when they are none. */
static int32_t
hex4(const unsigned char *p, size_t left)
{
    int32_t n = 0;

    if (left < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const unsigned char c = p[i];

        if (c >= '0' && c <= '9')
            n = n * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            n = n * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return n;
}

/* A \u escape, or two that make a surrogate pair; s->at is behind the 'u'. */
static bool
scan_unicode_escape(struct scan *s)
{
    const size_t start = s->at - 2;
    const int32_t first = hex4(s->text + s->at, s->len - s->at);

    if (first < 0)
        return fault(s, start, "invalid \\u escape");
    if (first == 0)
        return fault(s, start, "\\u0000 is not allowed"); /* PostgreSQL's text has no NUL */
    s->at += 4;
    if (first < 0xD800 || first > 0xDFFF)
        return true;
    if (first > 0xDBFF || s->len - s->at < 6 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u')
        return fault(s, start, "lone surrogate");
    const int32_t second = hex4(s->text + s->at + 2, s->len - s->at - 2);
    if (second < 0xDC00 || second > 0xDFFF)
        return fault(s, start, "lone surrogate");
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
        const unsigned char c = s->text[s->at];

        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') { /* nearly always */
            s->at++;
            continue;
        }
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
        const size_t n = utf8_length(s->text + s->at, s->len - s->at);
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
    const unsigned char *name = s->text + start + 1;
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

/* ---- the tree ---- */

/* Where cJSON's nodes go.  A request that runs out of memory is unwound from inside of cJSON and
 * leaves this set; the next parse sets it anew. */
static struct arena *current_arena;

static void *
hook_malloc(size_t size)
{
    MUST(current_arena != NULL);
    return arena_alloc(current_arena, size);
}

static void
hook_free(void *ptr)
{
    (void)ptr; /* the arena's */
}

static cJSON *
build(struct arena *a, struct str text)
{
    static bool hooked;
    const char *end = NULL;

    if (!hooked) {
        cJSON_Hooks hooks = {hook_malloc, hook_free};
        cJSON_InitHooks(&hooks);
        hooked = true;
    }
    current_arena = a;
    cJSON *tree = cJSON_ParseWithLengthOpts(text.ptr, text.len, &end, false);
    current_arena = NULL;
    return tree;
}

/* The next number token of a good text behind *at. */
static struct str
next_number(struct str text, size_t *at)
{
    size_t i = *at;

    while (i < text.len && text.ptr[i] != '-' && !(text.ptr[i] >= '0' && text.ptr[i] <= '9')) {
        if (text.ptr[i++] != '"')
            continue;
        for (; text.ptr[i] != '"'; i++)
            if (text.ptr[i] == '\\')
                i++;
        i++;
    }
    const size_t start = i;
    while (i < text.len && text.ptr[i] != '\0' && strchr("+-.eE0123456789", text.ptr[i]) != NULL)
        i++;
    *at = i;
    return (struct str){text.ptr + start, i - start};
}

/* Give every number its token; the tree is walked in the order of the text. */
static void
attach_tokens(struct arena *a, cJSON *first, struct str text, size_t *at)
{
    for (cJSON *v = first; v != NULL; v = v->next) {
        if (cJSON_IsNumber(v))
            v->valuestring = arena_copy(a, next_number(text, at));
        else if (v->child != NULL)
            attach_tokens(a, v->child, text, at);
    }
}

enum err
json_parse(struct arena *a, struct fail *f, struct str text, const struct json **ret)
{
    struct scan s = {.arena = a, .text = (const unsigned char *)text.ptr, .len = text.len};
    size_t at = 0;

    if (text.len == 0)
        return fail_set(f, ERR_INVALID, "Request body is empty");
    if (text.len > INT32_MAX)
        return fail_set(f, ERR_TOO_LARGE, "JSON text is too long");
    s.keys = ARENA_ARRAY(a, struct key, count_colons(text));
    if (!scan_document(&s))
        return fail_set(f, ERR_INVALID, "Invalid JSON at byte %zu: %s", s.at + 1, s.reason);
    cJSON *tree = build(a, text);
    if (tree == NULL)
        return fail_detail(f, ERR_INTERNAL, "cJSON refuses a text that the strict scan accepts");
    attach_tokens(a, tree, text, &at);
    *ret = (const struct json *)(const void *)tree;
    return ERR_OK;
}

static const cJSON *
node(const struct json *v)
{
    return (const cJSON *)(const void *)v;
}

static const struct json *
value(const cJSON *n)
{
    return (const struct json *)(const void *)n;
}

enum json_type
json_type(const struct json *v)
{
    switch (node(v)->type & 0xFF) {
    case cJSON_NULL:
        return JSON_NULL;
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        die("json: a node of type %d", node(v)->type);
    }
}

const struct json *
json_get(const struct json *object, const char *name)
{
    if (object == NULL || !cJSON_IsObject(node(object)))
        return NULL;
    return value(cJSON_GetObjectItemCaseSensitive(node(object), name));
}

struct str
json_text(const struct json *v)
{
    if (v == NULL || !(cJSON_IsString(node(v)) || cJSON_IsNumber(node(v))))
        return STR_NONE;
    return str_of(node(v)->valuestring);
}

bool
json_is_true(const struct json *v)
{
    return v != NULL && cJSON_IsTrue(node(v));
}

const struct json *
json_first(const struct json *v)
{
    return v == NULL ? NULL : value(node(v)->child);
}

const struct json *
json_next(const struct json *v)
{
    return v == NULL ? NULL : value(node(v)->next);
}

struct str
json_key(const struct json *v)
{
    return v == NULL ? STR_NONE : str_of(node(v)->string);
}

size_t
json_count(const struct json *v)
{
    size_t n = 0;

    for (v = json_first(v); v != NULL; v = json_next(v))
        n++;
    return n;
}

/* ---- writing ---- */

void
jw_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

/* Comma and checks in front of a value. */
static void
before_value(struct json_writer *w)
{
    const bool in_object = w->depth > 0 && w->kind[w->depth] == '{';

    MUST(in_object == w->has_key);
    if (in_object) {
        w->has_key = false;
        return;
    }
    MUST(w->depth > 0 || !w->filled[0]); /* a text is one value */
    if (w->filled[w->depth])
        buf_add_char(w->out, ',');
    w->filled[w->depth] = true;
}

static void
open(struct json_writer *w, char kind)
{
    before_value(w);
    MUST(w->depth + 1 < JSON_WRITE_DEPTH_MAX);
    w->depth++;
    w->kind[w->depth] = kind;
    w->filled[w->depth] = false;
    buf_add_char(w->out, kind);
}

static void
close(struct json_writer *w, char kind)
{
    MUST(w->depth > 0 && w->kind[w->depth] == kind && !w->has_key);
    w->depth--;
    buf_add_char(w->out, kind == '{' ? '}' : ']');
}

void
jw_open(struct json_writer *w)
{
    open(w, '{');
}

void
jw_close(struct json_writer *w)
{
    close(w, '{');
}

void
jw_open_array(struct json_writer *w)
{
    open(w, '[');
}

void
jw_close_array(struct json_writer *w)
{
    close(w, '[');
}

/* One character that cannot stand in a string as it is. */
static void
write_escape(struct buf *out, unsigned char c)
{
    static const char letters[] = "\b\f\n\r\t\"\\";
    static const char spelled[] = "bfnrt\"\\";
    const char *letter = strchr(letters, c);
    char text[8];

    if (c != 0 && letter != NULL)
        (void)snprintf(text, sizeof(text), "\\%c", spelled[letter - letters]);
    else
        (void)snprintf(text, sizeof(text), "\\u%04x", c);
    buf_add_text(out, text);
}

/* Stretches that need no change are added as they are. */
static void
write_string(struct buf *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t done = 0;

    buf_add_char(out, '"');
    for (size_t i = 0; i < s.len;) {
        const size_t n = utf8_length(p + i, s.len - i);

        if (n > 0 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
            i += n;
            continue;
        }
        buf_add(out, s.ptr + done, i - done);
        if (n == 0)
            buf_add_text(out, "\xEF\xBF\xBD"); /* U+FFFD */
        else
            write_escape(out, p[i]);
        done = ++i;
    }
    if (s.len > done)
        buf_add(out, s.ptr + done, s.len - done);
    buf_add_char(out, '"');
}

void
jw_key(struct json_writer *w, const char *key)
{
    MUST(w->depth > 0 && w->kind[w->depth] == '{' && !w->has_key);
    if (w->filled[w->depth])
        buf_add_char(w->out, ',');
    w->filled[w->depth] = true;
    write_string(w->out, str_of(key));
    buf_add_char(w->out, ':');
    w->has_key = true;
}

void
jw_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_add_str(w->out, json.len > 0 ? json : STR("null"));
}

/* No text at all (ptr NULL, as of SQL's NULL or an absent member) is null. */
void
jw_str(struct json_writer *w, struct str s)
{
    if (s.ptr == NULL) {
        jw_null(w);
        return;
    }
    before_value(w);
    write_string(w->out, s);
}

void
jw_text(struct json_writer *w, const char *text)
{
    jw_str(w, str_of(text));
}

void
jw_i64(struct json_writer *w, int64_t n)
{
    before_value(w);
    buf_printf(w->out, "%lld", (long long)n);
}

void
jw_bool(struct json_writer *w, bool b)
{
    jw_raw(w, b ? STR("true") : STR("false"));
}

void
jw_null(struct json_writer *w)
{
    jw_raw(w, STR("null"));
}

/* numeric's NaN and Infinity are no JSON numbers; like PostgreSQL's to_json we write a string. */
void
jw_number(struct json_writer *w, const char *digits)
{
    struct scan s = {.text = (const unsigned char *)digits, .len = str_of(digits).len};

    if (digits != NULL && scan_number(&s) && s.at == s.len)
        jw_raw(w, str_of(digits));
    else
        jw_text(w, digits);
}

void
jw_value(struct json_writer *w, const struct json *v)
{
    const enum json_type type = v == NULL ? JSON_NULL : json_type(v);

    switch (type) {
    case JSON_NULL:
        jw_null(w);
        break;
    case JSON_BOOL:
        jw_bool(w, json_is_true(v));
        break;
    case JSON_NUMBER:
        jw_raw(w, json_text(v));
        break;
    case JSON_STRING:
        jw_str(w, json_text(v));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        open(w, type == JSON_OBJECT ? '{' : '[');
        for (const struct json *c = json_first(v); c != NULL; c = json_next(c)) {
            if (type == JSON_OBJECT)
                jw_key(w, json_key(c).ptr);
            jw_value(w, c);
        }
        close(w, type == JSON_OBJECT ? '{' : '[');
        break;
    }
}

void
jw_text_at(struct json_writer *w, const char *key, const char *text)
{
    jw_key(w, key);
    jw_text(w, text);
}

void
jw_str_at(struct json_writer *w, const char *key, struct str s)
{
    jw_key(w, key);
    jw_str(w, s);
}

void
jw_i64_at(struct json_writer *w, const char *key, int64_t n)
{
    jw_key(w, key);
    jw_i64(w, n);
}

void
jw_bool_at(struct json_writer *w, const char *key, bool b)
{
    jw_key(w, key);
    jw_bool(w, b);
}

void
jw_number_at(struct json_writer *w, const char *key, const char *digits)
{
    jw_key(w, key);
    jw_number(w, digits);
}
