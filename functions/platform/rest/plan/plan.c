/* The order of things: target, tree of levels, places, what is shown; form.c has the rest. */
#include "rest/plan/internal.h"

/* ---- the target ---- */

static bool
refuse_table(struct planning *p)
{
    const struct rest_request *r = p->plan->request;
    const char *near = cache_near_table(p->a, p->plan->cache, r->schema, r->name);

    (void)rest_fail(p->a, p->e, 404, "PGRST205",
                    "Could not find the table '%.*s.%.*s' in the schema cache", REST_STR(r->schema),
                    REST_STR(r->name));
    if (near != NULL)
        p->e->hint =
            arena_printf(p->a, "Perhaps you meant the table '%.*s.%s'", REST_STR(r->schema), near);
    return false;
}

static bool
find_target(struct planning *p)
{
    const struct rest_request *r = p->plan->request;

    if (r->target == REST_CALL) {
        REST_TRY(plan_routine(p));
        p->plan->root.table = p->plan->routine->table;
        p->plan->root.name = r->name;
        return true;
    }
    p->plan->root.table = cache_table(p->plan->cache, r->schema, r->name);
    p->plan->root.name = r->name;
    return (p->plan->root.table != NULL && p->plan->root.table->exposed) || refuse_table(p);
}

/* ---- the tree ---- */

static bool
leads_to_one(const struct cache_relation *r)
{
    switch (r->kind) {
    case CACHE_M2O:
    case CACHE_O2O_PARENT:
    case CACHE_O2O_CHILD:
        return true;
    case CACHE_COMPUTED:
        return r->to_one;
    case CACHE_O2M:
    case CACHE_M2M:
    default:
        return false;
    }
}

static bool
add_levels(struct planning *p, struct plan_level *above, const struct rest_item *asked)
{
    struct plan_level **tail = &above->embeds;

    for (; asked != NULL; asked = asked->next) {
        if (asked->kind != REST_EMBED)
            continue;
        struct plan_level *l = ARENA_NEW(p->a, struct plan_level);
        REST_TRY(plan_relation(p, above, asked, &l->relation));
        l->asked = asked;
        l->table = l->relation->to;
        l->name = asked->alias.len > 0 ? asked->alias : asked->relation;
        l->number = ++p->plan->levels;
        l->inner = asked->join == REST_JOIN_INNER;
        l->spread = asked->spread;
        l->to_one = leads_to_one(l->relation);
        l->above = above;
        REST_TRY(add_levels(p, l, asked->items));
        *tail = l;
        tail = &l->next;
    }
    return true;
}

struct plan_level *
plan_below(const struct plan_level *level, struct str name)
{
    for (struct plan_level *l = level->embeds; l != NULL; l = l->next)
        if (str_eq(l->name, name))
            return l;
    return NULL;
}

static struct plan_level *
find_relation(const struct plan_level *level, struct str name)
{
    for (struct plan_level *l = level->embeds; l != NULL; l = l->next)
        if (str_eq(l->asked->relation, name))
            return l;
    return NULL;
}

/* `aliased`: what is there under another name; NULL: nothing. */
static bool
refuse_place(struct planning *p, struct str name, const struct plan_level *aliased)
{
    (void)rest_fail(p->a, p->e, 400, "PGRST108",
                    "'%.*s' is not an embedded resource in this request", REST_STR(name));
    if (aliased == NULL) {
        p->e->hint =
            arena_printf(p->a, "Verify that '%.*s' is included in the 'select' query parameter.",
                         REST_STR(name));
        return false;
    }
    p->e->details = "Target names are not allowed in filters if they have an alias";
    p->e->hint = arena_printf(p->a, "Change '%.*s' to '%.*s' in filters, orders or limits.",
                              REST_STR(name), REST_STR(aliased->name));
    return false;
}

/* What a place is about: what is embedded under each name of its path. */
static bool
find_place(struct planning *p, const struct rest_names *path, struct plan_level **ret)
{
    for (*ret = &p->plan->root; path != NULL; path = path->next) {
        struct plan_level *l = plan_below(*ret, path->name);

        if (l == NULL) {
            l = find_relation(*ret, path->name);
            if (l == NULL || !p->limits->target_names)
                return refuse_place(p, path->name, l);
            l->by_relation = true;
        }
        *ret = l;
    }
    return true;
}

static void
bound(struct plan_level *level, const struct plan_limits *limits)
{
    const struct rest_place *place = level->place;

    if (place != NULL) {
        level->has_limit = place->has_limit;
        level->limit = place->limit;
        level->offset = place->has_offset ? place->offset : 0;
    }
    if (limits->max_rows > 0 && (!level->has_limit || level->limit > limits->max_rows)) {
        level->has_limit = true;
        level->limit = limits->max_rows;
    }
}

static void
bound_all(struct plan_level *level, const struct plan_limits *limits)
{
    bound(level, limits);
    for (struct plan_level *l = level->embeds; l != NULL; l = l->next)
        bound_all(l, limits);
}

/* What was said of one level under two names: all conditions hold, of the rest the first counts. */
static const struct rest_place *
joined(struct arena *a, const struct rest_place *x, const struct rest_place *y)
{
    const struct rest_condition *const lists[] = {x->where, y->where};
    struct rest_place *both = ARENA_NEW(a, struct rest_place);
    struct rest_condition **tail = &both->where;

    *both = *x;
    both->order = x->order != NULL ? x->order : y->order;
    both->has_limit = x->has_limit || y->has_limit;
    both->limit = x->has_limit ? x->limit : y->limit;
    both->has_offset = x->has_offset || y->has_offset;
    both->offset = x->has_offset ? x->offset : y->offset;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (const struct rest_condition *c = lists[i]; c != NULL; c = c->next) {
            *tail = ARENA_NEW(a, struct rest_condition);
            **tail = *c;
            tail = &(*tail)->next;
        }
    *tail = NULL;
    return both;
}

static bool
put_places(struct planning *p)
{
    for (const struct rest_place *place = p->plan->request->places; place != NULL;
         place = place->next) {
        struct plan_level *l;

        REST_TRY(find_place(p, place->path, &l));
        l->place = l->place == NULL ? place : joined(p->a, l->place, place);
    }
    return true;
}

/* ---- what may be named ---- */

/* Rows that are written are chosen before anything is embedded in them. */
static bool
is_changed(const struct plan *plan, const struct plan_level *level)
{
    const struct rest_request *r = plan->request;

    return level->above == NULL && r->target == REST_TABLE && r->method != REST_GET &&
           r->method != REST_HEAD;
}

const struct plan_level *
plan_asked_embed(const struct plan *plan, const struct plan_level *level,
                 const struct rest_filter *f)
{
    if (f->op != REST_IS || f->is != REST_IS_NULL || f->field.path != NULL ||
        is_changed(plan, level))
        return NULL;
    return plan_below(level, f->field.name);
}

static bool
check_conditions(struct planning *p, const struct plan_level *level, const struct rest_condition *c)
{
    for (; c != NULL; c = c->next) {
        if (c->kind != REST_FILTER)
            REST_TRY(check_conditions(p, level, c->inside));
        else if (plan_asked_embed(p->plan, level, &c->filter) == NULL)
            REST_TRY(plan_check_field(p, level, &c->filter.field));
    }
    return true;
}

static bool
check_related(struct planning *p, const struct plan_level *level, struct str name)
{
    const struct plan_level *l = plan_below(level, name);

    if (l == NULL)
        return refuse_place(p, name, NULL);
    if (l->to_one)
        return true;
    (void)rest_fail(p->a, p->e, 400, "PGRST118", "A related order on '%.*s' is not possible",
                    REST_STR(name));
    p->e->details =
        arena_printf(p->a, "'%.*s' and '%.*s' do not form a many-to-one or one-to-one relationship",
                     REST_STR(level->name), REST_STR(name));
    return false;
}

static bool
check_level(struct planning *p, const struct plan_level *level)
{
    if (level->place != NULL) {
        if (!is_changed(p->plan, level) || p->plan->request->method != REST_POST)
            REST_TRY(check_conditions(p, level, level->place->where));
        for (const struct rest_order *o = level->place->order; o != NULL; o = o->next)
            if (o->relation.len > 0)
                REST_TRY(check_related(p, level, o->relation));
            else
                REST_TRY(plan_check_field(p, level, &o->field));
    }
    for (const struct plan_level *l = level->embeds; l != NULL; l = l->next)
        REST_TRY(check_level(p, l));
    return true;
}

/* A related order is by what the embed shows. */
static bool
check_shown(struct planning *p, const struct plan_level *level)
{
    const struct rest_order *o = level->place == NULL ? NULL : level->place->order;

    for (; o != NULL; o = o->next) {
        if (o->relation.len == 0)
            continue;
        const struct plan_level *l = plan_below(level, o->relation);
        REST_TRY(plan_check_field(p, l, &o->field));
        if (plan_shown(l, o->field.name) == NULL)
            return plan_refuse_unknown(p, l, o->field.name);
    }
    for (const struct plan_level *l = level->embeds; l != NULL; l = l->next)
        REST_TRY(check_shown(p, l));
    return true;
}

const struct plan_item *
plan_shown(const struct plan_level *level, struct str name)
{
    for (const struct plan_item *i = level->items; i != NULL; i = i->next)
        if (i->whole ? cache_column(level->table, name) != NULL
                     : i->embed == NULL && str_eq(i->name, name) && i->path == NULL &&
                           i->cast.len == 0 && i->aggregate.len == 0)
            return i;
    return NULL;
}

/* ---- aggregates ---- */

static bool
aggregates(const struct rest_item *asked)
{
    for (; asked != NULL; asked = asked->next)
        if (asked->kind == REST_COUNT || asked->aggregate.len > 0)
            return true;
    return false;
}

static bool
check_aggregates(struct planning *p, struct plan_level *level, const struct rest_item *asked)
{
    level->grouped = aggregates(asked);
    if (level->grouped && !p->limits->aggregates)
        return rest_fail(p->a, p->e, 400, "PGRST123", "Use of aggregate functions is not allowed");
    for (struct plan_level *l = level->embeds; l != NULL; l = l->next) {
        REST_TRY(check_aggregates(p, l, l->asked->items));
        if (!l->grouped || !l->spread)
            continue;
        if (!l->to_one) {
            (void)rest_fail(p->a, p->e, 400, "PGRST127", "Feature not implemented");
            p->e->details =
                "Aggregates are not implemented for one-to-many or many-to-many spreads.";
            return false;
        }
        l->hoists = true;
        level->grouped = true;
    }
    return true;
}

static bool
show_all(struct planning *p, struct plan_level *level, const struct rest_item *asked)
{
    for (struct plan_level *l = level->embeds; l != NULL; l = l->next)
        REST_TRY(show_all(p, l, l->asked->items));
    return plan_items(p, level, asked);
}

/* ---- writes ---- */

static bool
check_columns(struct planning *p)
{
    const struct rest_request *r = p->plan->request;

    for (const struct rest_names *n = r->columns; n != NULL; n = n->next)
        if (cache_column(p->plan->root.table, n->name) == NULL)
            return rest_fail(p->a, p->e, 400, "PGRST204",
                             "Could not find the '%.*s' column of '%.*s' in the schema cache",
                             REST_STR(n->name), REST_STR(r->name));
    return true;
}

static const char *const *
names_of(struct arena *a, const struct rest_names *names)
{
    size_t count = 0;

    for (const struct rest_names *n = names; n != NULL; n = n->next)
        count++;
    const char **ret = ARENA_ARRAY(a, const char *, count + 1);
    for (size_t i = 0; i < count; i++, names = names->next)
        ret[i] = arena_copy(a, names->name);
    return ret;
}

static void
plan_upsert(struct planning *p)
{
    const struct rest_request *r = p->plan->request;
    const bool is_put = r->method == REST_PUT;

    if (!is_put && (r->method != REST_POST || r->prefer.resolution == REST_RESOLUTION_NONE))
        return;
    p->plan->conflict = r->on_conflict != NULL && !is_put ? names_of(p->a, r->on_conflict)
                                                          : p->plan->root.table->pk;
    if (p->plan->conflict[0] == NULL)
        return;
    p->plan->merges = is_put || r->prefer.resolution == REST_MERGE;
    p->plan->ignores = !p->plan->merges;
}

static bool
is_key_filter(const struct plan *plan, const struct rest_condition *c)
{
    return c->kind == REST_FILTER && !c->filter.negated && c->filter.op == REST_EQ &&
           c->filter.quantifier == REST_PLAIN && c->filter.field.path == NULL &&
           rest_is_among(c->filter.field.name, plan->root.table->pk);
}

/* PUT names all of the key, and nothing else. */
static bool
check_put(struct planning *p)
{
    const struct plan *plan = p->plan;
    size_t filters = 0, columns = 0;

    for (const struct rest_condition *c = plan->root.place->where; c != NULL; c = c->next) {
        if (!is_key_filter(plan, c))
            filters = SIZE_MAX / 2;
        filters++;
    }
    while (plan->root.table->pk[columns] != NULL)
        columns++;
    if (columns > 0 && filters == columns)
        return true;
    return rest_fail(p->a, p->e, 405, "PGRST105",
                     "Filters must include all and only primary key columns with 'eq' operators");
}

static bool
plan_write(struct planning *p)
{
    const struct rest_request *r = p->plan->request;

    if (r->target == REST_CALL) {
        p->plan->writes = r->method == REST_POST && p->plan->routine->volatility == CACHE_VOLATILE;
        return true;
    }
    if (r->method == REST_GET || r->method == REST_HEAD)
        return true;
    p->plan->writes = true;
    if (r->method != REST_DELETE)
        REST_TRY(check_columns(p));
    if (r->method == REST_PUT)
        REST_TRY(check_put(p));
    plan_upsert(p);
    return true;
}

bool
plan_is_scalar(const struct plan *plan)
{
    const struct cache_routine *f = plan->routine;

    return f != NULL && f->returns == CACHE_SCALAR && f->table == NULL;
}

bool
plan_target(struct arena *a, const struct rest_request *request, const struct cache *cache,
            struct plan *ret, struct rest_error *e)
{
    struct planning p = {.a = a, .plan = ret, .e = e};

    *ret = (struct plan){.request = request, .cache = cache};
    return find_target(&p);
}

bool
plan_make(struct arena *a, const struct rest_request *request, const struct cache *cache,
          const struct plan_limits *limits, struct plan *ret, struct rest_error *e)
{
    struct planning p = {.a = a, .plan = ret, .limits = limits, .e = e};
    const bool form_first =
        request->target == REST_CALL || request->method == REST_GET || request->method == REST_HEAD;

    *ret = (struct plan){.request = request, .cache = cache, .count = request->prefer.count};
    if (ret->count != REST_COUNT_NONE && !limits->estimates)
        ret->count = REST_COUNT_EXACT;
    REST_TRY(find_target(&p));
    REST_TRY(add_levels(&p, &ret->root, request->select));
    REST_TRY(put_places(&p));
    bound_all(&ret->root, limits);
    REST_TRY(check_aggregates(&p, &ret->root, request->select));
    REST_TRY(check_level(&p, &ret->root));
    REST_TRY(show_all(&p, &ret->root, request->select));
    REST_TRY(check_shown(&p, &ret->root));
    REST_TRY(plan_write(&p));
    if (form_first)
        REST_TRY(plan_choose_form(&p));
    REST_TRY(plan_check_preferences(&p));
    if (!form_first)
        REST_TRY(plan_choose_form(&p));
    plan_choose_way(ret);
    return plan_check_max_affected(&p);
}
