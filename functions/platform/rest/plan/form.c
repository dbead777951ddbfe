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

static bool
take_form(struct planning *p, const struct rest_accept *t)
{
    struct plan *plan = p->plan;

    switch (t->media) {
    case REST_ANY_TYPE:
    case REST_JSON:
    case REST_JSON_STRIPPED:
        plan->form = PLAN_ARRAY;
        plan->stripped = t->media == REST_JSON_STRIPPED;
        plan->media = plan->stripped
                          ? "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"
                          : "application/json; charset=utf-8";
        return true;
    case REST_OBJECT:
    case REST_OBJECT_STRIPPED:
        plan->form = PLAN_OBJECT;
        plan->stripped = t->media == REST_OBJECT_STRIPPED;
        plan->media = plan->stripped
                          ? "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"
                          : "application/vnd.pgrst.object+json; charset=utf-8";
        return true;
    case REST_CSV:
        plan->form = PLAN_CSV;
        plan->media = "text/csv; charset=utf-8";
        return true;
    case REST_OTHER:
        plan->media = plan->routine == NULL || plan->routine->return_domain == NULL
                          ? NULL
                          : plan->routine->return_domain;
        plan->form = PLAN_RAW;
        return plan->media != NULL && str_is(t->name, plan->media);
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
    if (f != NULL && !f->is_set && f->returns != CACHE_TABLE_OF_OUT &&
        (plan->form == PLAN_ARRAY || (plan->form == PLAN_OBJECT && f->returns == CACHE_SCALAR)))
        plan->form = PLAN_VALUE;
    return true;
}

/* Above so many rows an answer is not held: they are sent on as they come. */
#define HELD_ROWS 100

void
plan_choose_way(struct plan *plan)
{
    const struct rest_request *r = plan->request;

    plan->streams = r->target == REST_TABLE && r->method == REST_GET && plan->form == PLAN_ARRAY &&
                    !plan->reveals && plan->explain == NULL &&
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
