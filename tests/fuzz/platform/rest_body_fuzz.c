/*
 * A body, behind a line "METHOD path?query type".  JSON has the columns that json/tree finds in it;
 * what CSV and forms become is JSON with their columns.
 */
#include "rest_check.h"

#include "json/tree.h"

/* All keys of `object` are columns, and *ret_count of them. */
static void
check_keys(const struct json *object, const struct rest_names *columns)
{
    size_t count = 0;

    for (const struct rest_names *n = columns; n != NULL; n = n->next)
        count++;
    MUST(json_type(object) == JSON_OBJECT && json_count(object) == count);
    for (const struct json *v = json_first(object); v != NULL; v = json_next(v)) {
        const struct rest_names *n = columns;

        while (n != NULL && !str_eq(n->name, json_key(v)))
            n = n->next;
        MUST(n != NULL);
    }
}

static void
check_json(struct arena *a, const struct rest_request *r)
{
    const struct json *doc;
    struct fail f = {0};

    /* It reads less than PostgreSQL: no deep nesting, no key twice. */
    if (json_parse(a, &f, r->body, &doc) != ERR_OK)
        return;
    MUST(r->body_is_array == (json_type(doc) == JSON_ARRAY));
    if (!r->body_is_array) {
        check_keys(doc, r->columns);
        return;
    }
    MUST(r->body_is_empty == (json_first(doc) == NULL));
    for (const struct json *row = json_first(doc); row != NULL; row = json_next(row))
        check_keys(row, r->columns);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_MAX);
    struct str body = {(const char *)data, size};
    struct str line = check_cut(&body, '\n');
    struct net_request http = {.method = check_cut(&line, ' '), .body = body};
    struct rest_request request;
    struct rest_error e;
    struct fail f = {0};
    const struct json *doc;

    http.query = check_cut(&line, ' ');
    http.path = check_cut(&http.query, '?');
    http.content_type = line;
    if (!check_read(a, &http, &request, &e)) {
        if (strcmp(e.message, "Empty or invalid json") == 0)
            MUST(json_parse(a, &f, body, &doc) != ERR_OK);
    } else if (request.body_type == REST_BODY_JSON && !request.has_columns) {
        check_json(a, &request);
    } else {
        check_made_json(a, &request);
    }
    arena_free(a);
    return 0;
}
