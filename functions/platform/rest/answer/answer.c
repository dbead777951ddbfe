/* Statuses and headers of what went well (supabase-contract.md C4, rest-contract.md 2.4). */
#include "rest/answer/answer.h"

#include "base/encode.h"
#include "base/number.h"
#include "base/text.h"
#include "json/tree.h"
#include "net/header.h"

#define TEXT_MAX ((size_t)64 * 1024)

static bool
is_read(const struct plan *plan)
{
    return plan->routine != NULL || plan->request->method == REST_GET ||
           plan->request->method == REST_HEAD;
}

/* ---- ranges ---- */

static bool
check_range(struct arena *a, const struct plan *plan, const struct answer_result *r,
            struct rest_error *e)
{
    if (!r->has_total || plan->root.offset <= r->total || plan->root.offset == 0)
        return true;
    (void)rest_fail(a, e, 416, "PGRST103", "Requested range not satisfiable");
    e->details = arena_printf(a, "An offset of %lld was requested, but there are only %lld rows.",
                              (long long)plan->root.offset, (long long)r->total);
    e->range = arena_printf(a, "*/%lld", (long long)r->total);
    return false;
}

static const char *
content_range(struct arena *a, const struct plan *plan, const struct answer_result *r)
{
    const enum rest_method method = plan->request->method;
    const bool ranged = is_read(plan) || method == REST_PATCH;
    const bool counts = plan->request->prefer.count == REST_COUNT_EXACT ||
                        plan->request->prefer.count == REST_COUNT_ESTIMATED;
    const int64_t total = is_read(plan) ? r->total : r->page;
    const bool has_total = is_read(plan) ? r->has_total : counts;
    const char *of = has_total ? arena_printf(a, "%lld", (long long)total) : "*";

    if (!ranged || r->page == 0 || (has_total && total == 0))
        return arena_printf(a, "*/%s", of);
    const int64_t from = is_read(plan) ? plan->root.offset : 0;
    return arena_printf(a, "%lld-%lld/%s", (long long)from, (long long)(from + r->page - 1), of);
}

/* ---- status ---- */

static int
status_of_write(const struct plan *plan, const struct answer_result *r)
{
    const struct rest_request *req = plan->request;

    switch (req->method) {
    case REST_POST:
        return plan->merges && r->inserted <= 0 ? 200 : 201;
    case REST_PUT:
        return !plan->shows_rows ? 204 : r->inserted > 0 ? 201 : 200;
    case REST_PATCH:
    case REST_DELETE:
    case REST_GET:
    case REST_HEAD:
    case REST_OPTIONS:
    default:
        return plan->shows_rows ? 200 : 204;
    }
}

static int
status_of(const struct plan *plan, const struct answer_result *r)
{
    if (plan->routine != NULL && plan->routine->is_void)
        return 204;
    if (!is_read(plan))
        return status_of_write(plan, r);
    return r->has_total && r->page < r->total ? 206 : 200;
}

/* ---- what functions set ---- */

static bool
take_headers(struct fn_req *req, struct fn_res *res, const char *text, struct rest_error *e)
{
    struct arena *a = req->task->arena;
    const struct json *list, *value;
    bool good = json_parse(a, NULL, str_of(text), &list) == ERR_OK && json_type(list) == JSON_ARRAY;

    for (const struct json *h = good ? json_first(list) : NULL; h != NULL && good;
         h = json_next(h)) {
        good = json_type(h) == JSON_OBJECT && json_count(h) == 1;
        value = good ? json_first(h) : NULL;
        good = good && json_type(value) == JSON_STRING && header_value_ok(json_text(value));
        if (good && str_ieq(json_key(value), STR("content-type")))
            res->content_type = arena_copy(a, json_text(value));
        else if (good)
            fn_header_set(req, res, arena_copy(a, json_key(value)),
                          arena_copy(a, json_text(value)));
    }
    return good ||
           rest_fail(a, e, 500, "PGRST111",
                     "response.headers guc must be a JSON array composed of objects with a single "
                     "key and a string value");
}

static bool
take_status(struct arena *a, const char *text, int *status, struct rest_error *e)
{
    int64_t n = 0;

    if (!number_i64(str_of(text), &n) || n < 100 || n > 599)
        return rest_fail(a, e, 500, "PGRST112", "response.status guc must be a valid status code");
    *status = (int)n;
    return true;
}

/* ---- preferences ---- */

static void
add_word(struct buf *b, const char *word)
{
    buf_printf(b, "%s%s", b->len == 0 ? "" : ", ", word);
}

static void
write_applied(struct fn_req *req, struct fn_res *res, const struct plan *plan)
{
    static const char *const returns[] = {NULL, "return=minimal", "return=headers-only",
                                          "return=representation"};
    static const char *const counts[] = {NULL, "count=exact", "count=planned", "count=estimated"};
    const struct rest_request *r = plan->request;
    const struct rest_prefer *p = &r->prefer;
    const bool is_write = !is_read(plan);
    struct buf b;

    buf_init_arena(&b, req->task->arena, TEXT_MAX);
    if (r->method == REST_POST && (plan->merges || plan->ignores))
        add_word(&b, plan->merges ? "resolution=merge-duplicates" : "resolution=ignore-duplicates");
    if ((p->missing_default || p->missing_null) &&
        (r->method == REST_POST || r->method == REST_PATCH) && is_write)
        add_word(&b, p->missing_default ? "missing=default" : "missing=null");
    if (is_write && p->returns != REST_RETURN_NONE)
        add_word(&b, returns[p->returns]);
    if (p->count != REST_COUNT_NONE)
        add_word(&b, counts[p->count]);
    if (p->tx != REST_TX_NONE)
        add_word(&b, p->tx == REST_TX_COMMIT ? "tx=commit" : "tx=rollback");
    if (p->handling != REST_HANDLING_NONE)
        add_word(&b, p->handling == REST_STRICT ? "handling=strict" : "handling=lenient");
    if (p->timezone.len > 0)
        add_word(&b, arena_printf(req->task->arena, "timezone=%.*s", REST_STR(p->timezone)));
    if (p->has_max_affected && p->handling == REST_STRICT)
        add_word(&b,
                 arena_printf(req->task->arena, "max-affected=%lld", (long long)p->max_affected));
    if (b.len > 0)
        fn_header_set(req, res, "Preference-Applied", b.ptr);
}

/* ---- where it is ---- */

static void
write_location(struct fn_req *req, struct fn_res *res, const struct plan *plan,
               const struct answer_result *r)
{
    struct arena *a = req->task->arena;
    const char *const *pk = plan->root.table->pk;
    const struct json *key;
    struct buf b;

    if (r->location == NULL || json_parse(a, NULL, str_of(r->location), &key) != ERR_OK)
        return;
    buf_init_arena(&b, a, TEXT_MAX);
    buf_add_char(&b, '/');
    percent_encode(&b, str_of(plan->root.table->name));
    for (const struct json *v = json_first(key); v != NULL && *pk != NULL; v = json_next(v), pk++) {
        buf_add_char(&b, pk == plan->root.table->pk ? '?' : '&');
        percent_encode(&b, str_of(*pk));
        buf_add_text(&b, "=eq.");
        percent_encode(&b, json_text(v));
    }
    fn_header_set(req, res, "Location", b.ptr);
}

static void
write_places(struct fn_req *req, struct fn_res *res, const struct plan *plan)
{
    const struct rest_request *r = plan->request;
    struct arena *a = req->task->arena;

    if (r->target == REST_TABLE && (r->method == REST_GET || r->method == REST_HEAD)) {
        struct buf b;
        buf_init_arena(&b, a, TEXT_MAX);
        buf_add_char(&b, '/');
        percent_encode(&b, r->name);
        buf_add_text(&b, r->canonical_query.len > 0 ? "?" : "");
        buf_add_str(&b, r->canonical_query);
        if (!b.overflow)
            fn_header_set(req, res, "Content-Location", b.ptr);
    }
    if (r->schema_said && plan->shows_rows)
        fn_header_set(req, res, "Content-Profile", arena_copy(a, r->schema));
}

static void
add_quoted(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_add_char(b, '\\');
        buf_add_char(b, text.ptr[i]);
    }
}

/* `relation` to `alias`, of each level that was named by the first. */
static void
add_legacy(struct buf *b, const struct plan_level *level)
{
    for (const struct plan_level *l = level->embeds; l != NULL; l = l->next) {
        if (l->by_relation) {
            buf_add_text(b, b->len == 0 ? "`" : ", `");
            add_quoted(b, l->asked->relation);
            buf_add_text(b, "` to `");
            add_quoted(b, l->name);
            buf_add_char(b, '`');
        }
        add_legacy(b, l);
    }
}

static void
write_warning(struct fn_req *req, struct fn_res *res, const struct plan *plan)
{
    struct buf b;

    buf_init_arena(&b, req->task->arena, TEXT_MAX);
    add_legacy(&b, &plan->root);
    if (b.len > 0)
        fn_header_set(req, res, "Warning",
                      arena_printf(req->task->arena,
                                   "299 PostgREST \"Embedded resource was referenced by relation "
                                   "name even though it has an alias. This is deprecated and will "
                                   "stop working in a future release. Update %s in query string "
                                   "filters, orders or limits.\"",
                                   b.ptr));
}

/* It is the whole answer: nothing is said of rows. */
static void
write_explained(struct fn_req *req, struct fn_res *res, const struct plan *plan,
                const struct answer_result *result)
{
    const struct rest_request *r = plan->request;

    fn_body(res, 200, plan->media, result->body);
    if (r->schema_said)
        fn_header_set(req, res, "Content-Profile", arena_copy(req->task->arena, r->schema));
    write_warning(req, res, plan);
    fn_header_set(req, res, "Vary", "Accept, Prefer, Range");
}

bool
answer_write(struct fn_req *req, struct fn_res *res, const struct plan *plan,
             const struct answer_result *result, struct rest_error *e)
{
    struct arena *a = req->task->arena;
    int status = status_of(plan, result);

    if (plan->explain != NULL) {
        write_explained(req, res, plan, result);
        return true;
    }
    if (is_read(plan))
        REST_TRY(check_range(a, plan, result, e));
    if (result->status != NULL)
        REST_TRY(take_status(a, result->status, &status, e));
    if (result->body.ptr != NULL && status != 204)
        fn_body(res, status, plan->media, result->body);
    else
        fn_body(res, status, plan->shows_rows && status != 204 ? plan->media : NULL, STR(""));
    if (plan->request->method != REST_PUT)
        fn_header_set(req, res, "Content-Range", content_range(a, plan, result));
    write_places(req, res, plan);
    write_applied(req, res, plan);
    if (plan->request->target == REST_TABLE)
        write_location(req, res, plan, result);
    write_warning(req, res, plan);
    fn_header_set(req, res, "Vary", "Accept, Prefer, Range");
    return result->headers == NULL || take_headers(req, res, result->headers, e);
}

/* ---- OPTIONS ---- */

static const char *
allowed(struct arena *a, const struct plan *plan)
{
    if (plan == NULL)
        return "OPTIONS,GET,HEAD";
    if (plan->routine != NULL)
        return plan->routine->volatility == CACHE_VOLATILE ? "OPTIONS,POST"
                                                           : "OPTIONS,GET,HEAD,POST";
    const struct cache_table *t = plan->root.table;
    return arena_printf(a, "OPTIONS,GET,HEAD%s%s%s%s", t->insertable ? ",POST" : "",
                        t->insertable && t->updatable && (t->pk[0] != NULL || t->is_view) ? ",PUT"
                                                                                          : "",
                        t->updatable ? ",PATCH" : "", t->deletable ? ",DELETE" : "");
}

void
answer_options(struct fn_req *req, struct fn_res *res, const struct plan *plan)
{
    fn_body(res, 200, NULL, STR(""));
    fn_header_set(req, res, "Allow", allowed(req->task->arena, plan));
}
