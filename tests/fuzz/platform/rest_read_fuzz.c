/*
 * A request of the data API: "METHOD path?query", lines of headers, an empty line, the body.  What
 * is read is text that PostgreSQL takes, in the bounds that read.h names; what is refused has a
 * status and words.
 */
#include "base/arena.h"
#include "base/text.h"
#include "json/tree.h"
#include "net/header.h"
#include "rest/read/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADERS_MAX 16

static struct str
cut(struct str *rest, char stop)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, stop, rest->len) : NULL;
    const struct str part = {rest->ptr, end == NULL ? rest->len : (size_t)(end - rest->ptr)};
    const size_t taken = MIN(part.len + 1, rest->len);

    *rest = (struct str){rest->ptr + taken, rest->len - taken};
    return part;
}

static void
take_request(struct str input, struct header *headers, struct net_request *ret)
{
    struct str line = cut(&input, '\n');

    *ret = (struct net_request){.headers = headers};
    ret->method = cut(&line, ' ');
    ret->path = cut(&line, '?');
    ret->query = line;
    while (input.len > 0 && (line = cut(&input, '\n')).len > 0) {
        if (ret->header_count == HEADERS_MAX)
            continue;
        struct header *h = &headers[ret->header_count++];
        h->name = cut(&line, ':');
        h->value = line;
        if (h->value.len > 0 && h->value.ptr[0] == ' ')
            h->value = (struct str){h->value.ptr + 1, h->value.len - 1};
    }
    ret->body = input;
}

static void
check_text(struct str s)
{
    MUST(s.len == 0 || (utf8_ok(s) && memchr(s.ptr, '\0', s.len) == NULL));
}

static void
check_names(const struct rest_names *n)
{
    for (; n != NULL; n = n->next)
        check_text(n->name);
}

static void
check_field(const struct rest_field *f)
{
    check_text(f->name);
    for (const struct rest_step *s = f->path; s != NULL; s = s->next)
        check_text(s->key);
}

static void
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

static void
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

static void
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

static void
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
    MUST(header_value_ok(r->canonical_query));
    if (r->body_type != REST_BODY_BYTES)
        check_text(r->body);
}

/* CSV and forms are JSON afterwards, with the same columns. */
static void
check_again(struct arena *a, const struct rest_reading *how, const struct rest_request *was)
{
    const struct net_request http = {.method = STR("POST"), .path = STR("/t"), .body = was->body};
    struct rest_request now;
    struct rest_error e;

    MUST(rest_read(a, &http, how, &now, &e));
    const struct rest_names *x = was->columns, *y = now.columns;
    for (; x != NULL && y != NULL; x = x->next, y = y->next)
        MUST(str_eq(x->name, y->name));
    MUST(x == y && was->body_is_empty == now.body_is_empty);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const schemas[] = {"public", "extra"};
    static const struct rest_reading how = {schemas, 2, true, false};
    struct arena *a = arena_new((size_t)64 * 1024 * 1024);
    struct header headers[HEADERS_MAX];
    struct net_request http;
    struct rest_request request;
    struct rest_error e = {0};

    take_request((struct str){(const char *)data, size}, headers, &http);
    if (rest_read(a, &http, &how, &request, &e)) {
        check_request(&request);
        if (request.body_type == REST_BODY_CSV || request.body_type == REST_BODY_FORM)
            check_again(a, &how, &request);
    } else {
        const struct json *unused;
        struct fail f = {0};

        MUST(e.status >= 400 && e.status <= 416 && e.code != NULL && e.message != NULL);
        check_text(str_of(e.message));
        if (strcmp(e.message, "Empty or invalid json") == 0)
            MUST(json_parse(a, &f, http.body, &unused) != ERR_OK);
    }
    arena_free(a);
    return 0;
}
