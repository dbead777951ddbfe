/*
 * Levels.  What is embedded is a lateral join pgrst_eN of rows pgrst_tN: of one row its columns, of
 * many one column pgrst_eN with their JSON array, NULL when there are none.
 */
#include "rest/sql/internal.h"

/* ---- what is shown ---- */

static void
put_as(struct sql *s, struct str name)
{
    put(s, " AS ");
    put_name(s, name);
}

/* A sealed column is what its reader makes of the row; out of pgrst_source it comes read. */
static void
put_plain(struct sql *s, const struct plan_level *level, const struct plan_item *item)
{
    const bool is_root = level->number == 0;

    if (item->column != NULL && item->column->reader != NULL && !(is_root && s->from_source)) {
        put_sealed(s, level, item->column);
    } else {
        put_field(s, level, item->name, item->path);
    }
}

static void
put_cast_begin(struct sql *s, struct str cast)
{
    if (cast.len > 0)
        put(s, "CAST(");
}

/* A type's name as the client wrote it: letters, digits, _ $ and blanks (read sees to it). */
static void
put_cast_end(struct sql *s, struct str cast)
{
    if (cast.len == 0)
        return;
    put(s, " AS ");
    buf_add_str(&s->text, cast);
    put(s, ")");
}

/* Around what an item aggregates, when it is done `here`.  (A second cast of what is not aggregated
 * is none.) */
static void
put_aggregate_begin(struct sql *s, const struct plan_item *item, bool here)
{
    if (!here || item->aggregate.len == 0)
        return;
    put_cast_begin(s, item->result_cast);
    buf_add_str(&s->text, item->aggregate);
    put(s, item->counts && item->name.len == 0 ? "(*" : "(");
}

static void
put_aggregate_end(struct sql *s, const struct plan_item *item, bool here)
{
    if (!here || item->aggregate.len == 0)
        return;
    put(s, ")");
    put_cast_end(s, item->result_cast);
}

static void
put_item(struct sql *s, const struct plan_level *level, const struct plan_item *item)
{
    if (item->whole) {
        put_level(s, level);
        put(s, ".*");
        return;
    }
    const bool counts = item->counts && item->name.len == 0;

    if (level->hoists && counts) {
        put(s, "1");
    } else {
        put_aggregate_begin(s, item, !level->hoists);
        put_cast_begin(s, item->cast);
        if (!counts)
            put_plain(s, level, item);
        put_cast_end(s, item->cast);
        put_aggregate_end(s, item, !level->hoists);
    }
    put_as(s, item->shown);
}

/* The members of a spread embed, as members of the level above; those that it has spread itself are
 * among its columns.  True when there was one. */
static bool
put_spread(struct sql *s, const struct plan_level *embed, const struct plan_level *members,
           bool any)
{
    /* What is aggregated in rows that are spread is so in the level that is spread into. */
    const bool hoisted = members->hoists && !embed->above->hoists;

    for (const struct plan_item *i = members->items; i != NULL; i = i->next) {
        if (i->embed != NULL && i->embed->spread) {
            any = put_spread(s, embed, i->embed, any);
            continue;
        }
        const struct str name = i->embed != NULL ? i->embed->name : i->shown;
        put(s, any ? ", " : "");
        any = true;
        if (i->whole) {
            put_f(s, "pgrst_e%d.*", embed->number);
            continue;
        }
        put_aggregate_begin(s, i, hoisted);
        put(s, embed->to_one ? "" : "COALESCE(");
        if (!hoisted || !i->counts || i->name.len > 0) {
            put_f(s, "pgrst_e%d.", embed->number);
            put_name(s, name);
        }
        put(s, embed->to_one ? "" : ", '[]')");
        put_aggregate_end(s, i, hoisted);
        put_as(s, name);
    }
    return any;
}

static bool
put_embedded(struct sql *s, const struct plan_level *embed)
{
    const int n = embed->number;

    if (embed->spread)
        return put_spread(s, embed, embed, false);
    if (embed->to_one)
        put_f(s, "row_to_json(pgrst_e%d.*)::jsonb", n);
    else
        put_f(s, "COALESCE(pgrst_e%d.pgrst_e%d, '[]')", n, n);
    put_as(s, embed->name);
    return true;
}

void
put_items(struct sql *s, const struct plan_level *level)
{
    bool any = false;

    for (const struct plan_item *i = level->items; i != NULL; i = i->next) {
        const size_t before = s->text.len;

        if (any)
            put(s, ", ");
        if (i->embed == NULL)
            put_item(s, level, i);
        else if (!put_embedded(s, i->embed)) {
            s->text.len = before;
            continue;
        }
        any = true;
    }
    if (!any)
        put(s, level->number == 0 ? "" : "1 AS one");
}

/* ---- order and limits ---- */

/* A column of the row that is embedded, under the name that it has there. */
static void
put_related(struct sql *s, const struct plan_level *level, const struct rest_order *o)
{
    const struct plan_level *l = plan_below(level, o->relation);
    const struct plan_item *item = plan_shown(l, o->field.name);
    const struct cache_column *c = cache_column(l->table, o->field.name);
    const bool wrapped = o->field.path != NULL && c != NULL && !c->is_json;

    put(s, wrapped ? "to_jsonb(" : "");
    put_f(s, "pgrst_e%d.", l->number);
    put_name(s, item->whole ? o->field.name : item->shown);
    put(s, wrapped ? ")" : "");
    put_path(s, o->field.path);
}

void
put_order(struct sql *s, const struct plan_level *level)
{
    const char *before = " ORDER BY ";

    if (level->place == NULL)
        return;
    for (const struct rest_order *o = level->place->order; o != NULL; o = o->next) {
        put(s, before);
        before = ", ";
        if (o->relation.len > 0) {
            put_related(s, level, o);
        } else {
            put_field(s, level, o->field.name, o->field.path);
        }
        put(s, o->direction == REST_ASC ? " ASC" : o->direction == REST_DESC ? " DESC" : "");
        put(s, o->nulls == REST_NULLS_FIRST  ? " NULLS FIRST"
               : o->nulls == REST_NULLS_LAST ? " NULLS LAST"
                                             : "");
    }
}

void
put_limit(struct sql *s, const struct plan_level *level)
{
    if (level->has_limit) {
        put(s, " LIMIT ");
        put_value(s, str_of(arena_printf(s->a, "%lld", (long long)level->limit)));
    }
    if (level->offset > 0) {
        put(s, " OFFSET ");
        put_value(s, str_of(arena_printf(s->a, "%lld", (long long)level->offset)));
    }
}

/* The places in the select list of what is not aggregated; returns how many there are. */
static int
put_places(struct sql *s, const struct plan_level *level, int n, const char **before)
{
    for (const struct plan_item *i = level->items; i != NULL; i = i->next) {
        if (i->embed != NULL && i->embed->spread) {
            n = put_places(s, i->embed, n, before);
            continue;
        }
        n++;
        if (i->aggregate.len > 0)
            continue;
        put_f(s, "%s%d", *before, n);
        *before = ", ";
    }
    return n;
}

void
put_group(struct sql *s, const struct plan_level *level)
{
    const char *before = " GROUP BY ";

    if (level->grouped && !level->hoists)
        (void)put_places(s, level, 0, &before);
}

/* ---- joins ---- */

static void
put_pairs(struct sql *s, const struct plan_level *l, const char *const *of_junction,
          const struct plan_level *other, const char *const *of_other, const char *before)
{
    for (size_t i = 0; of_junction[i] != NULL; i++) {
        put(s, i == 0 ? before : " AND ");
        put_f(s, "pgrst_j%d.", l->number);
        put_name(s, str_of(of_junction[i]));
        put(s, " = ");
        put_level(s, other);
        put(s, ".");
        put_name(s, str_of(of_other[i]));
    }
}

static void
put_junction(struct sql *s, const struct plan_level *l)
{
    const struct cache_relation *r = l->relation;

    put(s, " INNER JOIN ");
    put_names(s, r->junction->schema, r->junction->name);
    put_f(s, " AS pgrst_j%d", l->number);
    put_pairs(s, l, r->junction_from, l->above, r->from_columns, " ON ");
    put_pairs(s, l, r->junction_to, l, r->to_columns, " AND ");
}

static void
put_keys(struct sql *s, const struct plan_level *l)
{
    const struct cache_relation *r = l->relation;

    for (size_t i = 0; r->from_columns[i] != NULL; i++) {
        put(s, i == 0 ? " WHERE " : " AND ");
        put_level(s, l);
        put(s, ".");
        put_name(s, str_of(r->to_columns[i]));
        put(s, " = ");
        put_level(s, l->above);
        put(s, ".");
        put_name(s, str_of(r->from_columns[i]));
    }
}

/* The rows of a level below: from where, and which of them. */
static void
put_rows(struct sql *s, const struct plan_level *l)
{
    const struct cache_relation *r = l->relation;
    const struct rest_condition *where = l->place == NULL ? NULL : l->place->where;
    const bool has_keys = r->kind != CACHE_COMPUTED && r->kind != CACHE_M2M;

    put(s, "SELECT ");
    put_items(s, l);
    put(s, " FROM ");
    if (r->kind == CACHE_COMPUTED) {
        put_names(s, r->function_schema, r->constraint);
        put(s, "((");
        put_level(s, l->above);
        put(s, ".*)::"); /* the row, whatever its columns are called */
        put_names(s, r->from->schema, r->from->name);
        put(s, ")");
    } else {
        put_names(s, l->table->schema, l->table->name);
    }
    put_f(s, " AS pgrst_t%d", l->number);
    if (r->kind == CACHE_M2M)
        put_junction(s, l);
    put_joins(s, l, false);
    if (has_keys)
        put_keys(s, l);
    put_conditions(s, l, where, has_keys ? " AND " : " WHERE ");
    put_group(s, l);
    put_order(s, l);
    put_limit(s, l);
}

static void
put_member_arrays(struct sql *s, const struct plan_level *l)
{
    for (const struct plan_item *i = l->items; i != NULL; i = i->next) {
        const struct str name = i->embed != NULL ? i->embed->name : i->shown;

        if (i->embed != NULL && i->embed->spread) {
            put_member_arrays(s, i->embed);
            continue;
        }

        put(s, ", json_agg(pgrst_r.");
        put_name(s, name);
        put(s, ")::jsonb");
        put_as(s, name);
    }
}

/* Of a spread to many: an array for each member. */
static void
put_arrays(struct sql *s, const struct plan_level *l)
{
    put_f(s, "SELECT count(*) AS pgrst_e%d", l->number);
    put_member_arrays(s, l);
    put(s, " FROM (");
    put_rows(s, l);
    put(s, ") AS pgrst_r");
}

static void
put_join(struct sql *s, const struct plan_level *l)
{
    const int n = l->number;

    put(s, l->inner ? " INNER JOIN LATERAL (" : " LEFT JOIN LATERAL (");
    if (l->to_one) {
        put_rows(s, l);
        put_f(s, ") AS pgrst_e%d ON TRUE", n);
    } else if (l->spread) {
        put_arrays(s, l);
        put_f(s, ") AS pgrst_e%d ON ", n);
        if (l->inner)
            put_f(s, "pgrst_e%d.pgrst_e%d > 0", n, n);
        else
            put(s, "TRUE");
    } else {
        put_f(s, "SELECT json_agg(pgrst_r.*)::jsonb AS pgrst_e%d FROM (", n);
        put_rows(s, l);
        put_f(s, ") AS pgrst_r) AS pgrst_e%d ON ", n);
        if (l->inner)
            put_f(s, "pgrst_e%d.pgrst_e%d IS NOT NULL", n, n);
        else
            put(s, "TRUE");
    }
}

static bool
is_asked_for(const struct sql *s, const struct plan_level *level, const struct rest_condition *c,
             const struct plan_level *embed)
{
    for (; c != NULL; c = c->next)
        if (c->kind == REST_FILTER ? plan_asked_embed(s->plan, level, &c->filter) == embed
                                   : is_asked_for(s, level, c->inside, embed))
            return true;
    return false;
}

void
put_joins(struct sql *s, const struct plan_level *level, bool deciding)
{
    const struct rest_condition *where = level->place == NULL ? NULL : level->place->where;

    for (const struct plan_level *l = level->embeds; l != NULL; l = l->next)
        if (!deciding || l->inner || is_asked_for(s, level, where, l))
            put_join(s, l);
}
