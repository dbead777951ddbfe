/* A select list: what is read of it, written out with quotes, is read as the same again. */
#include "rest_again.h"

static bool
read_select(struct arena *a, struct str text, struct str *ret_again)
{
    struct net_request http = {.method = STR("GET"), .path = STR("/t")};
    struct buf query, out;
    struct rest_request request;
    struct rest_error e;

    buf_init_arena(&query, a, TEXT_MAX);
    buf_init_arena(&out, a, TEXT_MAX);
    buf_add_text(&query, "select=");
    percent_encode(&query, text);
    http.query = buf_str(&query);
    if (!check_read(a, &http, &request, &e))
        return false;
    put_items(&out, request.select);
    MUST(!query.overflow && !out.overflow);
    *ret_again = buf_str(&out);
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_MAX);
    struct str once, twice;

    if (read_select(a, (struct str){(const char *)data, size}, &once)) {
        MUST(read_select(a, once, &twice));
        MUST(str_eq(once, twice));
    }
    arena_free(a);
    return 0;
}
