/* Filters: operators, in-lists, is, any and all. */
#include "rest/read/internal.h"

#include "base/text.h"

enum value_kind { VALUE, QUANTIFIED, LIKE_QUANTIFIED, SEARCH, LIST, TRUTH };

struct op_row {
    const char *name;
    enum rest_op op;
    enum value_kind kind;
};

static const struct op_row operators[] = {
    {"eq", REST_EQ, QUANTIFIED},
    {"neq", REST_NEQ, VALUE},
    {"gt", REST_GT, QUANTIFIED},
    {"gte", REST_GTE, QUANTIFIED},
    {"lt", REST_LT, QUANTIFIED},
    {"lte", REST_LTE, QUANTIFIED},
    {"like", REST_LIKE, LIKE_QUANTIFIED},
    {"ilike", REST_ILIKE, LIKE_QUANTIFIED},
    {"match", REST_MATCH, QUANTIFIED},
    {"imatch", REST_IMATCH, QUANTIFIED},
    {"in", REST_IN, LIST},
    {"is", REST_IS, TRUTH},
    {"isdistinct", REST_ISDISTINCT, VALUE},
    {"fts", REST_FTS, SEARCH},
    {"plfts", REST_PLFTS, SEARCH},
    {"phfts", REST_PHFTS, SEARCH},
    {"wfts", REST_WFTS, SEARCH},
    {"cs", REST_CS, VALUE},
    {"cd", REST_CD, VALUE},
    {"ov", REST_OV, VALUE},
    {"sl", REST_SL, VALUE},
    {"sr", REST_SR, VALUE},
    {"nxr", REST_NXR, VALUE},
    {"nxl", REST_NXL, VALUE},
    {"adj", REST_ADJ, VALUE},
};

static bool
begins(struct str text, const char *word)
{
    const size_t len = strlen(word);

    return text.len >= len && memcmp(text.ptr, word, len) == 0;
}

/* The longest name that the text begins with; NULL: none. */
static const struct op_row *
find_operator(struct str text)
{
    const struct op_row *best = NULL;

    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (begins(text, operators[i].name) &&
            (best == NULL || strlen(operators[i].name) > strlen(best->name)))
            best = &operators[i];
    return best;
}

/* (any), (all) or nothing. */
static void
read_quantifier(struct rest_reader *r, struct rest_filter *f)
{
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    if (reader_token(r, "(")) {
        if (reader_token(r, "any"))
            f->quantifier = REST_ANY;
        else if (reader_token(r, "all"))
            f->quantifier = REST_ALL;
        if (f->quantifier != REST_PLAIN && reader_token(r, ")"))
            return;
    }
    f->quantifier = REST_PLAIN;
    reader_retry(r, start, &before);
}

/* (english) or nothing. */
static void
read_language(struct rest_reader *r, struct rest_filter *f)
{
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    if (reader_token(r, "(") && reader_identifier(r, &f->language) && reader_token(r, ")"))
        return;
    f->language = STR("");
    reader_retry(r, start, &before);
}

/* The operator up to its dot. */
static bool
read_operator(struct rest_reader *r, const struct op_row *op, struct rest_filter *f)
{
    reader_take(r, strlen(op->name));
    if (op->kind == QUANTIFIED || op->kind == LIKE_QUANTIFIED)
        read_quantifier(r, f);
    if (op->kind == SEARCH)
        read_language(r, f);
    return reader_delimiter(r);
}

/* ---- values ---- */

/* Is the character at the reader's position none that would make a quote just a character? */
static bool
element_ends(const struct rest_reader *r)
{
    const int c = reader_peek(r);

    return c < 0 || c == ',' || c == ')';
}

static struct str
take_element(struct rest_reader *r)
{
    const size_t from = r->at;
    size_t n = from;

    while (n < r->text.len && r->text.ptr[n] != ',' && r->text.ptr[n] != ')')
        n++;
    reader_take(r, n - from);
    reader_note(r, r->at, r->at, (struct rest_expected){NULL, false});
    return (struct str){r->text.ptr + from, n - from};
}

/* Quotes that enclose all of it, or what there is up to "," or ")". */
static bool
read_enclosed(struct rest_reader *r, struct str *ret)
{
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    if (reader_peek(r) == '"' && reader_quoted(r, ret) && element_ends(r))
        return true;
    reader_retry(r, start, &before);
    return false;
}

/* {…} without braces inside: the array of a filter in and/or. */
static bool
read_braces(struct rest_reader *r, struct str *ret)
{
    size_t n = r->at + 1;

    if (reader_peek(r) != '{')
        return false;
    while (n < r->text.len && r->text.ptr[n] != '{' && r->text.ptr[n] != '}')
        n++;
    if (n == r->text.len || r->text.ptr[n] == '{')
        return false;
    *ret = (struct str){r->text.ptr + r->at, n + 1 - r->at};
    reader_take(r, ret->len);
    return true;
}

static void
add_element(struct buf *out, struct str element)
{
    buf_add_char(out, out->len == 0 ? '{' : ',');
    buf_add_char(out, '"');
    for (size_t i = 0; i < element.len; i++) {
        if (element.ptr[i] == '"' || element.ptr[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, element.ptr[i]);
    }
    buf_add_char(out, '"');
}

/* (a,"b,c") as the text of an array. */
static bool
read_list(struct rest_reader *r, struct rest_filter *f)
{
    const size_t left = r->text.len - r->at;
    struct buf out;
    bool one_empty = true;

    reader_blanks(r);
    REST_TRY(reader_token(r, "("));
    reader_blanks(r);
    buf_init_arena(&out, r->a, 4 * left + 16);
    do {
        struct str element;

        if (!read_enclosed(r, &element))
            element = take_element(r);
        one_empty = out.len == 0 && element.len == 0;
        add_element(&out, element);
    } while (reader_token(r, ","));
    reader_blanks(r);
    REST_TRY(reader_token(r, ")"));
    reader_blanks(r);
    buf_add_char(&out, '}');
    f->value = one_empty ? STR("{}") : buf_str(&out);
    return true;
}

/* How many characters of the text are those of `word`, in any case. */
static size_t
common_length(const struct rest_reader *r, const char *word)
{
    size_t n = 0;

    while (word[n] != '\0' && r->at + n < r->text.len &&
           ascii_lower(r->text.ptr[r->at + n]) == word[n])
        n++;
    return n;
}

static bool
read_truth(struct rest_reader *r, struct rest_filter *f)
{
    static const struct {
        const char *word;
        enum rest_is is;
    } words[] = {{"null", REST_IS_NULL},
                 {"not_null", REST_IS_NOT_NULL},
                 {"true", REST_IS_TRUE},
                 {"false", REST_IS_FALSE},
                 {"unknown", REST_IS_UNKNOWN}};
    static const struct rest_expected expected = {"isVal: (null, not_null, true, false, unknown)",
                                                  false};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const size_t n = common_length(r, words[i].word);

        if (words[i].word[n] == '\0') {
            f->is = words[i].is;
            reader_take(r, n);
            return true;
        }
        reader_note(r, r->at + n, r->at + n, expected);
    }
    return false;
}

static struct str
with_percents(struct arena *a, struct str value)
{
    if (value.len == 0 || memchr(value.ptr, '*', value.len) == NULL)
        return value;
    char *copy = arena_copy(a, value);
    for (size_t i = 0; i < value.len; i++)
        if (copy[i] == '*')
            copy[i] = '%';
    return (struct str){copy, value.len};
}

static void
read_value(struct rest_reader *r, bool in_tree, bool like, struct rest_filter *f)
{
    if (!in_tree) {
        f->value = (struct str){r->text.ptr + r->at, r->text.len - r->at};
        reader_take(r, f->value.len);
    } else if (!read_enclosed(r, &f->value) && !read_braces(r, &f->value)) {
        f->value = take_element(r);
    }
    if (like)
        f->value = with_percents(r->a, f->value);
}

/* ---- the whole ---- */

static void
read_not(struct rest_reader *r, struct rest_filter *f)
{
    const size_t start = r->at;
    struct rest_fault before = r->fault;

    f->negated = reader_token(r, "not") && reader_delimiter(r);
    if (!f->negated)
        reader_retry(r, start, &before);
}

bool
reader_operation(struct rest_reader *r, bool in_tree, struct rest_filter *f)
{
    read_not(r, f);
    const size_t start = r->at;
    struct rest_fault before = r->fault;
    const struct op_row *op = find_operator((struct str){r->text.ptr + start, r->text.len - start});

    r->fault.any = false;
    if (op == NULL)
        reader_note(r, start, start, (struct rest_expected){NULL, false});
    if (op == NULL || !read_operator(r, op, f)) {
        reader_relabel(r, "operator (eq, gt, ...)");
        reader_retry(r, start, &before);
        return false;
    }
    f->op = op->op;
    if (op->kind == LIST)
        return read_list(r, f);
    if (op->kind == TRUTH)
        return read_truth(r, f);
    read_value(r, in_tree, op->kind == LIKE_QUANTIFIED, f);
    return true;
}

bool
rest_filter_read(struct arena *a, struct str text, struct rest_filter *ret, bool *ret_argument,
                 struct rest_error *e)
{
    struct rest_reader r = reader_of(a, e, "filter", text);

    if (reader_operation(&r, false, ret))
        return true;
    if (ret_argument == NULL || r.at > 0)
        return reader_fail(&r);
    *ret_argument = true; /* it does not even begin like one */
    return true;
}
