/*
 * Functions: those that are called by name, those that stand where a column stands (some are both),
 * and what makes an answer of a media type.
 */
#include "rest/cache/internal.h"

static NODISCARD bool
read_arguments(struct making *m, const struct json *list, struct cache_routine *r)
{
    if (list == NULL)
        return true;
    if (json_type(list) != JSON_ARRAY)
        return making_fails(m, "\"arguments\" is no list");
    r->argument_count = json_count(list);
    struct cache_argument *a = ARENA_ARRAY(m->out, struct cache_argument, r->argument_count);
    r->arguments = a;
    for (const struct json *row = json_first(list); row != NULL; row = json_next(row), a++) {
        REST_TRY(row_text(m, row, "name", true, &a->name));
        REST_TRY(row_text(m, row, "type", true, &a->type));
        a->required = json_is_true(json_get(row, "required"));
        a->variadic = json_is_true(json_get(row, "variadic"));
    }
    return true;
}

static NODISCARD bool
read_returns(struct making *m, const struct json *row, struct cache_routine *r)
{
    const struct str returns = json_text(json_get(row, "returns"));
    const struct str volatility = json_text(json_get(row, "volatility"));

    r->returns = str_is(returns, "out")   ? CACHE_TABLE_OF_OUT
                 : str_is(returns, "row") ? CACHE_COMPOSITE
                                          : CACHE_SCALAR;
    r->volatility = str_is(volatility, "i")   ? CACHE_IMMUTABLE
                    : str_is(volatility, "s") ? CACHE_STABLE
                                              : CACHE_VOLATILE;
    r->is_set = json_is_true(json_get(row, "set"));
    r->is_void = json_is_true(json_get(row, "void"));
    r->is_bytes = json_is_true(json_get(row, "bytes"));
    REST_TRY(row_text(m, row, "type", true, &r->return_type));
    return row_text(m, row, "domain", false, &r->return_domain);
}

bool
read_routine(struct making *m, const struct json *row)
{
    struct raw_routine *raw = &m->routines[m->routine_count++];
    struct cache_routine *r = &raw->r;

    REST_TRY(row_text(m, row, "schema", true, &r->schema));
    REST_TRY(row_text(m, row, "name", true, &r->name));
    REST_TRY(row_text(m, row, "description", false, &r->description));
    REST_TRY(read_arguments(m, json_get(row, "arguments"), r));
    REST_TRY(read_returns(m, row, r));
    REST_TRY(row_list(m, row, "settings", false, &r->settings));
    if (r->settings == NULL)
        r->settings = keep_list(m, NULL, 0);
    REST_TRY(row_text(m, row, "isolation", false, &r->isolation));
    REST_TRY(row_named(m, row, "table_schema", "table", false, &raw->table));
    REST_TRY(row_named(m, row, "of_schema", "of", false, &raw->of));
    raw->callable = json_is_true(json_get(row, "callable"));
    return true;
}

bool
read_handler(struct making *m, const struct json *row)
{
    struct raw_handler *raw = &m->handlers[m->handler_count++];

    REST_TRY(row_text(m, row, "media", true, &raw->h.media));
    REST_TRY(row_text(m, row, "function_schema", true, &raw->h.function_schema));
    REST_TRY(row_text(m, row, "function", true, &raw->h.function_name));
    raw->h.is_bytes = json_is_true(json_get(row, "bytes"));
    return row_named(m, row, "table_schema", "table", false, &raw->table);
}

/* Schema, name, number of arguments; then, so that the order is always the same, their types. Those
 * that nobody calls by name are last. */
static int
routine_order(const void *a, const void *b)
{
    const struct raw_routine *x = a;
    const struct raw_routine *y = b;
    int order;

    if (x->callable != y->callable)
        return x->callable ? -1 : 1;
    if ((order = strcmp(x->r.schema, y->r.schema)) != 0 ||
        (order = strcmp(x->r.name, y->r.name)) != 0)
        return order;
    if (x->r.argument_count != y->r.argument_count)
        return x->r.argument_count < y->r.argument_count ? -1 : 1;
    for (size_t i = 0; i < x->r.argument_count; i++)
        if ((order = strcmp(x->r.arguments[i].type, y->r.arguments[i].type)) != 0)
            return order;
    return 0;
}

struct computed {
    const struct cache_table *of;
    const struct cache_routine *routine;
    bool callable;
};

/* Of two that are named alike the exposed one is the first. */
static int
computed_order(const void *a, const void *b)
{
    const struct computed *x = a;
    const struct computed *y = b;

    if (x->of != y->of)
        return x->of < y->of ? -1 : 1;
    const int order = strcmp(x->routine->name, y->routine->name);
    if (order != 0)
        return order;
    return x->callable != y->callable ? (x->callable ? -1 : 1)
                                      : strcmp(x->routine->schema, y->routine->schema);
}

static void
make_computed(struct making *m, const struct cache_routine *all)
{
    struct cache *c = &m->whole->cache;
    struct computed *found = ARENA_ARRAY(m->work, struct computed, m->routine_count);
    size_t n = 0;

    for (size_t i = 0; i < m->routine_count; i++) {
        const struct cache_table *of = making_table(m, m->routines[i].of);

        if (of != NULL)
            found[n++] = (struct computed){of, &all[i], m->routines[i].callable};
    }
    qsort(found, n, sizeof found[0], computed_order);
    const struct cache_routine **computed = ARENA_ARRAY(m->out, const struct cache_routine *, n);
    const struct cache_table **computed_of = ARENA_ARRAY(m->out, const struct cache_table *, n);
    for (size_t i = 0; i < n; i++) {
        computed[i] = found[i].routine;
        computed_of[i] = found[i].of;
    }
    c->computed = computed;
    c->computed_count = n;
    m->whole->computed_of = computed_of;
}

void
make_routines(struct making *m)
{
    struct cache *c = &m->whole->cache;
    struct cache_routine *all = ARENA_ARRAY(m->out, struct cache_routine, m->routine_count);
    struct cache_handler *handlers = ARENA_ARRAY(m->out, struct cache_handler, m->handler_count);

    qsort(m->routines, m->routine_count, sizeof m->routines[0], routine_order);
    for (size_t i = 0; i < m->routine_count; i++) {
        all[i] = m->routines[i].r;
        all[i].table = making_table(m, m->routines[i].table);
        c->routine_count += m->routines[i].callable;
    }
    c->routines = all;
    make_computed(m, all);
    for (size_t i = 0; i < m->handler_count; i++) {
        const struct named *of = &m->handlers[i].table;

        /* One for rows of a table that is not here is for nobody, not for all. */
        handlers[c->handler_count] = m->handlers[i].h;
        handlers[c->handler_count].table = making_table(m, *of);
        c->handler_count += of->name == NULL || handlers[c->handler_count].table != NULL;
    }
    c->handlers = handlers;
}

const struct cache_argument *
cache_argument(const struct cache_routine *f, struct str name)
{
    for (size_t i = 0; i < f->argument_count; i++)
        if (str_is(name, f->arguments[i].name))
            return &f->arguments[i];
    return NULL;
}
