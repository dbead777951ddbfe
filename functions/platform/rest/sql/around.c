/*
 * The whole statement: WITH pgrst_source AS (…) SELECT the seven columns of enum sql_column; of
 * what is streamed there is a row behind it for each of its rows, in SQL_BODY, all of which are
 * made before the first is sent.  What must not be committed is refused in it: a write of other
 * than one row where one is asked for, or of more rows than the client allows; and what is too
 * large to be held here, before it comes.
 */
#include "rest/sql/internal.h"

/* Bytes of what is answered in one piece, as which a process holds it three times: a row of what is
 * streamed, one value, or a list that could be streamed instead. */
#define PIECE_MAX (4 * 1024 * 1024)
/* … and of lists that cannot: what functions return, rows that were written, CSV.  With CSV's first
 * line it is less than any answer may have that is held. */
#define LIST_MAX ((8 * 1024 - 128) * 1024)

#define TEXT_MAX ((size_t)1024 * 1024)

/* ---- sources ---- */

static void
put_from(struct sql *s)
{
    const struct plan_level *root = &s->plan->root;

    if (s->plan->routine != NULL) {
        put_call(s);
        return;
    }
    put_names(s, root->table->schema, root->table->name);
    put(s, " AS ");
    put_level(s, root);
}

/* A function is called once: its rows are counted, then cut. */
static bool
is_call_counted(const struct plan *plan)
{
    const enum rest_count count = plan->count;

    return plan->routine != NULL && (count == REST_COUNT_EXACT || count == REST_COUNT_ESTIMATED);
}

/* Rows of a table or a function, as they are shown. */
static void
put_read(struct sql *s)
{
    const struct plan_level *root = &s->plan->root;

    put(s, "SELECT ");
    if (plan_is_scalar(s->plan)) {
        put_level(s, root);
        put(s, ".pgrst_scalar");
    } else {
        put_items(s, root);
    }
    put(s, " FROM ");
    put_from(s);
    put_joins(s, root, false);
    put_conditions(s, root, root->place->where, " WHERE ");
    put_group(s, root);
    put_order(s, root);
    if (!is_call_counted(s->plan))
        put_limit(s, root);
}

static void
put_counted(struct sql *s)
{
    const struct plan_level *root = &s->plan->root;

    if (is_call_counted(s->plan) && !s->estimates) {
        put(s, "SELECT 1 FROM pgrst_source");
        return;
    }
    put(s, "SELECT 1 FROM ");
    put_from(s);
    put_joins(s, root, true);
    put_conditions(s, root, root->place->where, " WHERE ");
}

/* ---- the row ---- */

static void
put_total(struct sql *s, int64_t max_rows)
{
    const enum rest_count count = s->plan->count;
    const struct plan_level *root = &s->plan->root;

    if (s->plan->writes && s->plan->routine == NULL)
        put(s, "NULL::bigint");
    else if (count == REST_COUNT_EXACT && !root->has_limit && root->offset == 0)
        put(s, "count(_r.*)");
    else if (count == REST_COUNT_EXACT || (count == REST_COUNT_ESTIMATED && max_rows == 0)) {
        put(s, "(SELECT count(*) FROM (");
        put_counted(s);
        put(s, ") AS _c)");
    } else if (count == REST_COUNT_ESTIMATED) {
        put(s, "(SELECT count(*) FROM (");
        put_counted(s);
        put_f(s, " LIMIT %lld) AS _c)", (long long)max_rows + 1);
    } else
        put(s, "NULL::bigint");
}

/* Refuses what an aggregate has made, when it has so many bytes.  (That it stands in the statement
 * more than once does not make it dearer.) */
static void
put_bound(struct sql *s, const char *made)
{
    const struct plan *plan = s->plan;
    const bool list = !plan->may_stream && (plan->form == PLAN_ARRAY || plan->form == PLAN_CSV ||
                                            plan->form == PLAN_GEO);

    if (plan->explain == NULL)
        put_f(s,
              "CASE WHEN pg_column_size(%s) > %d THEN platform.rest_refuse('size', "
              "pg_column_size(%s)) ELSE ",
              made, list ? LIST_MAX : PIECE_MAX, made);
}

static void
put_bound_end(struct sql *s)
{
    put(s, s->plan->explain == NULL ? " END" : "");
}

static void
put_csv(struct sql *s)
{
    static const char lines[] =
        "string_agg(substring((_r.*)::text, 2, length((_r.*)::text) - 2), E'\\n')";

    put_bound(s, lines);
    put(s,
        "(SELECT coalesce(string_agg(CASE WHEN k ~ '[\",\\n\\r]' THEN '\"' || replace(k, '\"', "
        "'\"\"') || '\"' ELSE k END, ','), '') FROM json_object_keys((SELECT row_to_json(h.*) FROM "
        "pgrst_source AS h LIMIT 1)) AS k) || E'\\n' || coalesce(");
    put_f(s, "%s, '')", lines);
    put_bound_end(s);
}

/* The value of a row that is one, else the row itself: "_r" alone would be a column of that name.
 */
static const char *
element(const struct plan *plan)
{
    return plan_is_scalar(plan) ? "_r.pgrst_scalar" : "_r.*";
}

/* What makes the body of the rows. */
static const char *
aggregate(struct sql *s)
{
    const struct plan *plan = s->plan;
    const struct cache_handler *h = plan->handler;
    struct buf b;

    if (plan->form == PLAN_GEO)
        return "json_agg(ST_AsGeoJSON(_r.*)::json)"; /* wherever PostGIS is */
    if (plan->form != PLAN_RAW)
        return arena_printf(s->a, "json_agg(%s)", element(plan));
    if (h == NULL)
        return arena_printf(s->a, "(array_agg(%s))[1]", element(plan));
    buf_init_arena(&b, s->a, TEXT_MAX);
    sql_quote(&b, str_of(h->function_schema));
    buf_add_char(&b, '.');
    sql_quote(&b, str_of(h->function_name));
    buf_printf(&b, "((%s)", element(plan));
    if (h->table != NULL) {
        buf_add_text(&b, "::");
        sql_quote(&b, str_of(h->table->schema));
        buf_add_char(&b, '.');
        sql_quote(&b, str_of(h->table->name));
    }
    buf_add_char(&b, ')');
    return b.ptr;
}

static void
put_raw(struct sql *s, const char *made)
{
    put_f(s, s->plan->is_bytes ? "encode((%s)::bytea, 'hex')" : "(%s)::text", made);
}

static void
put_json(struct sql *s, const char *made)
{
    const struct plan *plan = s->plan;

    if (plan->form == PLAN_GEO) {
        put_f(s,
              "json_build_object('type', 'FeatureCollection', 'features', coalesce(%s, '[]'))"
              "::text",
              made);
        return;
    }
    put(s, plan->form == PLAN_OBJECT ? "(" : "coalesce(");
    put_f(s, plan->stripped ? "json_strip_nulls(%s)" : "%s", made);
    put(s, plan->form == PLAN_ARRAY   ? ", '[]')::text"
           : plan->form == PLAN_VALUE ? "->0, 'null')::text"
                                      : "->0)::text");
}

static void
put_rows(struct sql *s)
{
    const struct plan *plan = s->plan;

    if (plan->streams) {
        put_f(s,
              "CASE WHEN max(octet_length(pgrst_row)) > %d THEN platform.rest_refuse('size', "
              "max(octet_length(pgrst_row))) END",
              PIECE_MAX);
        return;
    }
    if (!plan->shows_rows || plan->request->method == REST_HEAD) {
        put(s, "NULL::text");
        return;
    }
    if (plan->form == PLAN_CSV) {
        put_csv(s);
        return;
    }
    const char *made = aggregate(s);

    put_bound(s, made);
    if (plan->form == PLAN_RAW)
        put_raw(s, made);
    else
        put_json(s, made);
    put_bound_end(s);
}

static void
put_location(struct sql *s)
{
    const struct rest_request *r = s->plan->request;
    const char *const *pk = s->plan->root.table == NULL ? NULL : s->plan->root.table->pk;

    if (r->method != REST_POST || r->target != REST_TABLE || pk == NULL || pk[0] == NULL ||
        r->prefer.returns != REST_RETURN_HEADERS) {
        put(s, "NULL::text");
        return;
    }
    put(s, "CASE WHEN count(_r.*) = 1 THEN (json_agg(json_build_array(");
    for (size_t i = 0; pk[i] != NULL; i++) {
        put(s, i == 0 ? "_r." : ", _r.");
        put_name(s, str_of(pk[i]));
        put(s, "::text");
    }
    put(s, "))->0)::text END");
}

/* What is refused ends the transaction. */
static void
put_refusals(struct sql *s)
{
    const struct rest_request *r = s->plan->request;

    if (s->plan->explain != NULL)
        return;
    if (s->plan->form == PLAN_OBJECT && r->method != REST_PUT)
        put(s, ", CASE WHEN count(_r.*) <> 1 THEN platform.rest_refuse('single', count(_r.*)) END");
    if (r->method == REST_PUT)
        put(s, ", CASE WHEN count(_r.*) <> 1 THEN platform.rest_refuse('put', count(_r.*)) END");
    if (r->prefer.has_max_affected && r->prefer.handling == REST_STRICT &&
        (r->method == REST_PATCH || r->method == REST_DELETE || s->plan->routine != NULL)) {
        put(s, ", CASE WHEN count(_r.*) > ");
        put_value(s, str_of(arena_printf(s->a, "%lld", (long long)r->prefer.max_affected)));
        put(s, "::bigint THEN platform.rest_refuse('affected', count(_r.*)) END");
    }
}

/* Rows that were written, with what is embedded in them. */
static void
put_written(struct sql *s)
{
    const struct plan_level *root = &s->plan->root;

    if (!s->plan->shows_rows) {
        put(s, "SELECT * FROM pgrst_source");
        return;
    }
    s->from_source = true;
    put(s, "SELECT ");
    put_items(s, root);
    put(s, " FROM pgrst_source");
    put_joins(s, root, false);
    put_order(s, root);
    s->from_source = false;
}

/* A statement has so many parameters at most (a variadic argument is one for each value). */
static bool
fits(const struct sql *s)
{
    return !s->text.overflow && s->count <= UINT16_MAX;
}

static bool
refuse_length(struct arena *a, struct rest_error *e)
{
    return rest_fail(a, e, 400, "54000", "The request asks for too much at once");
}

static bool
put_estimate(struct arena *a, const struct plan *plan, struct sql_statement *ret,
             struct rest_error *e)
{
    struct sql s = {.a = a, .plan = plan, .estimates = true};

    buf_init_arena(&s.text, a, TEXT_MAX);
    put(&s, "EXPLAIN (FORMAT JSON) ");
    put_counted(&s);
    *ret = (struct sql_statement){.text = s.text.ptr, .params = s.params, .param_count = s.count};
    return fits(&s) || refuse_length(a, e);
}

/* Instead of the statement's rows, which of its tables are read how. */
static void
put_explain(struct sql *s, const struct rest_accept *explain)
{
    put_f(s, "EXPLAIN (FORMAT %s", explain->plan_json ? "JSON" : "TEXT");
    for (const struct rest_names *n = explain->plan_options; n != NULL; n = n->next)
        put_f(s, ", %.*s", REST_STR(n->name)); /* one of five words */
    put(s, ") ");
}

bool
sql_make(struct arena *a, const struct plan *plan, int64_t max_rows, struct sql_statement *ret,
         struct rest_error *e)
{
    struct sql s = {.a = a, .plan = plan};
    const enum rest_count count = plan->count;
    const bool is_write = plan->writes && plan->routine == NULL;

    buf_init_arena(&s.text, a, TEXT_MAX);
    if (plan->explain != NULL)
        put_explain(&s, plan->explain);
    put(&s, "WITH pgrst_source AS (");
    if (is_write)
        put_write(&s);
    else
        put_read(&s);
    if (plan->streams)
        put_f(&s,
              "), pgrst_rows AS MATERIALIZED (SELECT %srow_to_json(_r.*)%s::text AS pgrst_row FROM "
              "pgrst_source AS _r",
              plan->stripped ? "json_strip_nulls(" : "", plan->stripped ? ")" : "");
    put(&s, ") SELECT ");
    put_total(&s, max_rows);
    put(&s, ", count(_r.*), nullif(current_setting('response.headers', true), ''), "
            "nullif(current_setting('response.status', true), ''), ");
    put_rows(&s);
    put(&s, ", ");
    put_location(&s);
    put(&s,
        plan->merges ? ", nullif(current_setting('pgrst.inserted', true), '')" : ", NULL::text");
    put_refusals(&s);
    put(&s, " FROM (");
    if (is_write)
        put_written(&s);
    else
        put(&s, plan->streams ? "SELECT * FROM pgrst_rows" : "SELECT * FROM pgrst_source");
    if (is_call_counted(plan))
        put_limit(&s, &plan->root);
    put(&s, ") AS _r");
    if (plan->streams)
        put(&s, " UNION ALL SELECT NULL, NULL, NULL, NULL, pgrst_row, NULL, NULL FROM pgrst_rows");
    if (!fits(&s))
        return refuse_length(a, e);
    *ret = (struct sql_statement){.text = s.text.ptr, .params = s.params, .param_count = s.count};
    if (!is_write && plan->explain == NULL &&
        (count == REST_COUNT_PLANNED || count == REST_COUNT_ESTIMATED)) {
        ret->estimate = ARENA_NEW(a, struct sql_statement);
        return put_estimate(a, plan, ret->estimate, e);
    }
    return true;
}
