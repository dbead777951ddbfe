/*
 * A whole request of the data API: "METHOD path?query", lines of headers, an empty line, the body.
 * rest_line_fuzz.c and its like have the parts.
 */
#include "rest_check.h"

#include "json/tree.h"
#include "net/header.h"

#define HEADERS_MAX 16

static void
take_request(struct str input, struct header *headers, struct net_request *ret)
{
    struct str line = check_cut(&input, '\n');

    *ret = (struct net_request){.headers = headers};
    ret->method = check_cut(&line, ' ');
    ret->path = check_cut(&line, '?');
    ret->query = line;
    while (input.len > 0 && (line = check_cut(&input, '\n')).len > 0) {
        if (ret->header_count == HEADERS_MAX)
            continue;
        struct header *h = &headers[ret->header_count++];
        h->name = check_cut(&line, ':');
        h->value = line;
        if (h->value.len > 0 && h->value.ptr[0] == ' ')
            h->value = (struct str){h->value.ptr + 1, h->value.len - 1};
    }
    ret->body = input;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_MAX);
    struct header headers[HEADERS_MAX];
    struct net_request http;
    struct rest_request request;
    struct rest_error e;

    take_request((struct str){(const char *)data, size}, headers, &http);
    if (check_read(a, &http, &request, &e)) {
        MUST(header_value_ok(request.canonical_query));
        check_made_json(a, &request);
    } else if (strcmp(e.message, "Empty or invalid json") == 0) {
        const struct json *unused;
        struct fail f = {0};

        MUST(json_parse(a, &f, http.body, &unused) != ERR_OK);
    }
    arena_free(a);
    return 0;
}
