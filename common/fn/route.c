/*
 * Which route a request is for.  Paths are compared as nginx decoded them; what has to tell %2F
 * from / looks at http->uri.
 */
#include "fn/internal.h"

#include "fn/request.h"
#include "net/request.h"

const struct fn_method_name fn_method_names[] = {
    {FN_GET, "GET"},     {FN_POST, "POST"},     {FN_PUT, "PUT"},
    {FN_PATCH, "PATCH"}, {FN_DELETE, "DELETE"}, {0, NULL},
};

void
fn_methods_text(unsigned set, const char *separator, struct buf *out)
{
    const char *between = "";

    for (const struct fn_method_name *m = fn_method_names; m->bit != 0; m++) {
        if ((set & m->bit) == 0)
            continue;
        buf_add_text(out, between);
        buf_add_text(out, m->name);
        between = separator;
    }
}

/* A browser's question whether it may ask (WHATWG Fetch, 3.2.2). */
static bool
is_preflight(const struct net_request *http)
{
    for (size_t i = 0; i < http->header_count; i++)
        if (str_is(http->headers[i].name, "access-control-request-method"))
            return true;
    return false;
}

/* 0: a preflight, and what no route knows by name. */
static unsigned
method_bit(const struct net_request *http)
{
    const struct str method = http->method;

    if (str_is(method, "HEAD"))
        return FN_GET;
    if (str_is(method, "OPTIONS"))
        return is_preflight(http) ? 0 : FN_OPTIONS;
    for (const struct fn_method_name *m = fn_method_names; m->bit != 0; m++)
        if (str_is(method, m->name))
            return m->bit;
    return 0;
}

/* The segment of `path` at `at`, up to the next slash. */
static struct str
segment(struct str path, size_t at)
{
    size_t end = at;

    while (end < path.len && path.ptr[end] != '/')
        end++;
    return (struct str){path.ptr + at, end - at};
}

/* Does `path` fit the pattern?  Fills params and tail of `m`. */
static bool
path_fits(const char *pattern, struct str path, struct fn_match *m)
{
    size_t at = 0;

    m->param_count = 0;
    m->tail = STR_NONE;
    for (const char *p = pattern; *p != '\0';) {
        if (strcmp(p, "/*") == 0) {
            if (at >= path.len || path.ptr[at] != '/')
                return false;
            m->tail = (struct str){path.ptr + at + 1, path.len - at - 1};
            return true;
        }
        if (*p != ':') {
            if (at >= path.len || path.ptr[at++] != *p++)
                return false;
            continue;
        }
        const struct str name = {p + 1, strcspn(p + 1, "/")};
        const struct str value = segment(path, at);

        if (value.len == 0)
            return false;
        MUST(m->param_count < FN_PARAMS_MAX);
        m->params[m->param_count++] = (struct fn_param){name, value};
        at += value.len;
        p += 1 + name.len;
    }
    return at == path.len;
}

void
fn_match(const struct fn_spec *spec, const struct net_request *http, struct fn_match *ret)
{
    const unsigned bit = method_bit(http);
    const bool options = str_is(http->method, "OPTIONS");

    *ret = (struct fn_match){0};
    for (const struct fn_route *r = spec->routes; r->methods != 0; r++) {
        if (!path_fits(r->path, http->path, ret))
            continue;
        ret->allowed |= r->methods;
        if ((r->methods & bit) != 0 || ((r->methods & FN_ANY) == FN_ANY && !options)) {
            ret->route = r;
            return;
        }
    }
}

struct str
fn_param(const struct fn_req *req, const char *name)
{
    for (size_t i = 0; i < req->match->param_count; i++)
        if (str_is(req->match->params[i].name, name))
            return req->match->params[i].value;
    return STR_NONE;
}

struct str
fn_tail(const struct fn_req *req)
{
    return req->match->tail;
}
