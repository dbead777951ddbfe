/*
 * Which function is meant: by name and the names of its arguments (rest-contract.md 2.7).
 */
#include <stdlib.h>

#include "base/buf.h"
#include "rest/plan/internal.h"

#define TEXT_MAX ((size_t)64 * 1024)

const char *
plan_joined(struct arena *a, const char *const *names)
{
    struct buf b;

    buf_init_arena(&b, a, TEXT_MAX);
    for (size_t i = 0; names[i] != NULL; i++)
        buf_printf(&b, "%s%s", i == 0 ? "" : ", ", names[i]);
    return b.len == 0 ? "" : b.ptr;
}

/* The names that were given, each once, sorted; ended by NULL. */
static const char *const *
given_names(struct planning *p, size_t *ret_count)
{
    const struct rest_request *r = p->plan->request;
    size_t count = 0, used = 0;

    for (const struct rest_names *n = r->columns; n != NULL; n = n->next)
        count++;
    for (const struct rest_argument *g = r->arguments; g != NULL; g = g->next)
        count++;
    const char **names = ARENA_ARRAY(p->a, const char *, count + 1);
    for (const struct rest_names *n = r->columns; n != NULL; n = n->next)
        names[used++] = arena_copy(p->a, n->name);
    for (const struct rest_argument *g = r->arguments; g != NULL; g = g->next)
        names[used++] = arena_copy(p->a, g->name);
    if (count > 0)
        qsort(names, count, sizeof *names, rest_text_order);
    used = 0;
    for (size_t i = 0; i < count; i++)
        if (used == 0 || strcmp(names[used - 1], names[i]) != 0)
            names[used++] = names[i];
    names[used] = NULL;
    *ret_count = used;
    return names;
}

/* All that is required is given, and nothing it does not know. */
static bool
fits(const struct cache_routine *f, const char *const *names)
{
    for (size_t i = 0; i < f->argument_count; i++)
        if (f->arguments[i].name[0] == '\0' ||
            (f->arguments[i].required && !rest_is_among(str_of(f->arguments[i].name), names)))
            return false;
    for (; *names != NULL; names++)
        if (cache_argument(f, str_of(*names)) == NULL)
            return false;
    return true;
}

/* What a body may be to a function's one unnamed argument. */
static const struct {
    enum rest_body body;
    const char *type;
} single_types[] = {
    {REST_BODY_JSON, "json"}, {REST_BODY_JSON, "jsonb"},  {REST_BODY_TEXT, "text"},
    {REST_BODY_XML, "xml"},   {REST_BODY_BYTES, "bytea"},
};

static bool
is_single_type(enum rest_body body, const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(single_types); i++)
        if (single_types[i].body == body && strcmp(single_types[i].type, type) == 0)
            return true;
    return false;
}

/* Takes the whole body as its one unnamed argument. */
static bool
takes_body(const struct cache_routine *f, const struct rest_request *r)
{
    return r->method == REST_POST && f->argument_count == 1 && f->arguments[0].name[0] == '\0' &&
           is_single_type(r->body_type, f->arguments[0].type);
}

static bool
refuse_many(struct planning *p, const struct cache_routine *const *found, size_t count)
{
    struct buf b;

    buf_init_arena(&b, p->a, TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct cache_routine *f = found[i];

        buf_printf(&b, "%s%s.%s(", i == 0 ? "" : ", ", f->schema, f->name);
        for (size_t k = 0; k < f->argument_count; k++)
            buf_printf(&b, "%s%s => %s", k == 0 ? "" : ", ", f->arguments[k].name,
                       f->arguments[k].type);
        buf_add_text(&b, ")");
    }
    (void)rest_fail(p->a, p->e, 300, "PGRST203",
                    "Could not choose the best candidate function between: %s", b.ptr);
    p->e->hint = "Try renaming the parameters or the function itself in the database so function "
                 "overloading can be resolved";
    return false;
}

static bool
refuse_none(struct planning *p, const char *const *names, size_t count)
{
    const struct rest_request *r = p->plan->request;
    const bool json = r->method == REST_POST && r->body_type == REST_BODY_JSON;
    const char *single = r->method != REST_POST            ? NULL
                         : r->body_type == REST_BODY_TEXT  ? "text"
                         : r->body_type == REST_BODY_XML   ? "xml"
                         : r->body_type == REST_BODY_BYTES ? "bytea"
                                                           : NULL;
    const char *name = arena_printf(p->a, "%.*s.%.*s", REST_STR(r->schema), REST_STR(r->name));
    const char *list = plan_joined(p->a, names);
    const char *shown, *searched;

    if (single != NULL) {
        shown = "";
        searched = arena_printf(p->a, " with a single unnamed %s parameter", single);
    } else if (count == 0) {
        shown = " without parameters";
        searched = json ? " without parameters or with a single unnamed json/jsonb parameter"
                        : " without parameters";
    } else {
        shown = arena_printf(p->a, "(%s)", list);
        searched = arena_printf(p->a, " with parameter%s %s%s", count == 1 ? "" : "s", list,
                                json ? " or with a single unnamed json/jsonb parameter" : "");
    }
    (void)rest_fail(p->a, p->e, 404, "PGRST202",
                    "Could not find the function %s%s in the schema cache", name, shown);
    p->e->details =
        arena_printf(p->a,
                     "Searched for the function %s%s, but no matches were found in the schema "
                     "cache.",
                     name, searched);
    const char *near =
        single != NULL ? NULL : cache_near_routine(p->a, p->plan->cache, r->schema, r->name, names);
    if (near != NULL)
        p->e->hint = arena_printf(p->a, "Perhaps you meant to call the function %s", near);
    return false;
}

bool
plan_routine(struct planning *p)
{
    const struct rest_request *r = p->plan->request;
    size_t all, given, count = 0;
    const char *const *names = given_names(p, &given);
    const struct cache_routine *first = cache_routines(p->plan->cache, r->schema, r->name, &all);
    const struct cache_routine **found = ARENA_ARRAY(p->a, const struct cache_routine *, all + 1);

    for (size_t i = 0; i < all; i++)
        if (fits(&first[i], names))
            found[count++] = &first[i];
    for (size_t i = 0; i < all && count == 0; i++)
        if (takes_body(&first[i], r)) {
            p->plan->single_argument = true;
            found[count++] = &first[i];
        }
    if (count > 1)
        return refuse_many(p, found, count);
    if (count == 0)
        return refuse_none(p, names, given);
    p->plan->routine = found[0];
    return true;
}
