/*
 * check_rest: for tests of the data API's first stage: requests of a few texts, and what was read
 * of them as one line of text, so that a table can hold both.
 */
#ifndef FFX_CHECK_REST_H
#define FFX_CHECK_REST_H

#include "check_arena.h"

#include "base/buf.h"
#include "rest/read/read.h"

static struct rest_request request;
static struct rest_error error;

/* "Name: value" lines; names in lower case.  NULL: none. */
static inline bool
check_read(const char *method, const char *path, const char *query, const char *headers,
           struct str body)
{
    static const char *const schemas[] = {"public", "extra"};
    static const struct rest_reading how = {schemas, 2, true, false};
    struct header list[8];
    struct net_request http = {.method = str_of(method),
                               .path = str_of(path),
                               .query = str_of(query),
                               .body = body,
                               .headers = list};

    for (const char *p = headers; p != NULL && *p != '\0';) {
        const size_t name = strcspn(p, ":"), value = strcspn(p + name + 2, "\n");

        list[http.header_count++] = (struct header){{p, name}, {p + name + 2, value}};
        p += name + 2 + value;
        p += *p == '\n';
    }
    request = (struct rest_request){0};
    error = (struct rest_error){0};
    return rest_read(a, &http, &how, &request, &error);
}

static inline void
check_get(const char *query)
{
    if (!check_read("GET", "/t", query, NULL, STR("")))
        fail_msg("%s: %s: %s", query, error.message, error.details);
}

/* The query string is refused with this message and, unless NULL, these details. */
static inline void
check_refused(const char *query, const char *message, const char *details)
{
    if (check_read("GET", "/t", query, NULL, STR("")))
        fail_msg("%s is read", query);
    if (strcmp(error.message, message) != 0)
        fail_msg("%s: %s", query, error.message);
    if (details != NULL && strcmp(error.details, details) != 0)
        fail_msg("%s: %s: %s", query, error.message, error.details);
    assert_int_equal(error.status, 400);
    assert_string_equal(error.code, "PGRST100");
}

/* `n` times `text`. */
static inline char *
check_repeat(const char *text, size_t n)
{
    const size_t len = strlen(text);
    char *out = arena_alloc(a, n * len + 1);

    for (size_t i = 0; i < n; i++)
        memcpy(out + i * len, text, len);
    return out;
}

/* ---- what was read, as text ---- */

static inline void
show_field(struct buf *out, const struct rest_field *f)
{
    buf_add_str(out, f->name);
    for (const struct rest_step *s = f->path; s != NULL; s = s->next) {
        buf_add_text(out, s->as_text ? "->>" : "->");
        buf_add_text(out, s->is_index ? "#" : "");
        buf_add_str(out, s->key);
    }
}

static inline void
show_after(struct buf *out, const char *mark, struct str text)
{
    if (text.len > 0)
        buf_add_text(out, mark);
    buf_add_str(out, text);
}

static inline void
show_items(struct buf *out, const struct rest_item *items)
{
    static const char *const joins[] = {"", "!inner", "!left"};

    for (const struct rest_item *i = items; i != NULL; i = i->next) {
        if (i != items)
            buf_add_char(out, ',');
        buf_add_str(out, i->alias);
        buf_add_text(out, i->alias.len > 0 ? ":" : "");
        if (i->kind == REST_STAR)
            buf_add_char(out, '*');
        if (i->kind == REST_COUNT)
            buf_add_text(out, "count()");
        if (i->kind == REST_COLUMN) {
            show_field(out, &i->field);
            show_after(out, "::", i->cast);
            show_after(out, ".", i->aggregate);
        }
        if (i->kind == REST_EMBED) {
            buf_add_text(out, i->spread ? "..." : "");
            buf_add_str(out, i->relation);
            show_after(out, "!", i->hint);
            buf_add_text(out, joins[i->join]);
            buf_add_char(out, '(');
            show_items(out, i->items);
            buf_add_char(out, ')');
        }
        show_after(out, "=>", i->result_cast);
    }
}

static inline void
show_filter(struct buf *out, const struct rest_filter *f)
{
    static const char *const ops[] = {"eq",    "neq",   "gt",     "gte", "lt", "lte",        "like",
                                      "ilike", "match", "imatch", "in",  "is", "isdistinct", "fts",
                                      "plfts", "phfts", "wfts",   "cs",  "cd", "ov",         "sl",
                                      "sr",    "nxr",   "nxl",    "adj"};
    static const char *const quantifiers[] = {"", "(any)", "(all)"};
    static const char *const truths[] = {"null", "not_null", "true", "false", "unknown"};

    show_field(out, &f->field);
    buf_printf(out, " %s%s%s", f->negated ? "not " : "", ops[f->op], quantifiers[f->quantifier]);
    show_after(out, ":", f->language);
    buf_add_char(out, ' ');
    if (f->op == REST_IS)
        buf_add_text(out, truths[f->is]);
    else
        buf_add_str(out, f->value);
}

static inline void
show_conditions(struct buf *out, const struct rest_condition *conditions)
{
    for (const struct rest_condition *c = conditions; c != NULL; c = c->next) {
        if (c != conditions)
            buf_add_text(out, "; ");
        if (c->kind == REST_FILTER) {
            show_filter(out, &c->filter);
            continue;
        }
        buf_printf(out, "%s%s(", c->negated ? "not " : "", c->kind == REST_AND ? "and" : "or");
        show_conditions(out, c->inside);
        buf_add_char(out, ')');
    }
}

static inline void
show_order(struct buf *out, const struct rest_order *order)
{
    static const char *const directions[] = {"", " asc", " desc"};
    static const char *const nulls[] = {"", " first", " last"};

    for (const struct rest_order *o = order; o != NULL; o = o->next) {
        buf_add_text(out, o == order ? "" : ", ");
        buf_add_str(out, o->relation);
        buf_add_text(out, o->relation.len > 0 ? "." : "");
        show_field(out, &o->field);
        buf_printf(out, "%s%s", directions[o->direction], nulls[o->nulls]);
    }
}

static inline void
show_names(struct buf *out, const struct rest_names *names, const char *between)
{
    for (const struct rest_names *n = names; n != NULL; n = n->next) {
        buf_add_text(out, n == names ? "" : between);
        buf_add_str(out, n->name);
    }
}

static inline struct buf
check_text(void)
{
    struct buf out;

    buf_init_arena(&out, a, 1024 * 1024);
    buf_add_text(&out, "");
    return out;
}

static inline const char *
check_items(void)
{
    struct buf out = check_text();

    show_items(&out, request.select);
    return out.ptr;
}

static inline const char *
check_where(const struct rest_place *p)
{
    struct buf out = check_text();

    show_conditions(&out, p->where);
    return out.ptr;
}

static inline const char *
check_order(const struct rest_place *p)
{
    struct buf out = check_text();

    show_order(&out, p->order);
    return out.ptr;
}

static inline const char *
check_names(const struct rest_names *names, const char *between)
{
    struct buf out = check_text();

    show_names(&out, names, between);
    return out.ptr;
}

#endif
