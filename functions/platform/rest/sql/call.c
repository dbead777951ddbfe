/* Functions: FROM … of what one returns, under the name of its level (rest-contract.md 2.7). */
#include "rest/sql/internal.h"

#include "base/encode.h"

/* The last value counts; a variadic one takes all of them, as an array. */
static void
put_given(struct sql *s, const struct rest_argument *all, const struct cache_argument *argument)
{
    const struct rest_argument *last = NULL;
    const char *before = "ARRAY[";

    for (const struct rest_argument *g = all; g != NULL; g = g->next) {
        if (!str_is(g->name, argument->name))
            continue;
        last = g;
        if (argument->variadic) {
            put(s, before);
            put_value(s, g->value);
            put(s, "::text");
            before = ", ";
        }
    }
    if (argument->variadic)
        put(s, "]");
    else
        put_value(s, last->value);
    put(s, "::");
    buf_add_text(&s->text, argument->type);
}

static void
put_argument(struct sql *s, const char **before, const struct cache_argument *argument)
{
    put(s, *before);
    *before = ", ";
    if (argument->variadic)
        put(s, "VARIADIC ");
    put_name(s, str_of(argument->name));
    put(s, " := ");
}

static bool
is_given(const struct rest_argument *all, const char *name)
{
    for (; all != NULL; all = all->next)
        if (str_is(all->name, name))
            return true;
    return false;
}

/* What the body names; a form's are arguments like those of a query string. */
static const struct rest_names *
body_names(const struct sql *s)
{
    const struct rest_request *r = s->plan->request;

    return r->body_type == REST_BODY_FORM || s->plan->single_argument ? NULL : r->columns;
}

static struct str
hex_of(struct arena *a, struct str bytes)
{
    char *out = arena_bytes(a, 2 * bytes.len + 1);

    hex_encode((const uint8_t *)bytes.ptr, bytes.len, out);
    return (struct str){out, 2 * bytes.len};
}

static void
put_arguments(struct sql *s)
{
    const struct cache_routine *f = s->plan->routine;
    const struct rest_request *r = s->plan->request;
    const char *before = "";

    if (s->plan->single_argument && r->body_type == REST_BODY_BYTES) {
        put(s, "decode(");
        put_value(s, hex_of(s->a, r->body)); /* no text can have a NUL */
        put(s, ", 'hex')");
        return;
    }
    if (s->plan->single_argument) {
        put_value(s, r->body);
        put(s, "::");
        buf_add_text(&s->text, f->arguments[0].type);
        return;
    }
    for (size_t i = 0; i < f->argument_count; i++) {
        if (is_given(r->arguments, f->arguments[i].name)) {
            put_argument(s, &before, &f->arguments[i]);
            put_given(s, r->arguments, &f->arguments[i]);
        }
    }
    for (const struct rest_names *n = body_names(s); n != NULL; n = n->next) {
        const struct cache_argument *argument = cache_argument(f, n->name);

        if (argument == NULL)
            continue;
        put_argument(s, &before, argument);
        put(s, "pgrst_body.");
        put_name(s, n->name);
    }
}

/* Of a body that is an array the first object. */
static void
put_body(struct sql *s)
{
    const struct cache_routine *f = s->plan->routine;
    const struct rest_request *r = s->plan->request;
    const char *before = "";

    put(s, "(SELECT ");
    put_value(s, r->body);
    put(s, "::json AS j) AS pgrst_payload, LATERAL (SELECT * FROM json_to_record(");
    put(s, r->body_is_array ? "pgrst_payload.j->0) AS _(" : "pgrst_payload.j) AS _(");
    for (const struct rest_names *n = r->columns; n != NULL; n = n->next) {
        const struct cache_argument *argument = cache_argument(f, n->name);

        if (argument == NULL)
            continue;
        put(s, before);
        before = ", ";
        put_name(s, n->name);
        put(s, " ");
        buf_add_text(&s->text, argument->type);
    }
    put(s, ") LIMIT 1) AS pgrst_body, ");
}

void
put_call(struct sql *s)
{
    const struct cache_routine *f = s->plan->routine;

    if (body_names(s) != NULL)
        put_body(s);
    if (plan_is_scalar(s->plan)) {
        put(s, "LATERAL (SELECT ");
        put_names(s, f->schema, f->name);
        put(s, "(");
        put_arguments(s);
        put(s, ") AS pgrst_scalar) AS ");
    } else {
        put(s, "LATERAL ");
        put_names(s, f->schema, f->name);
        put(s, "(");
        put_arguments(s);
        put(s, ") AS ");
    }
    put_level(s, &s->plan->root);
}
