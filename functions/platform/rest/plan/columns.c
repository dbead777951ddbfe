/*
 * What a level shows, and what may be named in it.  A name that is no column may only be "count" or
 * a function of the row that the cache knows: PostgreSQL would take any function of one argument in
 * its place, to_jsonb and its like among them, which show the whole row (rest-contract.md 1.1).
 */
#include "rest/plan/internal.h"

bool
plan_refuse_unknown(struct planning *p, const struct plan_level *level, struct str name)
{
    const char *of = level->table != NULL ? level->table->name : p->plan->routine->name;

    return rest_fail(p->a, p->e, 400, "42703", "column %s.%.*s does not exist", of, REST_STR(name));
}

static bool
refuse_sealed(struct planning *p, const struct plan_level *level, struct str name)
{
    return rest_fail(p->a, p->e, 403, "42501",
                     "column %s.%.*s is sealed: it can be shown, and nothing else",
                     level->table->name, REST_STR(name));
}

bool
plan_check_field(struct planning *p, const struct plan_level *level, const struct rest_field *field)
{
    if (level->table == NULL)
        return true; /* OUT columns: PostgreSQL knows them */
    const struct cache_column *c = cache_column(level->table, field->name);
    if (c != NULL)
        return c->reader == NULL || refuse_sealed(p, level, field->name);
    return str_is(field->name, "count") ||
           cache_computed(p->plan->cache, level->table, field->name) != NULL ||
           plan_refuse_unknown(p, level, field->name);
}

/* The member's name: the alias, else the aggregate, the last key of a path that is no index, or the
 * column. */
static struct str
name_of(const struct rest_item *asked)
{
    struct str name = asked->alias.len > 0 ? asked->alias : asked->aggregate;

    if (name.len > 0)
        return name;
    for (const struct rest_step *s = asked->field.path; s != NULL; s = s->next)
        if (!s->is_index)
            name = s->key;
    return name.len > 0 ? name : asked->field.name;
}

static struct plan_item *
add_item(struct planning *p, struct plan_item ***tail)
{
    struct plan_item *item = ARENA_NEW(p->a, struct plan_item);

    **tail = item;
    *tail = &item->next;
    return item;
}

static void
show_column(struct planning *p, struct plan_item *item, const struct cache_column *c)
{
    item->column = c;
    item->name = str_of(c->name);
    if (item->shown.len == 0)
        item->shown = item->name;
    if (c->reader != NULL)
        p->plan->reveals = true;
}

static void
add_star(struct planning *p, struct plan_level *level, struct plan_item ***tail)
{
    const struct cache_table *t = level->table;

    /* Groups and spread rows are made column by column. */
    if (t == NULL || (!t->has_sealed && !level->grouped && !level->spread)) {
        add_item(p, tail)->whole = true;
        return;
    }
    for (size_t i = 0; i < t->column_count; i++)
        show_column(p, add_item(p, tail), &t->columns[i]);
}

static bool
add_column(struct planning *p, struct plan_level *level, const struct rest_item *asked,
           struct plan_item ***tail)
{
    const struct str name = asked->field.name;
    struct plan_item *item = add_item(p, tail);

    item->path = asked->field.path;
    item->cast = asked->cast;
    item->aggregate = asked->aggregate;
    item->result_cast = asked->result_cast;
    item->shown = name_of(asked);
    item->name = name;
    if (level->table == NULL)
        return true;
    const struct cache_column *c = cache_column(level->table, name);
    if (c != NULL) {
        show_column(p, item, c);
        return c->reader == NULL ||
               (item->path == NULL && item->cast.len == 0 && item->aggregate.len == 0) ||
               refuse_sealed(p, level, name);
    }
    item->computed = cache_computed(p->plan->cache, level->table, name);
    item->counts = item->computed == NULL && str_is(name, "count");
    return item->computed != NULL || item->counts || plan_refuse_unknown(p, level, name);
}

bool
plan_items(struct planning *p, struct plan_level *level, const struct rest_item *asked)
{
    struct plan_item **tail = &level->items;

    for (; asked != NULL; asked = asked->next) {
        switch (asked->kind) {
        case REST_STAR:
            add_star(p, level, &tail);
            break;
        case REST_COLUMN:
            REST_TRY(add_column(p, level, asked, &tail));
            break;
        case REST_COUNT: {
            struct plan_item *item = add_item(p, &tail);

            item->counts = true;
            item->aggregate = STR("count");
            item->result_cast = asked->result_cast;
            item->shown = asked->alias.len > 0 ? asked->alias : STR("count");
            break;
        }
        case REST_EMBED:
        default:
            for (struct plan_level *l = level->embeds; l != NULL; l = l->next)
                if (l->asked == asked && (l->items != NULL || l->embeds != NULL))
                    add_item(p, &tail)->embed = l;
            break;
        }
    }
    return true;
}
