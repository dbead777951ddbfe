/* Finding things: lists are sorted, byte by byte, and searched by halves. */
#include "rest/cache/internal.h"

/* A counted text against a NUL-terminated one, as strcmp. */
static int
compare(struct str a, const char *b)
{
    const size_t len = strlen(b);
    const int order = memcmp(a.ptr == NULL ? "" : a.ptr, b, MIN(a.len, len));

    return order != 0 ? order : (a.len > len) - (a.len < len);
}

static int
compare_named(struct str schema, struct str name, const char *to_schema, const char *to_name)
{
    const int order = compare(schema, to_schema);

    return order != 0 ? order : compare(name, to_name);
}

int
cache_table_order(const void *a, const void *b)
{
    const struct cache_table *x = a;
    const struct cache_table *y = b;

    return compare_named(str_of(x->schema), str_of(x->name), y->schema, y->name);
}

static const struct cache_table *
find(const struct cache_table *tables, size_t count, struct str schema, struct str name)
{
    while (count > 0) {
        const struct cache_table *middle = &tables[count / 2];
        const int order = compare_named(schema, name, middle->schema, middle->name);

        if (order == 0)
            return middle;
        if (order > 0) {
            tables = middle + 1;
            count--;
        }
        count /= 2;
    }
    return NULL;
}

const struct cache_table *
cache_table(const struct cache *c, struct str schema, struct str name)
{
    return find(c->tables, c->table_count, schema, name);
}

const struct cache_table *
making_table(const struct making *m, struct named name)
{
    return name.name == NULL
               ? NULL
               : find(m->tables, m->table_count, str_of(name.schema), str_of(name.name));
}

const struct cache_column *
cache_column(const struct cache_table *t, struct str name)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (compare(name, t->columns[i].name) == 0)
            return &t->columns[i];
    return NULL;
}

const struct cache_routine *
cache_routines(const struct cache *c, struct str schema, struct str name, size_t *ret_count)
{
    size_t from = 0;
    size_t to = c->routine_count;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const struct cache_routine *r = &c->routines[middle];

        if (compare_named(schema, name, r->schema, r->name) > 0)
            from = middle + 1;
        else
            to = middle;
    }
    const struct cache_routine *first = c->routines + from;
    *ret_count = 0;
    while (from + *ret_count < c->routine_count &&
           compare_named(schema, name, first[*ret_count].schema, first[*ret_count].name) == 0)
        ++*ret_count;
    return *ret_count == 0 ? NULL : first;
}

const struct cache_routine *
cache_computed(const struct cache *c, const struct cache_table *t, struct str name)
{
    const struct cache_whole *whole = cache_whole(c);
    size_t from = 0;
    size_t to = c->computed_count;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const struct cache_table *of = whole->computed_of[middle];

        if (of < t || (of == t && compare(name, c->computed[middle]->name) > 0))
            from = middle + 1;
        else
            to = middle;
    }
    return from < c->computed_count && whole->computed_of[from] == t &&
                   compare(name, c->computed[from]->name) == 0
               ? c->computed[from]
               : NULL;
}

const struct cache_role *
cache_role(const struct cache *c, const char *name)
{
    for (size_t i = 0; i < c->role_count; i++) /* a handful */
        if (strcmp(c->roles[i].name, name) == 0)
            return &c->roles[i];
    return NULL;
}

bool
cache_knows_type(const struct cache *c, struct str name)
{
    char small[64]; /* longer than any name */
    size_t from = 0;
    size_t to = cache_whole(c)->type_count;

    if (name.len >= sizeof small)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        const char letter = name.ptr[i];

        small[i] = letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
    }
    const struct str wanted = {small, name.len};
    while (from < to) {
        const size_t middle = from + (to - from) / 2;

        if (compare(wanted, c->types[middle]) > 0)
            from = middle + 1;
        else
            to = middle;
    }
    return c->types[from] != NULL && compare(wanted, c->types[from]) == 0;
}
