/*
 * rest_again: what was read of a query string, written out again with every name and value in
 * quotes.  Read once more it must be the same, for a piece that was lost or put elsewhere would
 * be a condition that is not applied.
 */
#ifndef FFX_FUZZ_REST_AGAIN_H
#define FFX_FUZZ_REST_AGAIN_H

#include "rest_check.h"

#include "base/buf.h"
#include "base/encode.h"
#include "db/array.h"

#define TEXT_MAX ((size_t)1024 * 1024)

static inline void
put_quoted(struct buf *b, struct str s)
{
    buf_add_char(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            buf_add_char(b, '\\');
        buf_add_char(b, s.ptr[i]);
    }
    buf_add_char(b, '"');
}

static inline void
put_field(struct buf *b, const struct rest_field *f)
{
    put_quoted(b, f->name);
    for (const struct rest_step *s = f->path; s != NULL; s = s->next) {
        buf_add_text(b, s->as_text ? "->>" : "->");
        if (s->is_index)
            buf_add_str(b, s->key);
        else
            put_quoted(b, s->key);
    }
}

/* Before "::" or what is behind a name; nothing when there is none. */
static inline void
put_after(struct buf *b, const char *mark, struct str s, const char *end)
{
    if (s.len == 0)
        return;
    buf_add_text(b, mark);
    buf_add_str(b, s);
    buf_add_text(b, end);
}

static inline void put_items(struct buf *b, const struct rest_item *items);

static inline void
put_embed(struct buf *b, const struct rest_item *i)
{
    static const char *const joins[] = {"", "!inner", "!left"};

    buf_add_text(b, i->spread ? "..." : "");
    put_quoted(b, i->relation);
    if (i->hint.len > 0) {
        buf_add_char(b, '!');
        put_quoted(b, i->hint);
    }
    buf_add_text(b, joins[i->join]);
    buf_add_char(b, '(');
    put_items(b, i->items);
    buf_add_char(b, ')');
}

static inline void
put_items(struct buf *b, const struct rest_item *items)
{
    for (const struct rest_item *i = items; i != NULL; i = i->next) {
        buf_add_text(b, i == items ? "" : ",");
        if (i->alias.len > 0) {
            put_quoted(b, i->alias);
            buf_add_char(b, ':');
        }
        if (i->kind == REST_STAR)
            buf_add_char(b, '*');
        else if (i->kind == REST_COUNT)
            buf_add_text(b, "count()");
        else if (i->kind == REST_EMBED)
            put_embed(b, i);
        else
            put_field(b, &i->field);
        put_after(b, "::", i->cast, "");
        put_after(b, ".", i->aggregate, "()");
        put_after(b, "::", i->result_cast, "");
    }
}

/* The elements of an in-list, whose array PostgreSQL must be able to read. */
static inline void
put_list(struct arena *a, struct buf *b, struct str array)
{
    const struct str *items;
    size_t count;

    MUST(db_array_read(a, array, &items, &count));
    buf_add_char(b, '(');
    for (size_t i = 0; i < count; i++) {
        MUST(items[i].ptr != NULL);
        buf_add_text(b, i == 0 ? "" : ",");
        put_quoted(b, items[i]);
    }
    buf_add_char(b, ')');
}

/* in_tree: with quotes, else as it is. */
static inline void
put_operation(struct arena *a, struct buf *b, const struct rest_filter *f, bool in_tree)
{
    static const char *const ops[] = {"eq",    "neq",   "gt",     "gte", "lt", "lte",        "like",
                                      "ilike", "match", "imatch", "in",  "is", "isdistinct", "fts",
                                      "plfts", "phfts", "wfts",   "cs",  "cd", "ov",         "sl",
                                      "sr",    "nxr",   "nxl",    "adj"};
    static const char *const quantifiers[] = {"", "(any)", "(all)"};
    static const char *const words[] = {"null", "not_null", "true", "false", "unknown"};

    buf_printf(b, "%s%s%s", f->negated ? "not." : "", ops[f->op], quantifiers[f->quantifier]);
    put_after(b, "(", f->language, ")");
    buf_add_char(b, '.');
    if (f->op == REST_IN)
        put_list(a, b, f->value);
    else if (f->op == REST_IS)
        buf_add_text(b, words[f->is]);
    else if (in_tree)
        put_quoted(b, f->value);
    else
        buf_add_str(b, f->value);
}

static inline void
put_tree(struct arena *a, struct buf *b, const struct rest_condition *c)
{
    for (const struct rest_condition *i = c; i != NULL; i = i->next) {
        buf_add_text(b, i == c ? "" : ",");
        if (i->kind == REST_FILTER) {
            put_field(b, &i->filter.field);
            buf_add_char(b, '.');
            put_operation(a, b, &i->filter, true);
            continue;
        }
        buf_add_text(b, i->negated ? "not." : "");
        buf_add_text(b, i->kind == REST_AND ? "and(" : "or(");
        put_tree(a, b, i->inside);
        buf_add_char(b, ')');
    }
}

/* key=value of the query string; the buffers are empty again. */
static inline void
put_pair(struct buf *query, struct buf *key, struct buf *value)
{
    MUST(!key->overflow && !value->overflow);
    buf_add_text(query, query->len == 0 ? "" : "&");
    percent_encode(query, buf_str(key));
    buf_add_char(query, '=');
    percent_encode(query, buf_str(value));
    buf_clear(key);
    buf_clear(value);
}

static inline void
put_condition(struct arena *a, struct buf *key, struct buf *value, const struct rest_condition *c)
{
    if (c->kind == REST_FILTER) {
        put_field(key, &c->filter.field);
        put_operation(a, value, &c->filter, false);
        return;
    }
    buf_add_text(key, c->negated ? "not." : "");
    buf_add_text(key, c->kind == REST_AND ? "and" : "or");
    buf_add_char(value, '(');
    put_tree(a, value, c->inside);
    buf_add_char(value, ')');
}

/* The conditions of all places, as a query string. */
static inline struct str
again_conditions(struct arena *a, const struct rest_place *places)
{
    struct buf query, key, value;

    buf_init_arena(&query, a, TEXT_MAX);
    buf_init_arena(&key, a, TEXT_MAX);
    buf_init_arena(&value, a, TEXT_MAX);
    for (const struct rest_place *p = places; p != NULL; p = p->next)
        for (const struct rest_condition *c = p->where; c != NULL; c = c->next) {
            for (const struct rest_names *n = p->path; n != NULL; n = n->next) {
                put_quoted(&key, n->name);
                buf_add_char(&key, '.');
            }
            put_condition(a, &key, &value, c);
            put_pair(&query, &key, &value);
        }
    MUST(!query.overflow);
    return query.len == 0 ? STR("") : buf_str(&query);
}

/* The request that the conditions of `was` make has these conditions, and no others. */
static inline void
check_same_conditions(struct arena *a, const struct rest_request *was)
{
    const struct str query = again_conditions(a, was->places);
    const struct net_request http = {.method = STR("GET"), .path = STR("/t"), .query = query};
    struct rest_request now;
    struct rest_error e;

    MUST(check_read(a, &http, &now, &e));
    MUST(str_eq(again_conditions(a, now.places), query));
}

#endif
