#include "net/header.h"

#include "base/clock.h"
#include "base/text.h"

bool
header_value_ok(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7F)
            return false;
    return true;
}

bool
header_line_is(struct str line, const char *name, struct str *ret_value)
{
    const size_t len = strlen(name);

    if (line.len <= len || line.ptr[len] != ':' ||
        !str_ieq((struct str){line.ptr, len}, (struct str){name, len}))
        return false;
    const char *from = line.ptr + len + 1, *end = line.ptr + line.len;
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (end > from && strchr(" \t\r\n", end[-1]) != NULL)
        end--;
    *ret_value = (struct str){from, (size_t)(end - from)};
    return true;
}

int
retry_after_s(struct str value, int64_t now_s)
{
    int64_t s = 0;

    if (http_date_read(value, now_s, &s))
        return (int)MAX(0, MIN(s - now_s, INT32_MAX));
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return 0;
        s = MIN(s * 10 + (value.ptr[i] - '0'), INT32_MAX);
    }
    return (int)s;
}

bool
etag_in_list(struct str list, struct str etag)
{
    if (str_is(list, "*"))
        return true;
    for (size_t at = 0; at < list.len;) {
        const char *p = list.ptr + at;
        size_t left = list.len - at;

        if (*p == ' ' || *p == '\t' || *p == ',') {
            at++;
            continue;
        }
        if (left >= 2 && memcmp(p, "W/", 2) == 0) {
            p += 2;
            left -= 2;
        }
        const char *end = left > 1 && *p == '"' ? memchr(p + 1, '"', left - 1) : NULL;
        if (end == NULL)
            return false; /* not a list of entity tags */
        const struct str one = {p, (size_t)(end - p) + 1};
        if (str_eq(one, etag))
            return true;
        at = (size_t)(end - list.ptr) + 1;
    }
    return false;
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
