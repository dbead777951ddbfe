/* The form of the answer (rest-contract.md 2.8), and the preferences that have to be there or not.
 */
#include "base/buf.h"
#include "rest/plan/internal.h"

bool
plan_refuse_form(struct arena *a, const struct rest_request *request, struct rest_error *e)
{
    struct buf b;

    buf_init_arena(&b, a, (size_t)64 * 1024);
    for (const struct rest_accept *t = request->accept; t != NULL; t = t->next)
        buf_printf(&b, "%s%.*s", b.len == 0 ? "" : ", ", REST_STR(t->text));
    return rest_fail(a, e, 406, "PGRST107", "None of these media types are available: %s", b.ptr);
}

/* What an execution plan is for is one of these. */
static bool
take_explained(struct planning *p, const struct rest_accept *t)
{
    static const struct {
        const char *name;
        enum plan_form form;
    } forms[] = {
        {"application/json", PLAN_ARRAY},
        {"application/vnd.pgrst.array+json", PLAN_ARRAY},
        {"application/vnd.pgrst.object+json", PLAN_OBJECT},
        {"text/csv", PLAN_CSV},
        {"*/*", PLAN_ARRAY},
    };
    static const char *const names[] = {[PLAN_ARRAY] = "application/json",
                                        [PLAN_OBJECT] = "application/vnd.pgrst.object+json",
                                        [PLAN_CSV] = "text/csv"};
    struct buf b;
    size_t i = 0;

    while (i < ARRAY_LEN(forms) && !str_is(t->plan_for, forms[i].name))
        i++;
    if (i == ARRAY_LEN(forms) || !p->limits->explains || p->plan->reveals)
        return false;
    buf_init_arena(&b, p->a, 1024);
    buf_printf(&b, "application/vnd.pgrst.plan+%s; for=\"%s\"", t->plan_json ? "json" : "text",
               names[forms[i].form]);
    for (const struct rest_names *n = t->plan_options; n != NULL; n = n->next)
        buf_printf(&b, "%s%.*s", n == t->plan_options ? "; options=" : "|", REST_STR(n->name));
    buf_add_text(&b, "; charset=utf-8");
    p->plan->form = forms[i].form;
    p->plan->explain = t;
    p->plan->media = b.ptr;
    return true;
}

/* ---- media types of one's own ---- */

/* Those that are text to the original too. */
static const char *
media_of(struct planning *p, const char *name)
{
    static const char *const texts[] = {"application/json", "application/geo+json", "text/csv",
                                        "text/plain", "text/xml"};

    if (strcmp(name, "*/*") == 0)
        return "application/octet-stream";
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (strcmp(name, texts[i]) == 0)
            return arena_printf(p->a, "%s; charset=utf-8", name);
    return name;
}

/* Handlers of a table take whole rows, as they are. */
static bool
selects_all(const struct plan *plan)
{
    const struct rest_item *item = plan->request->select;

    return item->kind == REST_STAR && item->next == NULL;
}

static const struct cache_handler *
find_handler(const struct cache *c, const struct cache_table *table, struct str media)
{
    for (size_t i = 0; i < c->handler_count; i++)
        if (c->handlers[i].table == table && str_is(media, c->handlers[i].media))
            return &c->handlers[i];
    return NULL;
}

/* What makes this type of the target: its own first, above all one for every type, then one for
 * rows of any kind. */
static bool
take_own(struct planning *p, struct str name)
{
    static const struct str any = {"*/*", 3};
    struct plan *plan = p->plan;
    const struct cache_routine *f = plan->routine;
    const struct cache_table *table = plan->root.table;
    const struct cache_handler *found = NULL;

    if (plan->reveals)
        return false; /* what is sealed is opened in JSON */
    if (table != NULL && selects_all(plan)) {
        found = find_handler(plan->cache, table, any);
        if (found == NULL)
            found = find_handler(plan->cache, table, name);
    }
    if (found == NULL && f != NULL && f->return_domain != NULL &&
        (str_is(any, f->return_domain) || str_is(name, f->return_domain))) {
        plan->media = media_of(p, f->return_domain);
        plan->is_bytes = f->is_bytes;
    } else {
        if (found == NULL)
            found = find_handler(plan->cache, NULL, name);
        if (found == NULL)
            return false;
        plan->handler = found;
        plan->media = media_of(p, found->media);
        plan->is_bytes = found->is_bytes;
    }
    plan->form = PLAN_RAW;
    return true;
}

static void
set_form(struct plan *plan, enum plan_form form, const char *media)
{
    plan->form = form;
    plan->media = media;
}

static bool
take_form(struct planning *p, const struct rest_accept *t)
{
    struct plan *plan = p->plan;

    plan->stripped = t->media == REST_JSON_STRIPPED || t->media == REST_OBJECT_STRIPPED;
    switch (t->media) {
    case REST_ANY_TYPE:
    case REST_JSON:
        if (!take_own(p, t->media == REST_JSON ? STR("application/json") : STR("*/*")))
            set_form(plan, PLAN_ARRAY, "application/json; charset=utf-8");
        return true;
    case REST_JSON_STRIPPED:
        set_form(plan, PLAN_ARRAY,
                 "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8");
        return true;
    case REST_OBJECT:
        set_form(plan, PLAN_OBJECT, "application/vnd.pgrst.object+json; charset=utf-8");
        return true;
    case REST_OBJECT_STRIPPED:
        set_form(plan, PLAN_OBJECT,
                 "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8");
        return true;
    case REST_CSV:
        if (!take_own(p, t->name))
            set_form(plan, PLAN_CSV, "text/csv; charset=utf-8");
        return true;
    case REST_OTHER:
        if (take_own(p, t->name))
            return true;
        if (!str_is(t->name, "application/geo+json") || plan->reveals)
            return false;
        set_form(plan, PLAN_GEO, "application/geo+json; charset=utf-8");
        return true;
    case REST_PLAN:
        return take_explained(p, t);
    case REST_OPENAPI:
    default:
        return false;
    }
}

bool
plan_choose_form(struct planning *p)
{
    struct plan *plan = p->plan;
    const struct rest_request *r = plan->request;
    const struct cache_routine *f = plan->routine;
    const struct rest_accept *t = r->accept;

    plan->shows_rows = f != NULL || r->method == REST_GET || r->method == REST_HEAD ||
                       r->prefer.returns == REST_RETURN_ROWS;
    while (t != NULL && (!take_form(p, t) || (plan->form == PLAN_CSV && plan->reveals)))
        t = t->next; /* (what is sealed is opened in JSON) */
    if (t == NULL)
        return plan_refuse_form(p->a, r, p->e);
    if (f != NULL && !f->is_set &&
        (plan->form == PLAN_ARRAY || (plan->form == PLAN_OBJECT && f->returns == CACHE_SCALAR)))
        plan->form = PLAN_VALUE;
    return true;
}

/* Whether a column that is a key by itself has to have one value: then there is one row at most. */
static bool
by_key(const struct plan_level *root)
{
    for (const struct rest_condition *c = root->place == NULL ? NULL : root->place->where;
         c != NULL; c = c->next) {
        const struct rest_filter *f = &c->filter;
        const struct cache_column *column;

        if (c->kind != REST_FILTER || f->op != REST_EQ || f->negated ||
            f->quantifier != REST_PLAIN || f->field.path != NULL)
            continue;
        column = cache_column(root->table, f->field.name);
        if (column != NULL && column->unique)
            return true;
    }
    return false;
}

/* Above so many rows an answer is not held: they are sent on as they come. */
#define HELD_ROWS 100

void
plan_choose_way(struct plan *plan)
{
    const struct rest_request *r = plan->request;

    plan->may_stream = r->target == REST_TABLE && r->method == REST_GET &&
                       plan->form == PLAN_ARRAY && !plan->reveals && plan->explain == NULL;
    plan->streams = plan->may_stream && !by_key(&plan->root) &&
                    (!plan->root.has_limit || plan->root.limit > HELD_ROWS);
}

/* Of strict handling. */
bool
plan_check_preferences(struct planning *p)
{
    const struct rest_prefer *prefer = &p->plan->request->prefer;
    struct buf b;

    if (prefer->handling != REST_STRICT || prefer->unknown == NULL)
        return true;
    buf_init_arena(&b, p->a, (size_t)64 * 1024);
    for (const struct rest_names *n = prefer->unknown; n != NULL; n = n->next)
        buf_printf(&b, "%s%.*s", b.len == 0 ? "" : ", ", REST_STR(n->name));
    (void)rest_fail(p->a, p->e, 400, "PGRST122", "Invalid preferences given with handling=strict");
    p->e->details = arena_printf(p->a, "Invalid preferences: %s", b.ptr);
    return false;
}

bool
plan_check_max_affected(struct planning *p)
{
    const struct plan *plan = p->plan;
    const struct rest_prefer *prefer = &plan->request->prefer;

    if (plan->routine == NULL || plan->routine->is_set || prefer->handling != REST_STRICT ||
        !prefer->has_max_affected)
        return true;
    return rest_fail(p->a, p->e, 400, "PGRST128",
                     "Function must return SETOF or TABLE when max-affected preference is used "
                     "with handling=strict");
}
