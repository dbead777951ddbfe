/*
 * Prefer, a header in each line: they say what one list of all of them says, and whatever comes
 * behind them cannot change what they said.
 */
#include "rest_check.h"

#include "base/buf.h"
#include "net/header.h"

#define LINES_MAX 16

/* A quote that is closed in its line. */
static bool
is_whole(struct str line)
{
    size_t quotes = 0;

    for (size_t i = 0; i < line.len; i++)
        quotes += line.ptr[i] == '"';
    return quotes % 2 == 0;
}

static void
check_same(const struct rest_prefer *x, const struct rest_prefer *y)
{
    const struct rest_names *n = x->unknown, *m = y->unknown;

    MUST(x->returns == y->returns && x->resolution == y->resolution && x->count == y->count);
    MUST(x->handling == y->handling && x->tx == y->tx);
    MUST(x->missing_default == y->missing_default && x->missing_null == y->missing_null);
    MUST(x->has_max_affected == y->has_max_affected && x->max_affected == y->max_affected);
    MUST(str_eq(x->timezone, y->timezone));
    for (; n != NULL && m != NULL; n = n->next, m = m->next)
        MUST(str_eq(n->name, m->name));
    MUST(n == m);
}

/* What was said stays, whatever is said of it again. */
static void
check_first(const struct rest_prefer *x, const struct rest_prefer *y)
{
    MUST(x->returns == REST_RETURN_NONE || x->returns == y->returns);
    MUST(x->resolution == REST_RESOLUTION_NONE || x->resolution == y->resolution);
    MUST(x->count == REST_COUNT_NONE || x->count == y->count);
    MUST(x->handling == REST_HANDLING_NONE || x->handling == y->handling);
    MUST(x->tx == REST_TX_NONE || x->tx == y->tx);
    MUST(!x->missing_default || (y->missing_default && !y->missing_null));
    MUST(!x->missing_null || (y->missing_null && !y->missing_default));
    MUST(x->timezone.len == 0 || str_eq(x->timezone, y->timezone));
    MUST(!x->has_max_affected || (y->has_max_affected && x->max_affected == y->max_affected));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_MAX);
    struct str rest = {(const char *)data, size};
    static const struct str lists[] = {
        STR("return=minimal,resolution=merge-duplicates,count=exact,handling=strict,tx=commit,"
            "missing=default,timezone=UTC,max-affected=7"),
        STR("return=representation,resolution=ignore-duplicates,count=planned,handling=lenient,"
            "tx=rollback,missing=null,timezone=CET,max-affected=8"),
    };
    struct header headers[LINES_MAX + 1];
    struct net_request http = {.method = STR("GET"), .path = STR("/t"), .headers = headers};
    struct rest_request apart, together;
    struct rest_error e;
    struct buf list;
    bool whole = true;

    buf_init_arena(&list, a, size + LINES_MAX);
    while (rest.len > 0 && http.header_count < LINES_MAX) {
        struct header *h = &headers[http.header_count++];

        *h = (struct header){STR("prefer"), check_cut(&rest, '\n')};
        buf_add_str(&list, h->value);
        buf_add_char(&list, ',');
        whole = whole && is_whole(h->value);
    }
    const size_t count = http.header_count;
    if (!check_read(a, &http, &apart, &e)) {
        arena_free(a);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        headers[count] = (struct header){STR("prefer"), lists[i]};
        http.header_count = count + 1;
        MUST(check_read(a, &http, &together, &e));
        check_first(&apart.prefer, &together.prefer);
    }
    if (whole && count > 0) {
        headers[0].value = buf_str(&list);
        http.header_count = 1;
        MUST(check_read(a, &http, &together, &e));
        check_same(&apart.prefer, &together.prefer);
    }
    arena_free(a);
    return 0;
}
