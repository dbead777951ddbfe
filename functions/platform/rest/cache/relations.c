/*
 * What leads from table to table.  Read from make_relations: each foreign key joins everybody who
 * shows its columns on one side (its table, and views) to everybody on the other, and back; two
 * keys of a junction join what they lead to; computed relations are as they are, and hide keys.
 */
#include "rest/cache/internal.h"

#define WAYS_MAX 16 /* in which a view may show the columns of one key */

struct found {
    struct cache_relation *all; /* in work */
    size_t count, room;
};

static void
add(struct making *m, struct found *f, struct cache_relation r)
{
    if (f->count == f->room) {
        const size_t room = MAX(256, 2 * f->room);
        struct cache_relation *more = ARENA_ARRAY(m->work, struct cache_relation, room);

        if (f->count > 0)
            memcpy(more, f->all, f->count * sizeof *more);
        f->all = more;
        f->room = room;
    }
    r.is_self = r.from == r.to;
    f->all[f->count++] = r;
}

/* ---- who shows the columns of a key ---- */

struct side {
    const struct cache_table *table;
    const char *const *columns;
    struct side *next;
};

static void
add_side(struct making *m, struct side **list, const struct cache_table *t,
         const char *const *columns)
{
    struct side *s = ARENA_NEW(m->work, struct side);

    *s = (struct side){t, columns, *list};
    *list = s;
}

/* By what is shown, then by who shows it; columns stay in their order. */
static int
shown_order(const void *a, const void *b)
{
    const struct shown *x = a;
    const struct shown *y = b;
    int order;

    if ((order = strcmp(x->base.schema, y->base.schema)) != 0 ||
        (order = strcmp(x->base.name, y->base.name)) != 0 ||
        (order = strcmp(x->view.schema, y->view.schema)) != 0 ||
        (order = strcmp(x->view.name, y->view.name)) != 0)
        return order;
    return strcmp(x->column, y->column);
}

static bool
same(struct named a, struct named b)
{
    return a.schema == b.schema && a.name == b.name;
}

/* The first of m->shown that shows `base`, or the end. */
static size_t
first_shown(const struct making *m, struct named base)
{
    size_t from = 0;
    size_t to = m->shown_count;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const struct named *n = &m->shown[middle].base;
        const int order = strcmp(n->schema, base.schema);

        if (order < 0 || (order == 0 && strcmp(n->name, base.name) < 0))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The n-th of `count` columns, all of one view, that shows `column`; NULL: there are not so many.
 */
static const char *
showing(const struct shown *s, size_t count, const char *column, size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (s[i].base_column == column && n-- == 0)
            return s[i].column;
    return NULL;
}

/* A view that shows a column twice has the key as often. */
static void
add_ways(struct making *m, struct side **list, const struct shown *s, size_t count,
         const char *const *columns)
{
    const struct cache_table *view = making_table(m, s->view);
    size_t n = 0;

    while (columns[n] != NULL)
        n++;
    if (view == NULL || !view->exposed)
        return;
    size_t *choice = ARENA_ARRAY(m->work, size_t, n + 1);
    const char **way = ARENA_ARRAY(m->work, const char *, n + 1);
    for (int ways = 0; ways < WAYS_MAX; ways++) {
        size_t i = 0;

        for (i = 0; i < n; i++)
            if ((way[i] = showing(s, count, columns[i], choice[i])) == NULL)
                return; /* not all of it is shown */
        add_side(m, list, view, keep_list(m, way, n));
        /* The next choice, as an odometer does it. */
        for (i = n; i > 0; i--) {
            choice[i - 1]++;
            if (showing(s, count, columns[i - 1], choice[i - 1]) != NULL)
                break;
            choice[i - 1] = 0;
        }
        if (i == 0)
            return;
    }
}

static struct side *
sides_of(struct making *m, struct named base, const char *const *columns)
{
    const struct cache_table *t = making_table(m, base);
    struct side *list = NULL;

    if (t != NULL && t->exposed)
        add_side(m, &list, t, columns);
    for (size_t i = first_shown(m, base); i < m->shown_count && same(m->shown[i].base, base);) {
        size_t count = 1;

        while (i + count < m->shown_count && same(m->shown[i + count].base, base) &&
               same(m->shown[i + count].view, m->shown[i].view))
            count++;
        add_ways(m, &list, &m->shown[i], count, columns);
        i += count;
    }
    return list;
}

/* ---- keys, both ways ---- */

static void
add_key(struct making *m, struct found *f, const struct key *k)
{
    struct side *to = sides_of(m, k->to, k->to_columns);

    for (const struct side *s = to == NULL ? NULL : sides_of(m, k->from, k->from_columns);
         s != NULL; s = s->next)
        for (const struct side *t = to; t != NULL; t = t->next) {
            /* To itself it is never one to one: the original could not name it. */
            const bool one = k->unique && s->table != t->table;

            add(m, f,
                (struct cache_relation){.kind = one ? CACHE_O2O_CHILD : CACHE_M2O,
                                        .from = s->table,
                                        .to = t->table,
                                        .constraint = k->constraint,
                                        .from_columns = s->columns,
                                        .to_columns = t->columns});
            add(m, f,
                (struct cache_relation){.kind = one ? CACHE_O2O_PARENT : CACHE_O2M,
                                        .from = t->table,
                                        .to = s->table,
                                        .constraint = k->constraint,
                                        .from_columns = t->columns,
                                        .to_columns = s->columns});
        }
}

/* ---- through a junction ---- */

static bool
in_key(const struct cache_table *t, const char *const *columns)
{
    for (; *columns != NULL; columns++) {
        const char *const *pk = t->pk;

        while (*pk != NULL && *pk != *columns)
            pk++;
        if (*pk == NULL)
            return false;
    }
    return true;
}

static int
from_order(const void *a, const void *b)
{
    const struct cache_relation *x = *(const struct cache_relation *const *)a;
    const struct cache_relation *y = *(const struct cache_relation *const *)b;

    return x->from != y->from ? (x->from < y->from ? -1 : 1) : (x > y) - (x < y);
}

/* Keys that lead out of tables and are part of their primary keys, table by table. */
static const struct cache_relation **
ways_out(struct making *m, const struct found *f, size_t *ret_count)
{
    const struct cache_relation **out =
        ARENA_ARRAY(m->work, const struct cache_relation *, f->count + 1);
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++)
        if (f->all[i].kind == CACHE_M2O && in_key(f->all[i].from, f->all[i].from_columns))
            out[n++] = &f->all[i];
    qsort(out, n, sizeof(*out), from_order);
    *ret_count = n;
    return out;
}

static void
add_junctions(struct making *m, struct found *f)
{
    size_t count;
    const struct cache_relation **out = ways_out(m, f, &count);

    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count && out[k]->from == out[i]->from; k++) {
            const struct cache_relation x = *out[i];
            const struct cache_relation y = *out[k];

            if (x.constraint == y.constraint || x.to == y.to)
                continue;
            struct cache_relation r = {.kind = CACHE_M2M,
                                       .from = x.to,
                                       .to = y.to,
                                       .constraint = x.constraint,
                                       .constraint2 = y.constraint,
                                       .from_columns = x.to_columns,
                                       .to_columns = y.to_columns,
                                       .junction = x.from,
                                       .junction_from = x.from_columns,
                                       .junction_to = y.from_columns};
            add(m, f, r);
            r.from = y.to;
            r.to = x.to;
            r.constraint = y.constraint;
            r.constraint2 = x.constraint;
            r.from_columns = y.to_columns;
            r.to_columns = x.to_columns;
            r.junction_from = y.from_columns;
            r.junction_to = x.from_columns;
            add(m, f, r);
        }
}

/* ---- computed ones ---- */

static void
add_computed(struct making *m, struct found *f)
{
    for (size_t i = 0; i < m->call_count; i++) {
        const struct call *c = &m->calls[i];
        const struct cache_table *from = making_table(m, c->from);
        const struct cache_table *to = making_table(m, c->to);

        if (from == NULL || to == NULL || !from->exposed || !to->exposed)
            continue;
        const char *const *none = keep_list(m, NULL, 0);
        add(m, f,
            (struct cache_relation){.kind = CACHE_COMPUTED,
                                    .from = from,
                                    .to = to,
                                    .constraint = c->function.name,
                                    .from_columns = none,
                                    .to_columns = none,
                                    .function_schema = c->function.schema,
                                    .to_one = c->to_one});
    }
}

/* Does a function of this name take the place of `r`?  `of` are all that begin where r begins. */
static bool
is_hidden(const struct cache_relation *r, const struct cache_relation *of, size_t count)
{
    for (size_t i = 0; r->kind != CACHE_COMPUTED && i < count; i++)
        if (of[i].kind == CACHE_COMPUTED && of[i].constraint == r->to->name &&
            of[i].function_schema == r->to->schema)
            return true;
    return false;
}

/* ---- put in place ---- */

static int
columns_order(const char *const *a, const char *const *b)
{
    int order = 0;

    while (*a != NULL && *b != NULL && (order = strcmp(*a, *b)) == 0)
        a++, b++;
    return order != 0 ? order : (*a != NULL) - (*b != NULL);
}

/* Within a table as the original lists them: by target, one-to-many, many-to-one, one-to-one,
 * many-to-many, by constraint; computed ones last. */
static int
relation_order(const void *a, const void *b)
{
    static const int ranks[] = {[CACHE_O2M] = 0,       [CACHE_M2O] = 1, [CACHE_O2O_PARENT] = 2,
                                [CACHE_O2O_CHILD] = 2, [CACHE_M2M] = 3, [CACHE_COMPUTED] = 4};
    const struct cache_relation *x = a;
    const struct cache_relation *y = b;
    int order;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if ((x->kind == CACHE_COMPUTED) != (y->kind == CACHE_COMPUTED))
        return x->kind == CACHE_COMPUTED ? 1 : -1;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    if (ranks[x->kind] != ranks[y->kind])
        return ranks[x->kind] - ranks[y->kind];
    if ((order = strcmp(x->constraint, y->constraint)) != 0)
        return order;
    if (x->kind == CACHE_M2M && ((order = strcmp(x->junction->name, y->junction->name)) != 0 ||
                                 (order = strcmp(x->constraint2, y->constraint2)) != 0))
        return order;
    if ((order = columns_order(x->from_columns, y->from_columns)) != 0)
        return order;
    return columns_order(x->to_columns, y->to_columns);
}

static void
put_in_place(struct making *m, struct found *f)
{
    struct cache_relation *all;
    size_t n = 0;

    if (f->count > 0)
        qsort(f->all, f->count, sizeof f->all[0], relation_order);
    all = ARENA_ARRAY(m->out, struct cache_relation, f->count);
    for (size_t i = 0, end; i < f->count; i = end) {
        struct cache_table *t = &m->tables[f->all[i].from - m->tables];

        t->relations = all + n;
        for (end = i; end < f->count && f->all[end].from == t; end++)
            continue;
        for (size_t k = i; k < end; k++)
            if (!is_hidden(&f->all[k], &f->all[i], end - i))
                all[n++] = f->all[k];
        t->relation_count = (size_t)(all + n - t->relations);
    }
}

void
make_relations(struct making *m)
{
    struct found f = {0};

    if (m->shown_count > 0)
        qsort(m->shown, m->shown_count, sizeof m->shown[0], shown_order);
    for (size_t i = 0; i < m->key_count; i++)
        add_key(m, &f, &m->keys[i]);
    add_junctions(m, &f);
    add_computed(m, &f);
    put_in_place(m, &f);
}
