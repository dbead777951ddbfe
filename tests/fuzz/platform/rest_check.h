/*
 * rest_check: for the harnesses of the data API's first stage: what is read is text that PostgreSQL
 * takes, in the bounds that read.h names; what is refused has a status and words.
 */
#ifndef FFX_FUZZ_REST_CHECK_H
#define FFX_FUZZ_REST_CHECK_H

#include "base/arena.h"
#include "base/text.h"
#include "rest/read/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARENA_MAX ((size_t)64 * 1024 * 1024)

/* What is before the first `stop`; `rest` moves behind it. */
static inline struct str
check_cut(struct str *rest, char stop)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, stop, rest->len) : NULL;
    const struct str part = {rest->ptr, end == NULL ? rest->len : (size_t)(end - rest->ptr)};
    const size_t taken = MIN(part.len + 1, rest->len);

    *rest = (struct str){rest->ptr + taken, rest->len - taken};
    return part;
}

static inline void
check_text(struct str s)
{
    MUST(s.len == 0 || (utf8_ok(s) && memchr(s.ptr, '\0', s.len) == NULL));
}

static inline void
check_names(const struct rest_names *n)
{
    for (; n != NULL; n = n->next)
        check_text(n->name);
}

static inline void
check_field(const struct rest_field *f)
{
    check_text(f->name);
    for (const struct rest_step *s = f->path; s != NULL; s = s->next)
        check_text(s->key);
}

static inline void
check_items(const struct rest_item *items, int depth)
{
    MUST(depth <= 33);
    for (const struct rest_item *i = items; i != NULL; i = i->next) {
        MUST(i->kind == REST_EMBED || i->items == NULL);
        check_text(i->alias);
        check_field(&i->field);
        check_text(i->cast);
        check_text(i->result_cast);
        check_text(i->relation);
        check_text(i->hint);
        check_items(i->items, depth + 1);
    }
}

static inline void
check_conditions(const struct rest_condition *conditions, int depth)
{
    MUST(depth <= 33);
    for (const struct rest_condition *c = conditions; c != NULL; c = c->next) {
        MUST((c->kind == REST_FILTER) == (c->inside == NULL));
        check_field(&c->filter.field);
        check_text(c->filter.value);
        check_text(c->filter.language);
        check_conditions(c->inside, depth + 1);
    }
}

static inline void
check_places(const struct rest_place *places)
{
    MUST(places != NULL && places->path == NULL);
    for (const struct rest_place *p = places; p != NULL; p = p->next) {
        MUST(p == places || p->path != NULL);
        MUST(p->limit >= 0 && p->offset >= 0);
        check_names(p->path);
        check_conditions(p->where, 0);
        for (const struct rest_order *o = p->order; o != NULL; o = o->next) {
            check_text(o->relation);
            check_field(&o->field);
        }
    }
}

static inline void
check_request(const struct rest_request *r)
{
    check_text(r->name);
    MUST(r->target == REST_ROOT || r->name.len > 0);
    MUST(str_is(r->schema, "public") || str_is(r->schema, "extra"));
    MUST(r->select != NULL && r->accept != NULL);
    check_items(r->select, 0);
    check_places(r->places);
    check_names(r->on_conflict);
    check_names(r->columns);
    check_names(r->prefer.unknown);
    check_text(r->prefer.timezone);
    for (const struct rest_names *n = r->columns; n != NULL && n->next != NULL; n = n->next)
        MUST(!str_eq(n->name, n->next->name));
    for (const struct rest_argument *a = r->arguments; a != NULL; a = a->next) {
        check_text(a->name);
        check_text(a->value);
    }
    for (const struct rest_accept *t = r->accept; t != NULL; t = t->next) {
        check_text(t->text);
        check_names(t->plan_options);
    }
    if (r->body_type != REST_BODY_BYTES)
        check_text(r->body);
}

static inline void
check_refusal(const struct rest_error *e)
{
    MUST(e->status >= 400 && e->status <= 416 && e->code != NULL && e->message != NULL);
    check_text(str_of(e->message));
    if (e->details != NULL)
        check_text(str_of(e->details));
}

/* Reads, and checks what came of it. */
static inline bool
check_read(struct arena *a, const struct net_request *http, struct rest_request *ret,
           struct rest_error *e)
{
    static const char *const schemas[] = {"public", "extra"};
    static const struct rest_reading how = {schemas, 2, true, false};

    *e = (struct rest_error){0};
    if (!rest_read(a, http, &how, ret, e)) {
        check_refusal(e);
        return false;
    }
    check_request(ret);
    return true;
}

/* CSV and forms are JSON afterwards, with the same columns. */
static inline void
check_made_json(struct arena *a, const struct rest_request *was)
{
    const struct net_request http = {.method = STR("POST"), .path = STR("/t"), .body = was->body};
    const struct rest_names *x = was->columns, *y;
    struct rest_request now;
    struct rest_error e;

    if (was->body_type != REST_BODY_CSV && was->body_type != REST_BODY_FORM)
        return;
    MUST(check_read(a, &http, &now, &e));
    for (y = now.columns; x != NULL && y != NULL; x = x->next, y = y->next)
        MUST(str_eq(x->name, y->name));
    MUST(x == y && was->body_is_empty == now.body_is_empty);
}

#endif
