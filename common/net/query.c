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

/* The first pair of `rest`, which moves behind it. */
static void
take_pair(struct str *rest, struct str *ret_key, struct str *ret_value)
{
    const struct str pair = {rest->ptr, find(*rest, '&')};
    const size_t skip = MIN(pair.len + 1, rest->len);

    *ret_key = (struct str){pair.ptr, find(pair, '=')};
    const size_t value_at = MIN(ret_key->len + 1, pair.len);
    *ret_value = (struct str){pair.ptr + value_at, pair.len - value_at};
    rest->ptr += skip;
    rest->len -= skip;
}

static bool
decode(struct arena *a, struct str encoded, struct str *ret)
{
    char *text = arena_alloc(a, encoded.len + 1);
    size_t len = 0;

    for (size_t at = 0; at < encoded.len;) {
        const int c = decode_next(encoded, &at);

        if (c <= 0)
            return false;
        text[len++] = (char)c;
    }
    if (!utf8_ok((struct str){text, len}))
        return false;
    text[len] = '\0';
    *ret = (struct str){text, len};
    return true;
}

bool
query_next(struct arena *a, struct str *rest, struct query_param *ret, bool *ret_ok)
{
    struct str name, value;

    while (rest->len > 0 && rest->ptr[0] == '&') { /* empty pairs are none */
        rest->ptr++;
        rest->len--;
    }
    if (rest->len == 0)
        return false;
    take_pair(rest, &name, &value);
    *ret = (struct query_param){STR(""), STR("")};
    *ret_ok = decode(a, name, &name) && decode(a, value, &value);
    if (*ret_ok)
        *ret = (struct query_param){name, value};
    return true;
}

bool
query_get(struct arena *a, struct str query, const char *name, struct str *ret)
{
    struct str found = STR_NONE;
    bool seen = false;

    while (query.len > 0) {
        struct str key, value;

        take_pair(&query, &key, &value);
        if (!is_name(key, name))
            continue;
        if (seen)
            return false;
        seen = true;
        found = value;
    }
    return seen && decode(a, found, ret);
}
