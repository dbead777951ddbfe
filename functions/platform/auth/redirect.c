/*
 * Where a mailed link leads when it is done: only to the front end, or to an address that
 * ADDITIONAL_REDIRECT_URLS allows.  Anything else is no error: it leads to the front end.
 */
#include "redirect.h"

#include "auth.h"
#include "base/text.h"
#include "base/url.h"
#include "fn/settings.h"

#define DEPTH_MAX 64    /* of a pattern's stars and braces */
#define STEPS_MAX 20000 /* of one comparison: stars multiply the ways there are */

/* ---- patterns ---- */

struct glob {
    int depth, steps;
};

static bool glob_from(struct glob *g, const char *p, const char *p_end, const char *t);

/* The end of "[…]" or "{…}" that begins at `p`; NULL: it has none. */
static const char *
group_end(const char *p, const char *p_end, char close)
{
    for (p++; p < p_end; p++) {
        if (*p == '\\' && p + 1 < p_end)
            p++;
        else if (*p == close)
            return p;
    }
    return NULL;
}

/* "[a-z]", "[!a]" against one character. */
static bool
in_class(const char *p, const char *end, char c)
{
    const bool negated = p + 1 < end && p[1] == '!';
    bool found = false;

    for (p += 1 + negated; p < end; p++) {
        if (*p == '\\' && p + 1 < end)
            p++;
        if (p + 2 < end && p[1] == '-') {
            found = found || (c >= p[0] && c <= p[2]);
            p += 2;
        } else {
            found = found || c == *p;
        }
    }
    return found != negated;
}

/* A star: one stops at '.' and '/', two do not. */
static bool
glob_star(struct glob *g, const char *p, const char *p_end, const char *t)
{
    const bool far = p + 1 < p_end && p[1] == '*';

    for (p += far ? 2 : 1;; t++) {
        if (glob_from(g, p, p_end, t))
            return true;
        if (*t == '\0' || (!far && (*t == '.' || *t == '/')))
            return false;
    }
}

/* "{a,b}": one of them, and then the rest. */
static bool
glob_braces(struct glob *g, const char *p, const char *close, const char *p_end, const char *t)
{
    const char *from = p + 1;

    for (const char *c = from; c <= close; c++) {
        if (c < close && *c != ',')
            continue;
        char joined[REDIRECT_PATTERN_MAX + 1];
        const size_t own = (size_t)(c - from), rest = (size_t)(p_end - close - 1);

        memcpy(joined, from, own);
        memcpy(joined + own, close + 1, rest);
        if (glob_from(g, joined, joined + own + rest, t))
            return true;
        from = c + 1;
    }
    return false;
}

static bool
glob_rest(struct glob *g, const char *p, const char *p_end, const char *t)
{
    for (; p < p_end; p++, t++) {
        const char *close;

        if (*p == '*')
            return glob_star(g, p, p_end, t);
        if (*p == '{' && (close = group_end(p, p_end, '}')) != NULL)
            return glob_braces(g, p, close, p_end, t);
        if (*t == '\0')
            return false;
        if (*p == '[' && (close = group_end(p, p_end, ']')) != NULL) {
            if (!in_class(p, close, *t))
                return false;
            p = close;
        } else if (*p == '?') {
            if (*t == '.' || *t == '/')
                return false;
        } else {
            if (*p == '\\' && p + 1 < p_end)
                p++;
            if (*p != *t)
                return false;
        }
    }
    return *t == '\0';
}

static bool
glob_from(struct glob *g, const char *p, const char *p_end, const char *t)
{
    if (g->depth == DEPTH_MAX || ++g->steps > STEPS_MAX)
        return false;
    g->depth++;
    const bool like = glob_rest(g, p, p_end, t);
    g->depth--;
    return like;
}

bool
redirect_glob(struct str pattern, const char *text)
{
    struct glob g = {0};

    return pattern.len <= REDIRECT_PATTERN_MAX &&
           glob_from(&g, pattern.ptr, pattern.ptr + pattern.len, text);
}

struct str
redirect_next(struct str *patterns)
{
    struct str one = {patterns->ptr, 0};
    int braces = 0;

    while (one.len < patterns->len && (braces > 0 || one.ptr[one.len] != ',')) {
        braces += (one.ptr[one.len] == '{') - (one.ptr[one.len] == '}');
        one.len++;
    }
    const size_t taken = MIN(one.len + 1, patterns->len);
    *patterns = (struct str){patterns->ptr + taken, patterns->len - taken};
    return one;
}

/* ---- addresses ---- */

/* Scheme, "//", host and port of an address: what comes before its path. */
static struct str
origin_of(const char *url)
{
    const char *host = strstr(url, "://");

    if (host == NULL)
        return STR_NONE;
    return (struct str){url, (size_t)(host - url) + 3 + strcspn(host + 3, "/?#")};
}

/* A host that is a name of letters, digits, dots and hyphens; no number but this machine's. */
static bool
host_is_plain(const char *url)
{
    const struct str host = url_host(str_of(url));
    bool digits = true;

    if (host.len == 0)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        const char c = host.ptr[i];

        if (!ascii_is_alnum(c) && c != '.' && c != '-')
            return false;
        digits = digits && ((c >= '0' && c <= '9') || c == '.');
    }
    return !digits || host_is_loopback(host);
}

static bool
is_plain_text(const char *url)
{
    for (const char *p = url; *p != '\0'; p++)
        if (*p <= ' ' || *p == 0x7f || *p == '"' || *p == '\\' || (*p & 0x80) != 0)
            return false;
    return url[0] != '\0' && strchr(url, '@') == NULL;
}

bool
redirect_allowed(const char *site, struct str patterns, const char *url)
{
    const struct str own = origin_of(site);
    char text[REDIRECT_URL_MAX + 1];
    const size_t len = strcspn(url, "#");

    if (!is_plain_text(url) || strlen(url) > REDIRECT_URL_MAX)
        return false;
    if (own.len > 0 && str_eq(origin_of(url), own))
        return true;
    if (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) {
        if (!host_is_plain(url))
            return false;
    } else if (origin_of(url).len == 0) {
        return false;
    }
    memcpy(text, url, len);
    text[len] = '\0';
    for (struct str one; (one = redirect_next(&patterns)).len > 0;)
        if (redirect_glob(one, text))
            return true;
    return false;
}

const char *
auth_redirect(struct fn_req *req)
{
    const char *const asked[] = {
        arena_copy(req->task->arena, fn_header(req, "redirect_to")),
        auth_query(req, "redirect_to"),
        arena_copy(req->task->arena, fn_header(req, "referer")),
    };

    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        if (asked[i][0] != '\0' && redirect_allowed(setting_text(&cfg_site_url),
                                                    setting_str(&cfg_redirect_urls), asked[i]))
            return asked[i];
    return setting_text(&cfg_site_url);
}
