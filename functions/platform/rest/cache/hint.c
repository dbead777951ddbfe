/*
 * What may have been meant: of some names the nearest one, as the library finds it that the
 * original uses (fuzzyset).  Only names that have three letters in a row in common with what was
 * asked for are compared; when none of them is near enough, those that have two.  How near is one
 * less the number of letters to change (Levenshtein), as a part of the longer name.
 */
#include "rest/cache/internal.h"

#define WANTED_MAX 512 /* bytes; nobody's name is longer, and the time is squared */
#define TABLES_MAX 500
#define NEAR_NAME  0.75
#define NEAR_ANY   0.33

struct names {
    const char **items;
    size_t count;
};

static char *
small(struct arena *a, struct str text)
{
    char *out = arena_copy(a, text);

    for (char *p = out; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return out;
}

/* Letters, digits, '_', ',' and blanks, between two dashes: the letters of a pair or a triple. */
static char *
letters(struct arena *a, const char *text)
{
    char *out = arena_bytes(a, strlen(text) + 3);
    char *p = out;

    *p++ = '-';
    for (; *text != '\0'; text++)
        if ((*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') || *text == '_' ||
            *text == ',' || *text == ' ' || (unsigned char)*text >= 0x80)
            *p++ = *text;
    *p++ = '-';
    *p = '\0';
    return out;
}

static bool
have_in_common(const char *a, const char *b, size_t n)
{
    const size_t len = strlen(b);

    for (size_t left = strlen(a); left >= n; left--, a++)
        if (memmem(b, len, a, n) != NULL)
            return true;
    return false;
}

/* Letters to change, add or leave out. `row` has room for strlen(b) + 1. */
static size_t
distance(const char *a, const char *b, size_t *row)
{
    const size_t len = strlen(b);

    for (size_t k = 0; k <= len; k++)
        row[k] = k;
    for (size_t i = 1; *a != '\0'; a++, i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t k = 1; k <= len; k++) {
            const size_t changed = corner + (*a != b[k - 1]);

            corner = row[k];
            row[k] = MIN(changed, MIN(row[k], row[k - 1]) + 1);
        }
    }
    return row[len];
}

/* The nearest, which is at least so near; NULL: none. */
static const char *
nearest(struct arena *a, struct names names, struct str asked, double least, bool *ret_same)
{
    const char *found = NULL;

    *ret_same = false;
    if (asked.len > WANTED_MAX || names.count == 0)
        return NULL;
    const char *wanted = small(a, asked);
    const char *wanted_letters = letters(a, wanted);
    const size_t len = strlen(wanted);
    size_t *row = ARENA_ARRAY(a, size_t, len + 1);
    const char **all = ARENA_ARRAY(a, const char *, names.count);
    const char **all_letters = ARENA_ARRAY(a, const char *, names.count);
    for (size_t i = 0; i < names.count; i++) {
        all[i] = small(a, str_of(names.items[i]));
        if (strcmp(all[i], wanted) == 0) {
            *ret_same = true;
            return names.items[i];
        }
        all_letters[i] = letters(a, all[i]);
    }
    for (size_t n = 3; n >= 2 && found == NULL; n--)
        for (size_t i = 0; i < names.count; i++) {
            const size_t other = strlen(all[i]);
            const double longer = (double)MAX(len, other);

            if ((double)MIN(len, other) < least * longer ||
                !have_in_common(wanted_letters, all_letters[i], n))
                continue;
            const double near = 1 - (double)distance(all[i], wanted, row) / longer;
            if (near > least || (found == NULL && near >= least)) {
                found = names.items[i];
                least = near;
            }
        }
    return found;
}

const char *
cache_near_table(struct arena *a, const struct cache *c, struct str schema, struct str name)
{
    struct names names = {.items = ARENA_ARRAY(a, const char *, MIN(c->table_count, TABLES_MAX))};
    bool same;

    if (c->table_count >= TABLES_MAX)
        return NULL;
    for (size_t i = 0; i < c->table_count; i++)
        if (c->tables[i].exposed && str_is(schema, c->tables[i].schema))
            names.items[names.count++] = c->tables[i].name;
    return nearest(a, names, name, NEAR_NAME, &same);
}

/* Does anything lead from `t` to a table of `schema`?  It is added to `names`, unless NULL. */
static bool
leads_into(const struct cache_table *t, struct str schema, struct names *names)
{
    bool any = false;

    for (size_t i = 0; i < t->relation_count; i++)
        if (str_is(schema, t->relations[i].to->schema)) {
            any = true;
            if (names != NULL)
                names->items[names->count++] = t->relations[i].to->name;
        }
    return any;
}

const char *
cache_near_relation(struct arena *a, const struct cache *c, struct str schema, struct str parent,
                    struct str child)
{
    const struct cache_table *t = cache_table(c, schema, parent);
    struct names names = {0};
    const bool known = t != NULL && leads_into(t, schema, NULL);
    const struct str asked = known ? child : parent;
    bool same;

    if (known) {
        names.items = ARENA_ARRAY(a, const char *, t->relation_count);
        (void)leads_into(t, schema, &names);
    } else {
        names.items = ARENA_ARRAY(a, const char *, c->table_count);
        for (size_t i = 0; i < c->table_count; i++)
            if (str_is(schema, c->tables[i].schema) && leads_into(&c->tables[i], schema, NULL))
                names.items[names.count++] = c->tables[i].name;
    }
    const char *found = nearest(a, names, asked, NEAR_ANY, &same);
    /* A target that is there was asked for in the wrong way. */
    if (found == NULL || (known && same))
        return NULL;
    return arena_printf(a, "Perhaps you meant '%s' instead of '%.*s'.", found, (int)asked.len,
                        asked.ptr);
}

/* "(a, b)"; `names` are sorted. */
static const char *
in_brackets(struct arena *a, const char *const *names, size_t count)
{
    const char *text = "(";

    for (size_t i = 0; i < count; i++)
        text = arena_join(a, arena_join(a, text, i == 0 ? "" : ", "), names[i]);
    return arena_join(a, text, ")");
}

static const char *
arguments_of(struct arena *a, const struct cache_routine *r)
{
    const char **names = ARENA_ARRAY(a, const char *, r->argument_count);

    for (size_t i = 0; i < r->argument_count; i++)
        names[i] = r->arguments[i].name;
    if (r->argument_count > 0)
        qsort(names, r->argument_count, sizeof names[0], rest_text_order);
    return in_brackets(a, names, r->argument_count);
}

const char *
cache_near_routine(struct arena *a, const struct cache *c, struct str schema, struct str name,
                   const char *const *arguments)
{
    size_t count;
    const struct cache_routine *named = cache_routines(c, schema, name, &count);
    struct names names = {0};
    size_t n = 0;
    bool same;

    if (named != NULL) {
        names.items = ARENA_ARRAY(a, const char *, count);
        for (size_t i = 0; i < count; i++)
            names.items[names.count++] = arguments_of(a, &named[i]);
        while (arguments[n] != NULL)
            n++;
        const char *asked = n > WANTED_MAX ? "" : in_brackets(a, arguments, n);
        const char *found = nearest(a, names, str_of(asked), NEAR_ANY, &same);
        return found == NULL ? NULL : arena_printf(a, "%s.%s%s", named->schema, named->name, found);
    }
    names.items = ARENA_ARRAY(a, const char *, c->routine_count);
    for (size_t i = 0; i < c->routine_count; i++)
        if (str_is(schema, c->routines[i].schema))
            names.items[names.count++] = c->routines[i].name;
    const char *found = nearest(a, names, name, NEAR_NAME, &same);
    return found == NULL ? NULL : arena_printf(a, "%.*s.%s", (int)schema.len, schema.ptr, found);
}
