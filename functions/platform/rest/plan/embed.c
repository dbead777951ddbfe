/*
 * Which relation is meant: by the name of the other table, of a constraint, of a key's column, or
 * of a function, narrowed by a hint (rest-contract.md 2.5).
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"
#include "json/write.h"
#include "rest/plan/internal.h"

#define TEXT_MAX ((size_t)64 * 1024)

/* The key's column, where it has one. */
static bool
is_column(struct str name, const char *const *columns)
{
    return columns[0] != NULL && columns[1] == NULL && str_is(name, columns[0]);
}

static bool
is_of_key(const struct cache_relation *r)
{
    return r->kind == CACHE_M2O || r->kind == CACHE_O2O_CHILD;
}

static bool
fits_name(const struct cache_relation *r, struct str name)
{
    if (r->kind == CACHE_COMPUTED)
        return str_is(name, r->constraint);
    if (r->is_self)
        return is_of_key(r) ? is_column(name, r->from_columns) : str_is(name, r->to->name);
    if (str_is(name, r->to->name))
        return true;
    if (r->kind == CACHE_M2M)
        return false;
    return !r->to->is_view && (str_is(name, r->constraint) || is_column(name, r->from_columns));
}

static bool
fits_hint(const struct cache_relation *r, struct str hint)
{
    switch (r->kind) {
    case CACHE_COMPUTED:
        return false;
    case CACHE_M2M:
        return str_is(hint, r->junction->name);
    case CACHE_M2O:
    case CACHE_O2M:
    case CACHE_O2O_PARENT:
    case CACHE_O2O_CHILD:
    default:
        return str_is(hint, r->constraint) || rest_is_among(hint, r->from_columns) ||
               rest_is_among(hint, r->to_columns);
    }
}

static const char *
cardinality(const struct cache_relation *r)
{
    switch (r->kind) {
    case CACHE_M2O:
        return "many-to-one";
    case CACHE_O2M:
        return "one-to-many";
    case CACHE_M2M:
        return "many-to-many";
    case CACHE_O2O_PARENT:
    case CACHE_O2O_CHILD:
    case CACHE_COMPUTED:
    default:
        return "one-to-one";
    }
}

/* One candidate of the details of PGRST201. */
static const char *
tell(struct arena *a, const struct cache_relation *r)
{
    struct json_writer w;
    struct buf b;

    buf_init_arena(&b, a, TEXT_MAX);
    jw_init(&w, &b);
    jw_open(&w);
    jw_text_at(&w, "cardinality", cardinality(r));
    jw_text_at(&w, "embedding", arena_printf(a, "%s with %s", r->from->name, r->to->name));
    if (r->kind == CACHE_M2M)
        jw_text_at(&w, "relationship",
                   arena_printf(a, "%s using %s(%s) and %s(%s)", r->junction->name, r->constraint,
                                plan_joined(a, r->junction_from), r->constraint2,
                                plan_joined(a, r->junction_to)));
    else
        jw_text_at(&w, "relationship",
                   arena_printf(a, "%s using %s(%s) and %s(%s)", r->constraint, r->from->name,
                                plan_joined(a, r->from_columns), r->to->name,
                                plan_joined(a, r->to_columns)));
    jw_close(&w);
    return b.ptr;
}

static bool
refuse_many(struct planning *p, const struct plan_level *above, const struct rest_item *item,
            const struct cache_relation *const *found, size_t count)
{
    struct buf details, hint;
    const char **told = ARENA_ARRAY(p->a, const char *, count);
    const char **words = ARENA_ARRAY(p->a, const char *, count);

    for (size_t i = 0; i < count; i++) {
        told[i] = tell(p->a, found[i]);
        words[i] = arena_printf(p->a, "'%.*s!%s'", REST_STR(item->relation),
                                found[i]->kind == CACHE_M2M ? found[i]->junction->name
                                                            : found[i]->constraint);
    }
    qsort(told, count, sizeof *told, rest_text_order);
    qsort(words, count, sizeof *words, rest_text_order);
    buf_init_arena(&details, p->a, TEXT_MAX);
    buf_init_arena(&hint, p->a, TEXT_MAX);
    buf_printf(&hint, "Try changing '%.*s' to one of the following: ", REST_STR(item->relation));
    for (size_t i = 0; i < count; i++) {
        buf_printf(&details, "%s%s", i == 0 ? "[" : ",", told[i]);
        buf_printf(&hint, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    buf_add_text(&details, "]");
    buf_add_text(&hint, ". Find the desired relationship in the 'details' key.");
    (void)rest_fail(p->a, p->e, 300, "PGRST201",
                    "Could not embed because more than one relationship was found for '%s' and "
                    "'%.*s'",
                    above->table->name, REST_STR(item->relation));
    p->e->details = details.ptr;
    p->e->details_json = true;
    p->e->hint = hint.ptr;
    return false;
}

static bool
refuse_none(struct planning *p, const struct plan_level *above, const struct rest_item *item)
{
    const char *from = above->table != NULL ? above->table->name : "";
    const char *with = item->hint.len == 0
                           ? ""
                           : arena_printf(p->a, " using the hint '%.*s'", REST_STR(item->hint));
    const struct str schema = p->plan->request->schema;

    (void)rest_fail(p->a, p->e, 400, "PGRST200",
                    "Could not find a relationship between '%s' and '%.*s' in the schema cache",
                    from, REST_STR(item->relation));
    p->e->details =
        arena_printf(p->a,
                     "Searched for a foreign key relationship between '%s' and '%.*s'%s in the "
                     "schema '%.*s', but no matches were found.",
                     from, REST_STR(item->relation), with, REST_STR(schema));
    if (above->table != NULL)
        p->e->hint =
            cache_near_relation(p->a, p->plan->cache, schema, str_of(from), item->relation);
    return false;
}

bool
plan_relation(struct planning *p, const struct plan_level *above, const struct rest_item *item,
              const struct cache_relation **ret)
{
    const struct cache_table *t = above->table;
    const struct cache_relation **found;
    size_t count = 0;

    if (t == NULL)
        return refuse_none(p, above, item);
    found = ARENA_ARRAY(p->a, const struct cache_relation *, t->relation_count + 1);
    for (size_t i = 0; i < t->relation_count; i++) {
        const struct cache_relation *r = &t->relations[i];

        if (!fits_name(r, item->relation) || !str_is(p->plan->request->schema, r->to->schema) ||
            (item->hint.len > 0 && !fits_hint(r, item->hint)))
            continue;
        if (r->kind == CACHE_COMPUTED) { /* it hides keys of this name */
            *ret = r;
            return true;
        }
        found[count++] = r;
    }
    if (count > 1)
        return refuse_many(p, above, item, found, count);
    if (count == 0)
        return refuse_none(p, above, item);
    *ret = found[0];
    return true;
}
