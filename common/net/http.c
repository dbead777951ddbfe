#include "net/http.h"

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

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
    const int high = hex_digit(text.ptr[*at]);
    const int low = hex_digit(text.ptr[*at + 1]);
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

void
url_encode(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~')
            buf_add_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

bool
header_value_ok(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7F)
            return false;
    return true;
}

bool
utf8_ok(struct str text)
{
    size_t n;

    for (size_t i = 0; i < text.len; i += n) {
        n = utf8_length(text.ptr + i, text.len - i);
        if (n == 0)
            return false;
    }
    return true;
}

const char *
http_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "";
}
