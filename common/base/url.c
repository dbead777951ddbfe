#include "base/url.h"

#include <arpa/inet.h>

#include "base/text.h"

/* Nothing, or a colon and digits. */
static bool
is_port(struct str s)
{
    if (s.len > 0 && s.ptr[0] != ':')
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return true;
}

/* Length of `text` up to the first of three characters, or of all of it. */
static size_t
until(struct str text, char a, char b, char c)
{
    size_t i = 0;

    while (i < text.len && text.ptr[i] != a && text.ptr[i] != b && text.ptr[i] != c)
        i++;
    return i;
}

struct str
url_host(struct str url)
{
    const char *mark = url.len > 0 ? memmem(url.ptr, url.len, "://", 3) : NULL;
    size_t len;

    if (mark == NULL)
        return STR_NONE;
    struct str authority = {mark + 3, url.len - (size_t)(mark + 3 - url.ptr)};
    authority.len = until(authority, '/', '?', '#');
    if (authority.len > 0 && authority.ptr[0] == '[')
        len = until(authority, ']', ']', ']') + 1;
    else
        len = until(authority, ':', ':', ':');
    if (len == 0 || len > authority.len || until(authority, '@', '@', '\\') < authority.len ||
        !is_port((struct str){authority.ptr + len, authority.len - len}))
        return STR_NONE;
    return (struct str){authority.ptr, len};
}

int
url_port(struct str url)
{
    const struct str host = url_host(url);
    const char *p = host.ptr == NULL ? NULL : host.ptr + host.len;
    const char *const end = url.ptr + url.len;
    int port = 0;

    if (p == NULL || p == end || *p != ':' || p + 1 == end || p[1] == '/')
        return url.len > 7 && memcmp(url.ptr, "http://", 7) == 0 ? 80 : 443;
    for (p++; p < end && *p >= '0' && *p <= '9' && port <= UINT16_MAX; p++)
        port = port * 10 + (*p - '0');
    return port;
}

bool
host_name_ok(struct str name)
{
    size_t label = 0; /* its length so far */
    bool number = false;

    if (name.len == 0 || name.len > 253)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool last = i + 1 == name.len || name.ptr[i + 1] == '.';

        if (c == '.' ? label == 0 || i + 1 == name.len
                     : !ascii_is_alnum(c) && (c != '-' || label == 0 || last))
            return false;
        number = (number || label == 0) && c >= '0' && c <= '9';
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return !number;
}

static bool
is_address(int family, struct str text)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t address[16];

    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, address) == 1;
}

bool
host_ok(struct str host)
{
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        return is_address(AF_INET6, (struct str){host.ptr + 1, host.len - 2});
    return host_name_ok(host) || is_address(AF_INET, host);
}

bool
host_is_loopback(struct str host)
{
    if (str_is(host, "localhost") || str_is(host, "[::1]"))
        return true;
    if (host.len <= 4 || memcmp(host.ptr, "127.", 4) != 0)
        return false;
    for (size_t i = 4; i < host.len; i++)
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9'))
            return false;
    return true;
}

bool
url_ok(const char *text)
{
    const struct str url = str_of(text);
    const int port = url_port(url);

    for (const char *p = text; *p != '\0'; p++)
        if (*p <= 0x20 || *p >= 0x7F)
            return false;
    return (strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0) &&
           host_ok(url_host(url)) && port >= 1 && port <= UINT16_MAX;
}

bool
url_is_private(const char *url)
{
    if (strncmp(url, "https://", 8) == 0)
        return true;
    return strncmp(url, "http://", 7) == 0 && host_is_loopback(url_host(str_of(url)));
}
