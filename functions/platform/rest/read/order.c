/* order, columns, on_conflict. */
#include "rest/read/internal.h"

static bool
term_ends(struct rest_reader *r)
{
    size_t at = r->at;

    while (at < r->text.len && (r->text.ptr[at] == ' ' || r->text.ptr[at] == '\t'))
        at++;
    if (at == r->text.len || r->text.ptr[at] == ',') {
        reader_take(r, at - r->at);
        return true;
    }
    (void)reader_sees(r, ",");
    (void)reader_end(r);
    return false;
}

/* ".first", ".second" or nothing: 1, 2, 0. */
static int
read_word(struct rest_reader *r, const char *first, const char *second)
{
    const char *const words[] = {first, second};
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    for (int i = 0; i < 2; i++) {
        if (reader_delimiter(r) && reader_token(r, words[i]))
            return i + 1;
        reader_retry(r, start, &before);
    }
    return 0;
}

static bool
read_end(struct rest_reader *r, struct rest_order *ret)
{
    static const enum rest_direction directions[] = {REST_DIRECTION_USUAL, REST_ASC, REST_DESC};
    static const enum rest_nulls nulls[] = {REST_NULLS_USUAL, REST_NULLS_FIRST, REST_NULLS_LAST};

    ret->direction = directions[read_word(r, "asc", "desc")];
    ret->nulls = nulls[read_word(r, "nullsfirst", "nullslast")];
    return term_ends(r);
}

static bool
read_related(struct rest_reader *r, struct rest_order *ret)
{
    return reader_name(r, &ret->relation) && reader_token(r, "(") && reader_field(r, &ret->field) &&
           reader_token(r, ")") && read_end(r, ret);
}

static bool
read_term(struct rest_reader *r, struct rest_order *ret)
{
    reader_blanks(r);
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    if (read_related(r, ret))
        return true;
    reader_retry(r, start, &before);
    *ret = (struct rest_order){.relation = STR("")};
    if (reader_field(r, &ret->field) && read_end(r, ret))
        return true;
    if (r->at == start)
        reader_retry(r, start, &before);
    return false;
}

bool
rest_order_read(struct arena *a, struct str text, struct rest_order **ret, struct rest_error *e)
{
    struct rest_reader r = reader_of(a, e, "order", text);
    struct rest_order **tail = ret;

    do {
        *tail = ARENA_NEW(a, struct rest_order);
        if (!read_term(&r, *tail))
            return reader_fail(&r);
        tail = &(*tail)->next;
    } while (reader_token(&r, ","));
    return true;
}

/* ---- names ---- */

void
rest_names_add(struct arena *a, struct rest_names ***tail, struct str name)
{
    struct rest_names *n = ARENA_NEW(a, struct rest_names);

    n->name = name;
    **tail = n;
    *tail = &n->next;
}

bool
rest_names_read(struct arena *a, const char *what, struct str text, struct rest_names **ret,
                struct rest_error *e)
{
    struct rest_reader r = reader_of(a, e, what, text);
    struct rest_names **tail = ret;

    *ret = NULL;
    do {
        struct str name;

        reader_blanks(&r);
        if (!reader_name(&r, &name))
            return reader_fail(&r);
        rest_names_add(a, &tail, name);
        reader_blanks(&r);
    } while (reader_token(&r, ","));
    return true;
}

static int
name_order(const void *a, const void *b)
{
    const struct str x = (*(struct rest_names *const *)a)->name;
    const struct str y = (*(struct rest_names *const *)b)->name;
    const int order = x.len == 0 || y.len == 0 ? 0 : memcmp(x.ptr, y.ptr, MIN(x.len, y.len));

    if (order != 0)
        return order;
    return x.len < y.len ? -1 : x.len > y.len;
}

struct rest_names *
rest_names_sort(struct arena *a, struct rest_names *names)
{
    struct rest_names *first = NULL, **tail = &first;
    size_t count = 0, i = 0;

    for (const struct rest_names *n = names; n != NULL; n = n->next)
        count++;
    struct rest_names **list = ARENA_ARRAY(a, struct rest_names *, MAX(count, 1));
    for (struct rest_names *n = names; n != NULL; n = n->next)
        list[i++] = n;
    qsort(list, count, sizeof(list[0]), name_order);
    for (i = 0; i < count; i++) {
        if (i > 0 && str_eq(list[i]->name, list[i - 1]->name))
            continue;
        *tail = list[i];
        tail = &list[i]->next;
    }
    *tail = NULL;
    return first;
}
