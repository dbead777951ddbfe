/*
 * The request line, "METHOD path?query": what Content-Location says of the query is one that can
 * stand in a header, and that is the same when it is asked for.
 */
#include "rest_check.h"

#include "net/header.h"

static void
check_location(struct arena *a, struct str said)
{
    struct net_request http = {.method = STR("GET"), .path = STR("/t"), .query = said};
    struct rest_request once, twice;
    struct rest_error e;

    MUST(header_value_ok(said));
    /* Parameters that were sent twice stand there as one, which need not make sense. */
    if (!check_read(a, &http, &once, &e))
        return;
    http.query = once.canonical_query;
    MUST(check_read(a, &http, &twice, &e));
    MUST(str_eq(once.canonical_query, twice.canonical_query));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_MAX);
    struct str rest = {(const char *)data, size};
    struct net_request http = {.method = check_cut(&rest, ' ')};
    struct rest_request request;
    struct rest_error e;

    http.path = check_cut(&rest, '?');
    http.query = rest;
    if (check_read(a, &http, &request, &e))
        check_location(a, request.canonical_query);
    arena_free(a);
    return 0;
}
