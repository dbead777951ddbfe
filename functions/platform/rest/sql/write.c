/*
 * Inserts, updates, deletes: the source of a write (rest-contract.md 2.6).
 *
 * The body goes to PostgreSQL as it is; json_to_recordset makes rows of it.  What is returned is
 * what the select list needs, so that who may not read a table may write it all the same.
 */
#include "rest/sql/internal.h"

static const struct plan_level *
root(const struct sql *s)
{
    return &s->plan->root;
}

static void
put_table(struct sql *s)
{
    put_names(s, root(s)->table->schema, root(s)->table->name);
    put(s, " AS ");
    put_level(s, root(s));
}

/* ---- what the body has ---- */

static void
put_columns(struct sql *s, const char *before_each)
{
    for (const struct rest_names *n = s->plan->request->columns; n != NULL; n = n->next) {
        put(s, n == s->plan->request->columns ? "" : ", ");
        put(s, before_each);
        put_name(s, n->name);
    }
}

static void
put_typed_columns(struct sql *s)
{
    const char *before = "";

    for (const struct rest_names *n = s->plan->request->columns; n != NULL; n = n->next) {
        const struct cache_column *c = cache_column(root(s)->table, n->name);

        put(s, before);
        before = ", ";
        put_name(s, n->name);
        put(s, " ");
        buf_add_text(&s->text, c->type);
    }
}

/* Absent keys take what their columns would have. */
static void
put_with_defaults(struct sql *s)
{
    const char *before = "";

    put(s, "jsonb_build_object(");
    for (const struct rest_names *n = s->plan->request->columns; n != NULL; n = n->next) {
        const struct cache_column *c = cache_column(root(s)->table, n->name);

        if (c->default_expr == NULL || c->generated_always)
            continue;
        put(s, before);
        before = ", ";
        put_value(s, n->name);
        put(s, "::text, ");
        buf_add_text(&s->text, c->default_expr);
    }
    put(s, ") || ");
}

/* FROM … of the rows of the body as "b". */
static void
put_body(struct sql *s)
{
    const struct rest_request *r = s->plan->request;
    const bool defaults = r->prefer.missing_default && r->method != REST_PUT;

    put(s, "(SELECT ");
    put_value(s, r->body);
    put(s, defaults ? "::jsonb AS j) AS pgrst_payload, " : "::json AS j) AS pgrst_payload, ");
    put(s, "LATERAL (SELECT * FROM ");
    put(s, defaults ? "jsonb_to_record" : "json_to_record");
    put(s, r->body_is_array ? "set(" : "(");
    if (defaults && r->body_is_array) {
        put(s, "(SELECT jsonb_agg(");
        put_with_defaults(s);
        put(s, "pgrst_element) FROM jsonb_array_elements(pgrst_payload.j) AS pgrst_element)");
    } else if (defaults) {
        put_with_defaults(s);
        put(s, "pgrst_payload.j");
    } else {
        put(s, "pgrst_payload.j");
    }
    put(s, ") AS _(");
    put_typed_columns(s);
    put(s, ")) AS pgrst_body");
}

/* ---- what is returned ---- */

static bool
needs_all(const struct plan_level *level)
{
    for (const struct plan_item *i = level->items; i != NULL; i = i->next)
        if (i->whole)
            return true;
    for (const struct plan_level *l = level->embeds; l != NULL; l = l->next)
        if (l->relation->kind == CACHE_COMPUTED)
            return true;
    return false;
}

static bool
is_shown(const struct plan_level *level, const char *name)
{
    for (const struct plan_item *i = level->items; i != NULL; i = i->next)
        if (!i->whole && i->embed == NULL && str_is(i->name, name))
            return true;
    return false;
}

/* Asked for by the select list, by a key that leads to an embed, by an order, or as the key. */
static bool
is_needed(const struct sql *s, const char *name)
{
    const struct plan_level *level = root(s);

    if (s->plan->shows_rows) {
        if (is_shown(level, name))
            return true;
        for (const struct plan_level *l = level->embeds; l != NULL; l = l->next)
            if (l->relation->from_columns != NULL &&
                rest_is_among(str_of(name), l->relation->from_columns))
                return true;
        for (const struct rest_order *o = level->place->order; o != NULL; o = o->next)
            if (o->relation.len == 0 && str_is(o->field.name, name))
                return true;
    }
    return s->plan->request->prefer.returns == REST_RETURN_HEADERS &&
           rest_is_among(str_of(name), level->table->pk);
}

static void
put_returned(struct sql *s, const char **before, const struct cache_column *c, bool shown)
{
    put(s, *before);
    *before = ", ";
    if (c->reader != NULL && shown) {
        put_sealed(s, root(s), c);
        put(s, " AS ");
    } else if (c->reader != NULL) {
        put(s, "NULL::text AS ");
    } else {
        put_level(s, root(s));
        put(s, ".");
    }
    put_name(s, str_of(c->name));
}

/* Of the items with its name. */
static bool
is_first(const struct plan_item *items, const struct plan_item *item)
{
    while (items != item && (items->column != NULL || !str_eq(items->name, item->name)))
        items = items->next;
    return items == item;
}

static void
put_returning(struct sql *s)
{
    const struct plan_level *level = root(s);
    const struct cache_table *t = level->table;
    const bool all = s->plan->shows_rows && needs_all(level);
    const char *before = " RETURNING ";

    for (size_t i = 0; i < t->column_count; i++)
        if (all || is_needed(s, t->columns[i].name))
            put_returned(s, &before, &t->columns[i], is_shown(level, t->columns[i].name));
    if (s->plan->shows_rows)
        for (const struct plan_item *i = level->items; i != NULL; i = i->next)
            if ((i->computed != NULL || (i->counts && i->name.len > 0)) &&
                is_first(level->items, i)) {
                put(s, before);
                before = ", ";
                put_level(s, root(s));
                put(s, ".");
                put_name(s, i->name);
            }
    if (before[0] == ' ' && before[1] == 'R')
        put(s, " RETURNING 1");
}

/* ---- the three ---- */

/* Counted up for each row that comes, and down for each that was there: what is left was new. */
#define COUNT                                                                                      \
    "set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true), ''), " \
    "'0')::int "

static void
put_conflict(struct sql *s)
{
    const bool merges = s->plan->merges && s->plan->request->columns != NULL;
    const char *before = " DO UPDATE SET ";

    put(s, " ON CONFLICT (");
    for (size_t i = 0; s->plan->conflict[i] != NULL; i++) {
        put(s, i == 0 ? "" : ", ");
        put_name(s, str_of(s->plan->conflict[i]));
    }
    put(s, ")");
    if (!merges) {
        put(s, " DO NOTHING");
        return;
    }
    for (const struct rest_names *n = s->plan->request->columns; n != NULL; n = n->next) {
        put(s, before);
        before = ", ";
        put_name(s, n->name);
        put(s, " = EXCLUDED.");
        put_name(s, n->name);
    }
    put(s, " WHERE " COUNT "- 1)::text, true) <> '-1'");
}

static void
put_insert(struct sql *s)
{
    const struct rest_request *r = s->plan->request;
    const bool is_put = r->method == REST_PUT;
    const bool counts = s->plan->merges;

    put(s, "INSERT INTO ");
    put_table(s);
    if (r->columns == NULL) {
        /* A row of defaults for each object. */
        if (r->body_is_array) {
            put(s, " SELECT FROM json_array_elements(");
            put_value(s, r->body);
            put(s, "::json)");
        } else {
            put(s, " DEFAULT VALUES");
        }
    } else {
        put(s, "(");
        put_columns(s, "");
        put(s, ") SELECT ");
        put_columns(s, "pgrst_body.");
        put(s, " FROM ");
        put_body(s);
        if (counts)
            put(s, " WHERE " COUNT "+ 1)::text, true) <> '0'");
        if (is_put)
            for (const struct rest_condition *c = root(s)->place->where; c != NULL; c = c->next) {
                put(s, " AND pgrst_body.");
                put_name(s, c->filter.field.name);
                put(s, " = ");
                put_value(s, c->filter.value);
            }
    }
    if (s->plan->merges || s->plan->ignores)
        put_conflict(s);
    put_returning(s);
}

/* Without anything to set nothing is changed, and nothing returned. */
static void
put_nothing(struct sql *s)
{
    put(s, "SELECT ");
    put_level(s, root(s));
    put(s, ".* FROM ");
    put_table(s);
    put(s, " WHERE false");
}

static void
put_update(struct sql *s)
{
    const struct rest_request *r = s->plan->request;

    if (r->columns == NULL) {
        put_nothing(s);
        return;
    }
    put(s, "UPDATE ");
    put_table(s);
    put(s, " SET ");
    for (const struct rest_names *n = r->columns; n != NULL; n = n->next) {
        put(s, n == r->columns ? "" : ", ");
        put_name(s, n->name);
        put(s, " = pgrst_body.");
        put_name(s, n->name);
    }
    put(s, " FROM ");
    put_body(s);
    put_conditions(s, root(s), root(s)->place->where, " WHERE ");
    put_returning(s);
}

static void
put_delete(struct sql *s)
{
    put(s, "DELETE FROM ");
    put_table(s);
    put_conditions(s, root(s), root(s)->place->where, " WHERE ");
    put_returning(s);
}

void
put_write(struct sql *s)
{
    switch (s->plan->request->method) {
    case REST_POST:
    case REST_PUT:
        put_insert(s);
        break;
    case REST_PATCH:
        put_update(s);
        break;
    case REST_DELETE:
        put_delete(s);
        break;
    case REST_GET:
    case REST_HEAD:
    case REST_OPTIONS:
    default:
        die("rest: not a write");
    }
}
