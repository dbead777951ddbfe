/*
 * and, or, not: trees of filters.
 *
 * The parameter or=(…) is read as the text or(…), which is what an inner one looks like.
 */
#include "rest/read/internal.h"

static bool
read_leaf(struct rest_reader *r, struct rest_condition *ret)
{
    ret->kind = REST_FILTER;
    return reader_field(r, &ret->filter.field) && reader_delimiter(r) &&
           reader_operation(r, true, &ret->filter);
}

/* [not.]and or [not.]or */
static bool
read_head(struct rest_reader *r, struct rest_condition *ret)
{
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    *ret = (struct rest_condition){.kind = REST_AND};
    r->fault.any = false;
    ret->negated = reader_token(r, "not") && reader_delimiter(r);
    if (!ret->negated) {
        reader_relabel(r, "negation operator (not)");
        reader_retry(r, start, &before);
    }
    before = r->fault;
    r->fault.any = false;
    if (reader_token(r, "and"))
        return true;
    ret->kind = REST_OR;
    if (reader_token(r, "or"))
        return true;
    reader_relabel(r, "logic operator (and, or)");
    reader_retry(r, r->at, &before);
    return false;
}

static bool read_tree(struct rest_reader *r, struct rest_condition *ret);

static bool
read_list(struct rest_reader *r, struct rest_condition **tail)
{
    reader_blanks(r);
    REST_TRY(reader_token(r, "("));
    REST_TRY(reader_enter(r));
    do {
        reader_blanks(r);
        *tail = ARENA_NEW(r->a, struct rest_condition);
        REST_TRY(read_tree(r, *tail));
        tail = &(*tail)->next;
        reader_blanks(r);
    } while (reader_token(r, ","));
    REST_TRY(reader_token(r, ")"));
    reader_blanks(r);
    r->depth--;
    return true;
}

static bool
read_tree(struct rest_reader *r, struct rest_condition *ret)
{
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    if (read_leaf(r, ret))
        return true;
    reader_retry(r, start, &before);
    return read_head(r, ret) && read_list(r, &ret->inside);
}

/* A name, or the word "not" (without quotes). */
static bool
read_name_or_not(struct rest_reader *r, struct str *ret, bool *ret_not)
{
    const bool quoted = reader_peek(r) == '"';

    REST_TRY(reader_name(r, ret));
    *ret_not = !quoted && str_is(*ret, "not");
    return true;
}

/* "rel.not.or": the names before the last, but no "not", which may stand anywhere. */
static bool
read_logic_path(struct rest_reader *r, struct rest_names **tail, bool *ret_not, struct str *ret_op)
{
    bool is_not;

    REST_TRY(read_name_or_not(r, ret_op, &is_not));
    *ret_not = is_not;
    while (reader_delimiter(r)) {
        if (!is_not)
            rest_names_add(r->a, &tail, *ret_op);
        REST_TRY(read_name_or_not(r, ret_op, &is_not));
        *ret_not = *ret_not || is_not;
    }
    return true;
}

bool
rest_logic_read(struct arena *a, struct str key, struct str text, struct rest_names **ret_path,
                struct rest_condition **ret, struct rest_error *e)
{
    struct rest_reader path = reader_of(a, e, "logic path", key);
    struct str op = STR("");
    bool negated = false;
    struct buf whole;

    *ret_path = NULL;
    if (!read_logic_path(&path, ret_path, &negated, &op))
        return reader_fail(&path);
    buf_init_arena(&whole, a, op.len + text.len + 8);
    buf_add_text(&whole, negated ? "not." : "");
    buf_add_str(&whole, op);
    buf_add_str(&whole, text);
    struct rest_reader r = reader_of(a, e, "logic tree", buf_str(&whole));
    r.shown = text;
    *ret = ARENA_NEW(a, struct rest_condition);
    return read_tree(&r, *ret) || reader_fail(&r);
}
