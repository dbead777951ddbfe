#include "net/query.h"

#include "base/encode.h"
#include "base/text.h"

/* The byte at *at of form-encoded text, moving *at behind it; -1 for a bad escape. */
static int
decode_next(struct str text, size_t *at)
{
    const char c = text.ptr[(*at)++];

    if (c == '+')
        return ' ';
    if (c != '%')
        return (unsigned char)c;
    if (text.len - *at < 2)
        return -1;
    const int high = hex_value(text.ptr[*at]);
    const int low = hex_value(text.ptr[*at + 1]);
    if (high < 0 || low < 0)
        return -1;
    *at += 2;
    return high * 16 + low;
}

/* Does the encoded name mean `name`? */
static bool
is_name(struct str encoded, const char *name)
{
    size_t at = 0;

    for (; *name != '\0'; name++)
        if (at == encoded.len || decode_next(encoded, &at) != (unsigned char)*name)
            return false;
    return at == encoded.len;
}

/* The first `stop` in text, or its end. */
static size_t
find(struct str text, char stop)
{
    const char *p = text.len > 0 ? memchr(text.ptr, stop, text.len) : NULL;

    return p != NULL ? (size_t)(p - text.ptr) : text.len;
}

bool
query_get(struct arena *a, struct str query, const char *name, struct str *ret)
{
    struct str found = STR_NONE;
    bool seen = false;

    while (query.len > 0) {
        const struct str pair = {query.ptr, find(query, '&')};
        const size_t skip = MIN(pair.len + 1, query.len);
        const struct str key = {pair.ptr, find(pair, '=')};
        query.ptr += skip;
        query.len -= skip;
        if (!is_name(key, name))
            continue;
        if (seen)
            return false;
        seen = true;
        const size_t value_at = MIN(key.len + 1, pair.len);
        found = (struct str){pair.ptr + value_at, pair.len - value_at};
    }
    if (!seen)
        return false;

    char *value = arena_alloc(a, found.len + 1);
    size_t len = 0;
    for (size_t at = 0; at < found.len;) {
        const int c = decode_next(found, &at);

        if (c <= 0)
            return false;
        value[len++] = (char)c;
    }
    if (!utf8_ok((struct str){value, len}))
        return false;
    *ret = (struct str){value, len};
    return true;
}
