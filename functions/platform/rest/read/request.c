/*
 * rest_read: the order of the checks; method, path, profile, ranges.
 *
 * Then query.c for the parameters and body.c for the body; internal.h lists the rest.
 */
#include "rest/read/internal.h"

#include "base/text.h"

struct str
rest_header(const struct net_request *http, const char *name)
{
    for (size_t i = 0; i < http->header_count; i++)
        if (str_is(http->headers[i].name, name))
            return http->headers[i].value;
    return STR_NONE;
}

bool
rest_fail_about(struct arena *a, struct rest_error *e, int status, const char *code,
                const char *before, struct str text, const char *after)
{
    struct buf message;

    buf_init_arena(&message, a, strlen(before) + text.len + strlen(after));
    buf_add_text(&message, before);
    buf_add_str(&message, text);
    buf_add_text(&message, after);
    *e = (struct rest_error){.status = status, .code = code, .message = message.ptr};
    return false;
}

/* What is read of the headers goes to PostgreSQL or into messages. */
static bool
check_headers(struct arena *a, const struct net_request *http, struct rest_error *e)
{
    static const char *const read[] = {"accept",       "accept-profile", "content-profile",
                                       "content-type", "prefer",         "range"};

    for (size_t i = 0; i < http->header_count; i++)
        for (size_t k = 0; k < ARRAY_LEN(read); k++)
            if (str_is(http->headers[i].name, read[k]) && !rest_text_ok(http->headers[i].value))
                return rest_fail(a, e, 400, "PGRST100", "The header %s is no valid UTF-8 text",
                                 read[k]);
    if (!rest_text_ok(http->content_type))
        return rest_fail(a, e, 400, "PGRST100", "The header content-type is no valid UTF-8 text");
    return true;
}

/* ---- path ---- */

static bool
read_path(struct arena *a, struct str path, const struct rest_reading *how,
          struct rest_request *ret, struct rest_error *e)
{
    static const struct str call = {"rpc/", 4};

    if (!rest_text_ok(path))
        return rest_fail(a, e, 400, "PGRST100", "The path is no valid UTF-8 text");
    ret->target = REST_ROOT;
    ret->name = STR("");
    if (path.len > 0 && path.ptr[0] == '/')
        path = (struct str){path.ptr + 1, path.len - 1};
    if (path.len == 0)
        return !how->rootless ||
               rest_fail(a, e, 404, "PGRST126", "Root endpoint metadata is disabled");
    ret->target = REST_TABLE;
    if (path.len >= call.len && memcmp(path.ptr, call.ptr, call.len) == 0) {
        ret->target = REST_CALL;
        path = (struct str){path.ptr + call.len, path.len - call.len};
    }
    if (path.len == 0 || memchr(path.ptr, '/', path.len) != NULL)
        return rest_fail(a, e, 404, "PGRST125", "Invalid path specified in request URL");
    ret->name = path;
    return true;
}

/* ---- schema ---- */

static bool
refuse_schema(struct arena *a, const struct rest_reading *how, struct str profile,
              struct rest_error *e)
{
    struct buf hint;

    buf_init_arena(&hint, a, 4096);
    buf_add_text(&hint, "Only the following schemas are exposed: ");
    for (size_t i = 0; i < how->schema_count; i++)
        buf_printf(&hint, "%s%s", i == 0 ? "" : ", ", how->schemas[i]);
    rest_fail_about(a, e, 406, "PGRST106", "Invalid schema: ", profile, "");
    e->hint = hint.ptr;
    return false;
}

/* What writes says it in another header than what reads. */
static bool
read_schema(struct arena *a, const struct net_request *http, const struct rest_reading *how,
            struct rest_request *ret, struct rest_error *e)
{
    static const char *const writing[] = {"DELETE", "PATCH", "POST", "PUT"};
    const char *header = "accept-profile";

    for (size_t i = 0; i < ARRAY_LEN(writing); i++)
        if (str_is(http->method, writing[i]))
            header = "content-profile";
    const struct str profile = rest_header(http, header);
    ret->schema_said = profile.ptr != NULL || how->schema_count > 1;
    if (profile.ptr == NULL) {
        ret->schema = str_of(how->schemas[0]);
        return true;
    }
    for (size_t i = 0; i < how->schema_count; i++)
        if (str_is(profile, how->schemas[i])) {
            ret->schema = str_of(how->schemas[i]);
            return true;
        }
    return refuse_schema(a, how, profile, e);
}

/* ---- method ---- */

static bool
read_method(struct arena *a, struct str method, struct rest_request *ret, struct rest_error *e)
{
    static const struct {
        const char *name;
        enum rest_method method;
        bool of[3]; /* enum rest_target */
    } methods[] = {
        {"GET", REST_GET, {true, true, true}},
        {"HEAD", REST_HEAD, {true, true, true}},
        {"POST", REST_POST, {false, true, true}},
        {"PATCH", REST_PATCH, {false, true, false}},
        {"PUT", REST_PUT, {false, true, false}},
        {"DELETE", REST_DELETE, {false, true, false}},
        {"OPTIONS", REST_OPTIONS, {true, true, true}},
    };

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_is(method, methods[i].name) && methods[i].of[ret->target]) {
            ret->method = methods[i].method;
            return true;
        }
    if (!rest_text_ok(method))
        return rest_fail(a, e, 400, "PGRST100", "The method is no valid UTF-8 text");
    if (ret->target == REST_CALL)
        return rest_fail_about(a, e, 405, "PGRST101", "Cannot use the ", method, " method on RPC");
    return rest_fail_about(a, e, 405, "PGRST117", "Unsupported HTTP method: ", method, "");
}

/* ---- ranges ---- */

#define NO_END INT64_MAX

/* From the first to the last row, both included. */
struct rows {
    int64_t first, last;
};

bool
rest_range_fail(struct arena *a, struct rest_error *e, bool header)
{
    rest_fail(a, e, 416, "PGRST103", "Requested range not satisfiable");
    e->details = header ? "The lower boundary must be lower than or equal to the upper boundary in "
                          "the Range header."
                        : "Limit should be greater than or equal to zero.";
    return false;
}

/* Digits at *at, cut to what int64_t holds; false: there are none. */
static bool
read_digits(struct str text, size_t *at, int64_t *ret)
{
    const size_t from = *at;

    for (*ret = 0; *at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9'; ++*at)
        *ret = *ret > (NO_END - 10) / 10 ? NO_END - 1 : *ret * 10 + (text.ptr[*at] - '0');
    return *at > from;
}

/* "1-2" or "1-"; everything else means nothing. */
static struct rows
read_range(struct str header)
{
    static const struct rows all = {0, NO_END};
    struct rows rows = all;
    size_t at = 0;

    if (!read_digits(header, &at, &rows.first) || at == header.len || header.ptr[at] != '-')
        return all;
    at++;
    if (!read_digits(header, &at, &rows.last))
        rows.last = NO_END;
    return at == header.len ? rows : all;
}

/* The rows that limit and offset name. */
static struct rows
rows_of(const struct rest_range *range)
{
    const int64_t first = range->has_offset ? range->offset : 0;

    if (!range->has_limit || range->limit > NO_END - first)
        return (struct rows){first, NO_END};
    return (struct rows){first, first + range->limit - 1};
}

/* Both together.  Nothing is left only of "limit=0", which is the one way to ask for no row. */
static bool
read_ranges(struct arena *a, const struct net_request *http, const struct rest_range *range,
            struct rest_request *ret, struct rest_error *e)
{
    const struct str header = ret->method == REST_GET ? rest_header(http, "range") : STR_NONE;
    const struct rows sent = read_range(header), asked = rows_of(range);
    struct rows rows = {MAX(sent.first, asked.first), MIN(sent.last, asked.last)};
    const bool none = range->has_limit && range->limit == 0 && asked.first == 0;
    struct rest_place *table = ret->places;

    if (none)
        rows = (struct rows){0, -1};
    else if (rows.first > rows.last || (range->has_limit && range->limit < 0))
        return rest_range_fail(a, e, sent.first > sent.last);
    if (ret->method == REST_PUT && (rows.first != 0 || rows.last != NO_END))
        return rest_fail(a, e, 400, "PGRST114",
                         "limit/offset querystring parameters are not allowed for PUT");
    table->has_offset = range->has_offset || rows.first > 0;
    table->offset = rows.first;
    table->has_limit = rows.last != NO_END;
    table->limit = table->has_limit ? rows.last - rows.first + 1 : 0;
    return true;
}

/* ---- the whole ---- */

bool
rest_read(struct arena *a, const struct net_request *http, const struct rest_reading *how,
          struct rest_request *ret, struct rest_error *e)
{
    struct rest_range range;

    MUST(how->schema_count > 0);
    *ret = (struct rest_request){0};
    REST_TRY(check_headers(a, http, e));
    REST_TRY(read_path(a, http->path, how, ret, e));
    REST_TRY(read_schema(a, http, how, ret, e));
    REST_TRY(read_method(a, http->method, ret, e));
    REST_TRY(rest_query(a, http->query, ret, &range, e));
    REST_TRY(read_ranges(a, http, &range, ret, e));
    REST_TRY(rest_body_read(a, http, ret, e));
    rest_prefer_read(a, http, how->tx_allowed, &ret->prefer);
    ret->accept = rest_accept_read(a, rest_header(http, "accept"));
    return true;
}
