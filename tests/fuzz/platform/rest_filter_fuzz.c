/*
 * A filter of a column: "key\nvalue".  Written out again it is the same; inside of and=(…) it is
 * the same, too; and of a function's parameter it is one, or else an argument as it was sent.
 */
#include "rest_again.h"

static bool
read_pair(struct arena *a, struct str path, struct str key, struct str value,
          struct rest_request *ret)
{
    struct net_request http = {.method = STR("GET"), .path = path};
    struct buf query;
    struct rest_error e;

    buf_init_arena(&query, a, TEXT_MAX);
    percent_encode(&query, key);
    buf_add_char(&query, '=');
    percent_encode(&query, value);
    http.query = buf_str(&query);
    return check_read(a, &http, ret, &e);
}

/* The one filter of the table itself; NULL: it is none. */
static const struct rest_filter *
filter_of(const struct rest_request *r)
{
    const struct rest_condition *c = r->places->where;

    return c == NULL || c->kind != REST_FILTER ? NULL : &c->filter;
}

static struct str
written(struct arena *a, const struct rest_filter *f)
{
    struct buf out;

    buf_init_arena(&out, a, TEXT_MAX);
    put_field(&out, &f->field);
    buf_add_char(&out, '.');
    put_operation(a, &out, f, true);
    MUST(!out.overflow);
    return buf_str(&out);
}

static void
check_in_tree(struct arena *a, const struct rest_filter *f)
{
    const struct str text = written(a, f);
    struct rest_request request;
    struct buf tree;

    buf_init_arena(&tree, a, TEXT_MAX);
    buf_add_char(&tree, '(');
    buf_add_str(&tree, text);
    buf_add_char(&tree, ')');
    MUST(read_pair(a, STR("/t"), STR("and"), buf_str(&tree), &request));
    const struct rest_condition *c = request.places->where;
    MUST(c->kind == REST_AND && c->inside->kind == REST_FILTER && c->inside->next == NULL);
    MUST(str_eq(written(a, &c->inside->filter), text));
}

static void
check_call(struct arena *a, struct str key, struct str value, const struct rest_filter *f)
{
    struct rest_request request;

    if (!read_pair(a, STR("/rpc/f"), key, value, &request)) {
        MUST(f == NULL);
        return;
    }
    const struct rest_filter *called = filter_of(&request);
    if (f != NULL)
        MUST(called != NULL && str_eq(written(a, called), written(a, f)));
    else if (request.arguments != NULL)
        MUST(str_eq(request.arguments->value, value) && request.arguments->next == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_MAX);
    struct str value = {(const char *)data, size};
    const struct str key = check_cut(&value, '\n');
    const struct rest_filter *f = NULL;
    struct rest_request request;

    if (read_pair(a, STR("/t"), key, value, &request)) {
        f = filter_of(&request);
        check_same_conditions(a, &request);
        if (f != NULL)
            check_in_tree(a, f);
        if (f != NULL || request.places->next == NULL)
            check_call(a, key, value, f);
    } else {
        check_call(a, key, value, NULL);
    }
    arena_free(a);
    return 0;
}
