/*
 * The query string: decoding, which parameter says what about which place, and the canonical one.
 *
 * Places are found by a table of hashes, so that a query string full of different paths costs no
 * more than its length.
 */
#include "rest/read/internal.h"

#include "base/encode.h"
#include "base/text.h"

/* ---- pairs ---- */

bool
rest_text_ok(struct str text)
{
    return text.len == 0 || (memchr(text.ptr, '\0', text.len) == NULL && utf8_ok(text));
}

/* "+" is a blank; a "%" that begins no escape stands for itself, as the original has it: people
 * type like.%25 as like.%. */
static struct str
decode(struct arena *a, struct str text)
{
    char *out = arena_bytes(a, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '+') {
            c = ' ';
        } else if (c == '%' && text.len - i > 2) {
            const int high = hex_value(text.ptr[i + 1]);
            const int low = hex_value(text.ptr[i + 2]);

            if (high >= 0 && low >= 0) {
                c = (char)(high * 16 + low);
                i += 2;
            }
        }
        out[len++] = c;
    }
    out[len] = '\0';
    return (struct str){out, len};
}

static struct str
until(struct str *rest, char stop)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, stop, rest->len) : NULL;
    const struct str part = {rest->ptr, end == NULL ? rest->len : (size_t)(end - rest->ptr)};
    const size_t taken = MIN(part.len + 1, rest->len);

    *rest = (struct str){rest->ptr + taken, rest->len - taken};
    return part;
}

bool
rest_pairs(struct arena *a, struct str query, struct rest_pair **ret, size_t *ret_count)
{
    size_t most = 1, count = 0;

    for (size_t i = 0; i < query.len; i++)
        most += query.ptr[i] == '&';
    struct rest_pair *pairs = ARENA_ARRAY(a, struct rest_pair, most);
    while (query.len > 0) {
        struct str value = until(&query, '&');
        struct rest_pair *pair = &pairs[count];

        if (value.len == 0)
            continue;
        const size_t whole = value.len;
        const struct str key = until(&value, '=');
        pair->has_value = key.len < whole;
        pair->key = decode(a, key);
        pair->value = decode(a, value);
        if (!rest_text_ok(pair->key) || !rest_text_ok(pair->value))
            return false;
        count++;
    }
    *ret = pairs;
    *ret_count = count;
    return true;
}

static int
pair_order(const void *a, const void *b)
{
    const struct rest_pair *x = *(const struct rest_pair *const *)a;
    const struct rest_pair *y = *(const struct rest_pair *const *)b;
    const int order = memcmp(x->key.ptr, y->key.ptr, MIN(x->key.len, y->key.len));

    if (order != 0)
        return order;
    if (x->key.len != y->key.len)
        return x->key.len < y->key.len ? -1 : 1;
    return x < y ? -1 : x > y;
}

struct rest_pair **
rest_pairs_sort(struct arena *a, struct rest_pair *pairs, size_t count)
{
    struct rest_pair **sorted = ARENA_ARRAY(a, struct rest_pair *, MAX(count, 1));

    for (size_t i = 0; i < count; i++)
        sorted[i] = &pairs[i];
    qsort(sorted, count, sizeof(sorted[0]), pair_order);
    return sorted;
}

/* Sorted and encoded again; values of one key stand together, with commas between. */
static struct str
canonical(struct arena *a, struct rest_pair *pairs, size_t count)
{
    struct rest_pair **sorted = rest_pairs_sort(a, pairs, count);
    size_t size = 0;
    struct buf out;

    for (size_t i = 0; i < count; i++)
        size += 3 * (pairs[i].key.len + pairs[i].value.len) + 2;
    buf_init_arena(&out, a, size);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && str_eq(sorted[i]->key, sorted[i - 1]->key)) {
            buf_add_char(&out, ',');
        } else {
            if (i > 0)
                buf_add_char(&out, '&');
            percent_encode(&out, sorted[i]->key);
            buf_add_char(&out, '=');
        }
        percent_encode(&out, sorted[i]->value);
    }
    return out.len == 0 ? STR("") : buf_str(&out);
}

/* ---- places ---- */

#define BUCKETS 256

struct place {
    struct rest_place rest; /* what others see */
    struct rest_condition **where_tail;
    struct place *chain;
};

struct query {
    struct arena *a;
    struct rest_request *request;
    struct rest_error *e;
    struct rest_pair *pairs;
    size_t count;
    bool arguments; /* a value without operator is an argument of the function */
    struct place *buckets[BUCKETS];
    struct rest_place **places_tail;
    struct rest_argument **arguments_tail;
    struct rest_range *range;
};

static bool
same_path(const struct rest_names *x, const struct rest_names *y)
{
    while (x != NULL && y != NULL) {
        if (!str_eq(x->name, y->name))
            return false;
        x = x->next;
        y = y->next;
    }
    return x == NULL && y == NULL;
}

static struct place **
bucket_of(struct query *q, const struct rest_names *path)
{
    uint64_t hash = 14695981039346656037U; /* FNV-1a */

    for (const struct rest_names *n = path; n != NULL; n = n->next) {
        for (size_t i = 0; i < n->name.len; i++)
            hash = (hash ^ (unsigned char)n->name.ptr[i]) * 1099511628211U;
        hash = (hash ^ '.') * 1099511628211U;
    }
    return &q->buckets[(hash ^ hash >> 32) % BUCKETS];
}

static struct place *
place_of(struct query *q, struct rest_names *path)
{
    struct place **bucket = bucket_of(q, path);

    for (struct place *p = *bucket; p != NULL; p = p->chain)
        if (same_path(p->rest.path, path))
            return p;
    struct place *p = ARENA_NEW(q->a, struct place);
    p->rest.path = path;
    p->where_tail = &p->rest.where;
    p->chain = *bucket;
    *bucket = p;
    *q->places_tail = &p->rest;
    q->places_tail = &p->rest.next;
    return p;
}

static void
add_condition(struct place *p, struct rest_condition *c)
{
    *p->where_tail = c;
    p->where_tail = &c->next;
}

/* ---- parameters ---- */

static bool
read_key(struct query *q, struct str key, struct rest_names **ret_path, struct rest_field *ret)
{
    struct rest_reader r = reader_of(q->a, q->e, "tree path", key);

    *ret_path = NULL;
    return reader_tree_path(&r, ret_path, ret) || reader_fail(&r);
}

/* Of several the first counts. */
static bool
take_order(struct query *q, const struct rest_pair *pair)
{
    struct rest_names *path;
    struct rest_field unused;
    struct rest_order *order = NULL;

    REST_TRY(read_key(q, pair->key, &path, &unused));
    REST_TRY(rest_order_read(q->a, pair->value, &order, q->e));
    struct place *p = place_of(q, path);
    if (p->rest.order == NULL)
        p->rest.order = order;
    return true;
}

static bool
take_logic(struct query *q, const struct rest_pair *pair)
{
    struct rest_names *path;
    struct rest_condition *c;

    REST_TRY(rest_logic_read(q->a, pair->key, pair->value, &path, &c, q->e));
    add_condition(place_of(q, path), c);
    return true;
}

static bool
take_columns(struct query *q, const struct rest_pair *pair)
{
    struct rest_request *r = q->request;
    struct rest_names *names;

    REST_TRY(rest_names_read(q->a, "columns parameter", pair->value, &names, q->e));
    if (r->method != REST_POST && r->method != REST_PATCH)
        return true;
    r->has_columns = true;
    r->columns = rest_names_sort(q->a, names);
    return true;
}

static bool
take_select(struct query *q, const struct rest_pair *pair)
{
    q->request->has_select = pair->value.len > 0;
    return rest_select(q->a, pair->value, &q->request->select, q->e);
}

static bool
take_filter(struct query *q, const struct rest_pair *pair)
{
    struct rest_condition *c = ARENA_NEW(q->a, struct rest_condition);
    struct rest_names *path;
    struct rest_field field;
    bool argument = false;

    REST_TRY(read_key(q, pair->key, &path, &field));
    REST_TRY(
        rest_filter_read(q->a, pair->value, &c->filter, q->arguments ? &argument : NULL, q->e));
    if (!argument) {
        c->kind = REST_FILTER;
        c->filter.field = field;
        add_condition(place_of(q, path), c);
        return true;
    }
    struct rest_argument *arg = ARENA_NEW(q->a, struct rest_argument);
    arg->name = field.name;
    arg->value = pair->value;
    *q->arguments_tail = arg;
    q->arguments_tail = &arg->next;
    return true;
}

static bool
take_on_conflict(struct query *q, const struct rest_pair *pair)
{
    return rest_names_read(q->a, "on_conflict parameter", pair->value, &q->request->on_conflict,
                           q->e);
}

/* A whole number of any length, cut to what int64_t holds; false: it is none. */
static bool
read_whole(struct str text, int64_t *ret)
{
    struct str s = rest_trim(text);
    const bool negative = s.len > 0 && s.ptr[0] == '-';
    int64_t n = 0;

    if (negative)
        s = (struct str){s.ptr + 1, s.len - 1};
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        n = n > (INT64_MAX - 9) / 10 ? INT64_MAX - 9 : n * 10 + (s.ptr[i] - '0');
    }
    *ret = negative ? -n : n;
    return s.len > 0;
}

/* limit and offset; of several the last counts, and what is no number says nothing. */
static bool
take_range(struct query *q, const struct rest_pair *pair, bool is_limit)
{
    struct rest_names *path;
    struct rest_field unused;
    int64_t n;

    REST_TRY(read_key(q, pair->key, &path, &unused));
    if (!read_whole(pair->value, &n))
        return true;
    if (path == NULL) {
        *(is_limit ? &q->range->has_limit : &q->range->has_offset) = true;
        *(is_limit ? &q->range->limit : &q->range->offset) = is_limit ? n : MAX(n, 0);
        return true;
    }
    if (is_limit && n < 0)
        return rest_range_fail(q->a, q->e, false);
    struct rest_place *p = &place_of(q, path)->rest;
    *(is_limit ? &p->has_limit : &p->has_offset) = true;
    *(is_limit ? &p->limit : &p->offset) = MAX(n, 0);
    return true;
}

static bool
take_limit(struct query *q, const struct rest_pair *pair)
{
    return take_range(q, pair, true);
}

static bool
take_offset(struct query *q, const struct rest_pair *pair)
{
    return take_range(q, pair, false);
}

/* ---- all of them ---- */

/* The parameters in the order in which the original reads them, so that of several mistakes the
 * same one is told. */
static const struct parameter {
    const char *words[2]; /* no word: whatever is no other parameter */
    bool of_places;       /* rel.order */
    bool once;            /* the first counts */
    bool (*take)(struct query *, const struct rest_pair *);
} parameters[] = {
    {{"order", NULL}, true, false, take_order},
    {{"and", "or"}, true, false, take_logic},
    {{"columns", NULL}, false, true, take_columns},
    {{"select", NULL}, false, true, take_select},
    {{NULL, NULL}, false, false, take_filter},
    {{"on_conflict", NULL}, false, true, take_on_conflict},
    {{"limit", NULL}, true, false, take_limit},
    {{"offset", NULL}, true, false, take_offset},
};

static bool
is_key_of(const struct parameter *p, struct str key)
{
    const char *dot = key.len > 0 ? memrchr(key.ptr, '.', key.len) : NULL;
    const size_t skip = p->of_places && dot != NULL ? (size_t)(dot + 1 - key.ptr) : 0;
    const struct str word = {key.ptr + skip, key.len - skip};

    return (p->words[0] != NULL && str_is(word, p->words[0])) ||
           (p->words[1] != NULL && str_is(word, p->words[1]));
}

static const struct parameter *
parameter_of(struct str key)
{
    const struct parameter *other = NULL;

    for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
        if (is_key_of(&parameters[i], key))
            return &parameters[i];
        if (parameters[i].words[0] == NULL)
            other = &parameters[i];
    }
    return other;
}

static bool
take_all(struct query *q, const struct parameter *p)
{
    for (size_t i = 0; i < q->count; i++) {
        if (!q->pairs[i].has_value || parameter_of(q->pairs[i].key) != p)
            continue;
        REST_TRY(p->take(q, &q->pairs[i]));
        if (p->once)
            break;
    }
    return true;
}

bool
rest_query(struct arena *a, struct str query, struct rest_request *ret,
           struct rest_range *ret_range, struct rest_error *e)
{
    struct query *q = ARENA_NEW(a, struct query); /* its table is much for a small stack */

    *q = (struct query){.a = a, .request = ret, .e = e, .range = ret_range};
    q->arguments = ret->target == REST_CALL && ret->method != REST_POST;
    q->places_tail = &ret->places;
    q->arguments_tail = &ret->arguments;
    *ret_range = (struct rest_range){0};
    if (!rest_pairs(a, query, &q->pairs, &q->count))
        return rest_fail(a, e, 400, "PGRST100", "The query string is no valid UTF-8 text");
    (void)place_of(q, NULL);
    REST_TRY(rest_select(a, STR(""), &ret->select, e));
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
        REST_TRY(take_all(q, &parameters[i]));
    ret->canonical_query = canonical(a, q->pairs, q->count);
    return true;
}
