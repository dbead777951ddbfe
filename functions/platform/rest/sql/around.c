/*
 * The whole statement: WITH pgrst_source AS (…) SELECT the seven columns of enum sql_column; of
 * what is streamed there is a row behind it for each of its rows, in SQL_BODY.  What must not be
 * committed is refused in it: a write of other than one row where one is asked for, or
 * of more rows than the client allows.
 */
#include "rest/sql/internal.h"

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

static void
put_csv(struct sql *s)
{
    put(s,
        "(SELECT coalesce(string_agg(CASE WHEN k ~ '[\",\\n\\r]' THEN '\"' || replace(k, '\"', "
        "'\"\"') || '\"' ELSE k END, ','), '') FROM json_object_keys((SELECT row_to_json(h.*) FROM "
        "pgrst_source AS h LIMIT 1)) AS k) || E'\\n' || "
        "coalesce(string_agg(substring((_r.*)::text, 2, length((_r.*)::text) - 2), E'\\n'), '')");
}

/* The value of a row that is one, else the row itself: "_r" alone would be a column of that name.
 */
static const char *
element(const struct plan *plan)
{
    return plan_is_scalar(plan) ? "_r.pgrst_scalar" : "_r.*";
}

static void
put_raw(struct sql *s)
{
    const struct cache_handler *h = s->plan->handler;

    put(s, s->plan->is_bytes ? "encode((" : "(");
    if (h != NULL) {
        put_names(s, h->function_schema, h->function_name);
        put_f(s, "((%s)", element(s->plan));
        if (h->table != NULL) {
            put(s, "::");
            put_names(s, h->table->schema, h->table->name);
        }
        put(s, ")");
    } else {
        put_f(s, "(array_agg(%s))[1]", element(s->plan));
    }
    put(s, s->plan->is_bytes ? ")::bytea, 'hex')" : ")::text");
}

static void
put_rows(struct sql *s)
{
    const struct plan *plan = s->plan;

    if (!plan->shows_rows || plan->streams || plan->request->method == REST_HEAD) {
        put(s, "NULL::text");
        return;
    }
    if (plan->form == PLAN_CSV) {
        put_csv(s);
        return;
    }
    if (plan->form == PLAN_RAW) {
        put_raw(s);
        return;
    }
    put(s, plan->form == PLAN_OBJECT ? "(" : "coalesce(");
    if (plan->stripped)
        put(s, "json_strip_nulls(");
    put_f(s, "json_agg(%s)", element(plan));
    if (plan->stripped)
        put(s, ")");
    put(s, plan->form == PLAN_ARRAY   ? ", '[]')::text"
           : plan->form == PLAN_VALUE ? "->0, 'null')::text"
                                      : "->0)::text");
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
        put(&s, "SELECT * FROM pgrst_source");
    if (is_call_counted(plan))
        put_limit(&s, &plan->root);
    put(&s, ") AS _r");
    if (plan->streams)
        put_f(&s,
              " UNION ALL SELECT NULL, NULL, NULL, NULL, %srow_to_json(_r.*)%s::text, NULL, NULL "
              "FROM pgrst_source AS _r",
              plan->stripped ? "json_strip_nulls(" : "", plan->stripped ? ")" : "");
    if (!fits(&s))
        return refuse_length(a, e);
    *ret = (struct sql_statement){.text = s.text.ptr, .params = s.params, .param_count = s.count};
    if (!is_write && plan->explain == NULL &&
        (count == REST_COUNT_PLANNED || (count == REST_COUNT_ESTIMATED && max_rows > 0))) {
        ret->estimate = ARENA_NEW(a, struct sql_statement);
        return put_estimate(a, plan, ret->estimate, e);
    }
    return true;
}
