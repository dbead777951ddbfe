/*
 * select: columns, aggregates, and what is embedded.
 *
 * An item is tried as a spread, as an embed, as a column, as the original does; only the head of
 * an embed is tried, so that what is inside is read once.
 */
#include "rest/read/internal.h"

static bool read_items(struct rest_reader *r, struct rest_item **ret);

/* ":", but not the "::" of a cast. */
static bool
alias_separator(struct rest_reader *r)
{
    REST_TRY(reader_token(r, ":"));
    if (reader_peek(r) != ':')
        return true;
    reader_note_surprise(r, r->at + 1, r->at);
    return false;
}

static void
read_alias(struct rest_reader *r, struct str *ret)
{
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    if (reader_name(r, ret) && alias_separator(r))
        return;
    reader_retry(r, start, &before);
    *ret = STR("");
}

/* "!inner", and not the beginning of a hint's name. */
static bool
read_join(struct rest_reader *r, const char *word)
{
    const size_t len = strlen(word);

    if (!reader_sees(r, word))
        return false;
    if (r->at + len < r->text.len && strchr("!( \t", r->text.ptr[r->at + len]) == NULL)
        return false;
    reader_take(r, len);
    return true;
}

/* [!hint][!join], in either order; of two hints and of two joins the first counts. */
static bool
read_embed_words(struct rest_reader *r, struct rest_item *item)
{
    for (int i = 0; i < 2 && reader_token(r, "!"); i++) {
        enum rest_join join = REST_JOIN_USUAL;
        struct str hint = STR("");

        if (read_join(r, "left"))
            join = REST_JOIN_LEFT;
        else if (read_join(r, "inner"))
            join = REST_JOIN_INNER;
        else
            REST_TRY(reader_name(r, &hint));
        if (item->hint.len == 0)
            item->hint = hint;
        if (item->join == REST_JOIN_USUAL)
            item->join = join;
    }
    return true;
}

/* Everything before the "(" of what is embedded. */
static bool
read_embed_head(struct rest_reader *r, bool spread, struct rest_item *item)
{
    *item = (struct rest_item){.kind = REST_EMBED, .spread = spread, .alias = STR("")};
    reader_blanks(r);
    if (spread)
        REST_TRY(reader_token(r, "..."));
    else
        read_alias(r, &item->alias);
    REST_TRY(reader_name(r, &item->relation));
    if (!spread && str_is(item->relation, "count"))
        return false;
    REST_TRY(read_embed_words(r, item));
    reader_blanks(r);
    return reader_sees(r, "(");
}

static bool
read_embedded(struct rest_reader *r, struct rest_item *item)
{
    REST_TRY(reader_enter(r));
    reader_take(r, 1);
    reader_blanks(r);
    REST_TRY(read_items(r, &item->items));
    reader_blanks(r);
    REST_TRY(reader_token(r, ")"));
    reader_blanks(r);
    r->depth--;
    return true;
}

/* ")", "," or the end, perhaps behind blanks, none of which is taken but the blanks. */
static bool
item_ends(struct rest_reader *r)
{
    size_t at = r->at;

    while (at < r->text.len && (r->text.ptr[at] == ' ' || r->text.ptr[at] == '\t'))
        at++;
    if (at == r->text.len || r->text.ptr[at] == ')' || r->text.ptr[at] == ',') {
        reader_take(r, at - r->at);
        return true;
    }
    (void)reader_sees(r, ")");
    (void)reader_sees(r, ",");
    (void)reader_end(r);
    return false;
}

static bool
read_cast(struct rest_reader *r, struct str *ret)
{
    *ret = STR("");
    return !reader_token(r, "::") || reader_identifier(r, ret);
}

static bool
read_star(struct rest_reader *r, struct rest_item *item)
{
    item->kind = REST_STAR;
    return reader_token(r, "*") && item_ends(r);
}

/* count() without a column. */
static bool
read_count(struct rest_reader *r, struct rest_item *item)
{
    item->kind = REST_COUNT;
    read_alias(r, &item->alias);
    return reader_token(r, "count()") && read_cast(r, &item->result_cast) && item_ends(r);
}

/* .sum() and the like, or nothing. */
static void
read_aggregate(struct rest_reader *r, struct str *ret)
{
    static const char *const names[] = {"sum", "avg", "count", "max", "min"};
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    if (reader_token(r, "."))
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            if (!reader_token(r, names[i]))
                continue;
            if (reader_token(r, "()")) {
                *ret = str_of(names[i]);
                return;
            }
            break;
        }
    reader_retry(r, start, &before);
    *ret = STR("");
}

static bool
read_column(struct rest_reader *r, struct rest_item *item)
{
    item->kind = REST_COLUMN;
    read_alias(r, &item->alias);
    REST_TRY(reader_field(r, &item->field));
    REST_TRY(read_cast(r, &item->cast));
    read_aggregate(r, &item->aggregate);
    return read_cast(r, &item->result_cast) && item_ends(r);
}

static bool
read_value(struct rest_reader *r, struct rest_item *item)
{
    static bool (*const attempts[])(struct rest_reader *, struct rest_item *) = {read_star,
                                                                                 read_count};
    reader_blanks(r);
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        *item = (struct rest_item){0};
        if (attempts[i](r, item))
            return true;
        reader_retry(r, start, &before);
    }
    *item = (struct rest_item){0};
    if (read_column(r, item))
        return true;
    if (r->at == start)
        reader_retry(r, start, &before);
    return false;
}

static bool
read_item(struct rest_reader *r, struct rest_item *item)
{
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    if (read_embed_head(r, true, item))
        return read_embedded(r, item);
    reader_retry(r, start, &before);
    if (read_embed_head(r, false, item))
        return read_embedded(r, item);
    reader_retry(r, start, &before);
    return read_value(r, item);
}

static bool
read_items(struct rest_reader *r, struct rest_item **ret)
{
    struct rest_item **tail = ret;

    *ret = NULL;
    if (reader_peek(r) == ')')
        return true;
    do {
        *tail = ARENA_NEW(r->a, struct rest_item);
        REST_TRY(read_item(r, *tail));
        tail = &(*tail)->next;
        reader_blanks(r);
    } while (reader_token(r, ","));
    return true;
}

static struct rest_item *
star(struct arena *a)
{
    struct rest_item *item = ARENA_NEW(a, struct rest_item);

    item->kind = REST_STAR;
    return item;
}

bool
rest_select(struct arena *a, struct str text, struct rest_item **ret, struct rest_error *e)
{
    struct rest_reader r = reader_of(a, e, "select parameter", text);

    if (text.len > 0 && !read_items(&r, ret))
        return reader_fail(&r);
    if (text.len == 0 || *ret == NULL)
        *ret = star(a);
    return true;
}
