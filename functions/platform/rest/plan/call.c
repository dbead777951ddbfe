/*
 * Which function is meant: by name and the names of its arguments (rest-contract.md 2.7).
 */
#include <stdlib.h>

#include "base/buf.h"
#include "rest/plan/internal.h"

#define TEXT_MAX ((size_t)64 * 1024)

/* The names that were given, each once, sorted; ended by NULL. */
static const char *const *
given_names(struct planning *p, size_t *ret_count)
{
    const struct rest_request *r = p->plan->request;
    size_t count = 0;

    for (const struct rest_names *n = r->columns; n != NULL; n = n->next)
        count++;
    for (const struct rest_argument *g = r->arguments; g != NULL; g = g->next)
        count++;
    const char **names = ARENA_ARRAY(p->a, const char *, count + 1);
    size_t used = 0;
    for (const struct rest_names *n = r->columns; n != NULL; n = n->next)
        names[used++] = arena_copy(p->a, n->name);
    for (const struct rest_argument *g = r->arguments; g != NULL; g = g->next) {
        bool known = false;
        for (size_t i = 0; i < used && !known; i++)
            known = str_is(g->name, names[i]);
        if (!known)
            names[used++] = arena_copy(p->a, g->name);
    }
    for (size_t i = 1; i < used; i++) /* few */
        for (size_t k = i; k > 0 && strcmp(names[k - 1], names[k]) > 0; k--) {
            const char *swap = names[k];
            names[k] = names[k - 1];
            names[k - 1] = swap;
        }
    *ret_count = used;
    return names;
}

static bool
takes(const struct cache_routine *f, const char *name)
{
    for (size_t i = 0; i < f->argument_count; i++)
        if (strcmp(f->arguments[i].name, name) == 0)
            return true;
    return false;
}

static bool
is_given(const char *const *names, const char *name)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* All that is required is given, and nothing it does not know. */
static bool
fits(const struct cache_routine *f, const char *const *names)
{
    for (size_t i = 0; i < f->argument_count; i++)
        if (f->arguments[i].name[0] == '\0' ||
            (f->arguments[i].required && !is_given(names, f->arguments[i].name)))
            return false;
    for (; *names != NULL; names++)
        if (!takes(f, *names))
            return false;
    return true;
}

static const char *
single_type_of(enum rest_body body, const char *type)
{
    static const struct {
        enum rest_body body;
        const char *type;
    } types[] = {
        {REST_BODY_JSON, "json"}, {REST_BODY_JSON, "jsonb"},  {REST_BODY_TEXT, "text"},
        {REST_BODY_XML, "xml"},   {REST_BODY_BYTES, "bytea"},
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].body == body && strcmp(types[i].type, type) == 0)
            return types[i].type;
    return NULL;
}

/* Takes the whole body as its one unnamed argument. */
static bool
takes_body(const struct cache_routine *f, const struct rest_request *r)
{
    return r->method == REST_POST && f->argument_count == 1 && f->arguments[0].name[0] == '\0' &&
           single_type_of(r->body_type, f->arguments[0].type) != NULL;
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
    p->e->details = NULL;
    (void)rest_fail(p->a, p->e, 300, "PGRST203", "%s", "");
    p->e->message =
        arena_printf(p->a, "Could not choose the best candidate function between: %s", b.ptr);
    p->e->hint = "Try renaming the parameters or the function itself in the database so function "
                 "overloading can be resolved";
    return false;
}

static bool
refuse_none(struct planning *p, const char *const *names, size_t count)
{
    const struct rest_request *r = p->plan->request;
    struct buf list;
    const bool json = r->method == REST_POST && r->body_type == REST_BODY_JSON;
    const char *single = r->method != REST_POST            ? NULL
                         : r->body_type == REST_BODY_TEXT  ? "text"
                         : r->body_type == REST_BODY_XML   ? "xml"
                         : r->body_type == REST_BODY_BYTES ? "bytea"
                                                           : NULL;
    const char *name = arena_printf(p->a, "%.*s.%.*s", REST_STR(r->schema), REST_STR(r->name));
    const char *shown, *searched;

    buf_init_arena(&list, p->a, TEXT_MAX);
    for (size_t i = 0; i < count; i++)
        buf_printf(&list, "%s%s", i == 0 ? "" : ", ", names[i]);
    if (single != NULL) {
        shown = "";
        searched = arena_printf(p->a, " with a single unnamed %s parameter", single);
    } else if (count == 0) {
        shown = " without parameters";
        searched = json ? " without parameters or with a single unnamed json/jsonb parameter"
                        : " without parameters";
    } else {
        shown = arena_printf(p->a, "(%s)", list.ptr);
        searched = arena_printf(p->a, " with parameter%s %s%s", count == 1 ? "" : "s", list.ptr,
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
