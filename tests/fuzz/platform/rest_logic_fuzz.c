/*
 * and, or, not: "what is before or\nvalue", as "rel.not.\n(a.eq.1,b.is.null)".  A tree that is
 * written out again is the same tree, and with a "not" before it, alone or in another one, the same
 * but for that.
 */
#include "rest_again.h"

static bool
read_pair(struct arena *a, struct str key, const char *before, struct str value, const char *after,
          struct rest_request *ret)
{
    struct net_request http = {.method = STR("GET"), .path = STR("/t")};
    struct rest_error e;
    struct buf query;

    buf_init_arena(&query, a, TEXT_MAX);
    percent_encode(&query, key);
    buf_add_text(&query, before);
    percent_encode(&query, value);
    buf_add_text(&query, after);
    http.query = buf_str(&query);
    return check_read(a, &http, ret, &e);
}

static struct str
written(struct arena *a, const struct rest_condition *c)
{
    struct buf out;

    buf_init_arena(&out, a, TEXT_MAX);
    put_tree(a, &out, c);
    MUST(!out.overflow);
    return buf_str(&out);
}

static void
check_negated(struct arena *a, struct str value)
{
    struct rest_request plain, negated, inner;

    if (!read_pair(a, STR(""), "or=", value, "", &plain) ||
        plain.places->where->kind ==
            REST_FILTER) /* or=1.eq.2 is the filter or1.eq.2, as in the original */
        return;
    MUST(read_pair(a, STR(""), "not.or=", value, "", &negated));
    const struct rest_condition *x = plain.places->where, *y = negated.places->where;
    MUST(!x->negated && y->negated && x->kind == REST_OR && y->kind == REST_OR);
    MUST(str_eq(written(a, x->inside), written(a, y->inside)));
    /* In another tree what is behind the last parenthesis is not dropped, and one level is less. */
    if (read_pair(a, STR(""), "and=(not.or", value, ")", &inner)) {
        const struct rest_condition *z = inner.places->where->inside;

        MUST(z->negated && z->kind == REST_OR);
        MUST(str_eq(written(a, x->inside), written(a, z->inside)));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_MAX);
    struct str value = {(const char *)data, size};
    const struct str key = check_cut(&value, '\n');
    struct rest_request request;

    if (read_pair(a, key, "or=", value, "", &request))
        check_same_conditions(a, &request);
    check_negated(a, value);
    arena_free(a);
    return 0;
}
