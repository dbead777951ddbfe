/*
 * Media types: Accept, the best first, and Content-Type.
 *
 * The order is the original's: by q, then the more specific one (more parameters, fewer stars),
 * then as they were sent.
 */
#include "rest/read/internal.h"

#include "base/text.h"

static const struct {
    const char *name;
    enum rest_media media;
    enum rest_media stripped; /* with nulls=stripped */
    bool json;                /* of a plan */
} types[] = {
    {"*/*", REST_ANY_TYPE, REST_ANY_TYPE, false},
    {"application/json", REST_JSON, REST_JSON, false},
    {"application/vnd.pgrst.array+json", REST_JSON, REST_JSON_STRIPPED, false},
    {"application/vnd.pgrst.array", REST_JSON, REST_JSON_STRIPPED, false},
    {"application/vnd.pgrst.object+json", REST_OBJECT, REST_OBJECT_STRIPPED, false},
    {"application/vnd.pgrst.object", REST_OBJECT, REST_OBJECT_STRIPPED, false},
    {"text/csv", REST_CSV, REST_CSV, false},
    {"application/openapi+json", REST_OPENAPI, REST_OPENAPI, false},
    {"application/vnd.pgrst.plan", REST_PLAN, REST_PLAN, false},
    {"application/vnd.pgrst.plan+text", REST_PLAN, REST_PLAN, false},
    {"application/vnd.pgrst.plan+json", REST_PLAN, REST_PLAN, true},
};

static const struct {
    const char *name;
    enum rest_body body;
} bodies[] = {
    {"application/json", REST_BODY_JSON},
    {"application/vnd.pgrst.array+json", REST_BODY_JSON},
    {"application/vnd.pgrst.array", REST_BODY_JSON},
    {"text/csv", REST_BODY_CSV},
    {"application/x-www-form-urlencoded", REST_BODY_FORM},
    {"text/plain", REST_BODY_TEXT},
    {"text/xml", REST_BODY_XML},
    {"application/octet-stream", REST_BODY_BYTES},
};

/* ---- pieces ---- */

struct str
rest_trim(struct str s)
{
    return str_trim(s, " \t");
}

struct str
rest_part(struct str *rest, char stop)
{
    size_t n = 0;
    bool quoted = false;

    if (rest->len == 0) /* and perhaps nowhere */
        return STR("");
    for (; n < rest->len && (quoted || rest->ptr[n] != stop); n++)
        quoted = quoted != (rest->ptr[n] == '"');
    const struct str part = {rest->ptr, n};
    const size_t taken = MIN(n + 1, rest->len);
    *rest = (struct str){rest->ptr + taken, rest->len - taken};
    return rest_trim(part);
}

static struct str
lower(struct arena *a, struct str s)
{
    char *copy = arena_copy(a, s);

    for (size_t i = 0; i < s.len; i++)
        copy[i] = ascii_lower(copy[i]);
    return (struct str){copy, s.len};
}

/* name=value or name="value" of the parameters behind a type; false: it is none of that name. */
static bool
parameter(struct str one, const char *name, struct str *ret)
{
    struct str value = one;
    const struct str key = rest_part(&value, '=');

    if (!str_ieq(key, str_of(name)))
        return false;
    value = rest_trim(value);
    if (value.len > 1 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
        value = (struct str){value.ptr + 1, value.len - 2};
    *ret = value;
    return true;
}

/* "0.8" in thousandths; what is no number is 1. */
static int
quality(struct str text)
{
    int n = 0, scale = 1000;

    if (text.len == 0 || (text.ptr[0] != '0' && text.ptr[0] != '1'))
        return 1000;
    n = text.ptr[0] == '1' ? 1000 : 0;
    for (size_t i = 2; i < text.len && text.ptr[1] == '.' && scale > 1; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            break;
        scale /= 10;
        n += scale * (text.ptr[i] - '0');
    }
    return MIN(n, 1000);
}

/* ---- Accept ---- */

struct candidate {
    struct rest_accept rest;
    int quality, specific;
    size_t number;
};

static void
read_options(struct arena *a, struct str text, struct rest_accept *ret)
{
    static const char *const known[] = {"analyze", "verbose", "settings", "buffers", "wal"};
    struct rest_names **tail = &ret->plan_options;

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        for (struct str rest = text; rest.len > 0;)
            if (str_is(rest_part(&rest, '|'), known[i])) {
                rest_names_add(a, &tail, str_of(known[i]));
                break;
            }
}

static void
read_type(struct arena *a, struct str text, struct rest_accept *ret)
{
    struct str rest = text, nulls = STR(""), options = STR(""), plan_for = STR("");

    ret->name = lower(a, rest_part(&rest, ';'));
    ret->text = text;
    ret->media = REST_OTHER;
    while (rest.len > 0) {
        const struct str one = rest_part(&rest, ';');

        (void)(parameter(one, "nulls", &nulls) || parameter(one, "options", &options) ||
               parameter(one, "for", &plan_for));
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!str_is(ret->name, types[i].name))
            continue;
        ret->media = str_is(nulls, "stripped") ? types[i].stripped : types[i].media;
        ret->plan_json = types[i].json;
    }
    if (ret->media != REST_PLAN)
        return;
    ret->plan_for = plan_for.len > 0 ? plan_for : STR("application/json");
    read_options(a, options, ret);
}

/* Cuts ";q=" and what follows, which is about the type and no part of it. */
static void
read_candidate(struct arena *a, struct str text, struct candidate *ret)
{
    struct str rest = text, q;

    ret->quality = 1000;
    (void)rest_part(&rest, ';');
    while (rest.len > 0) {
        const size_t cut = (size_t)(rest.ptr - 1 - text.ptr);

        if (!parameter(rest_part(&rest, ';'), "q", &q))
            continue;
        ret->quality = quality(q);
        text = rest_trim((struct str){text.ptr, cut});
        break;
    }
    for (size_t i = 0; i < text.len; i++)
        ret->specific += (text.ptr[i] == ';') - (text.ptr[i] == '*');
    read_type(a, text, &ret->rest);
}

static int
better(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    if (x->quality != y->quality)
        return x->quality > y->quality ? -1 : 1;
    if (x->specific != y->specific)
        return x->specific > y->specific ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

struct rest_accept *
rest_accept_read(struct arena *a, struct str header)
{
    size_t most = 1, count = 0;

    for (size_t i = 0; i < header.len; i++)
        most += header.ptr[i] == ',';
    struct candidate *list = ARENA_ARRAY(a, struct candidate, most);
    for (struct str rest = header; rest.len > 0;) {
        const struct str one = rest_part(&rest, ',');

        if (one.len == 0)
            continue;
        list[count].number = count;
        read_candidate(a, one, &list[count++]);
    }
    if (count == 0)
        read_candidate(a, STR("*/*"), &list[count++]);
    qsort(list, count, sizeof(list[0]), better);
    for (size_t i = 0; i + 1 < count; i++)
        list[i].rest.next = &list[i + 1].rest;
    return &list[0].rest;
}

/* ---- Content-Type ---- */

enum rest_body
rest_content_type(struct arena *a, struct str header, struct str *ret_name)
{
    struct str rest = header;

    *ret_name = lower(a, rest_part(&rest, ';'));
    if (ret_name->len == 0)
        return REST_BODY_JSON;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        if (str_is(*ret_name, bodies[i].name))
            return bodies[i].body;
    return REST_BODY_OTHER;
}
