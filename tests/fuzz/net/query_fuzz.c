/*
 * What query_get gives is text without NUL, and comes back after percent_encode.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/encode.h"
#include "base/text.h"
#include "net/header.h"
#include "net/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 * 1024 * 1024);
    const struct str query = {(const char *)data, size};
    static const char *const names[] = {"a", "order_id", ""};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str value;
        struct str again;
        struct buf encoded;

        if (!query_get(a, query, names[i], &value))
            continue;
        MUST(value.ptr[value.len] == '\0' && strlen(value.ptr) == value.len);
        MUST(utf8_ok(value));
        buf_init_arena(&encoded, a, 1024 * 1024);
        buf_add_text(&encoded, "x=1&a=");
        percent_encode(&encoded, value);
        MUST(query_get(a, buf_str(&encoded), "a", &again));
        MUST(str_eq(value, again));
        MUST(header_value_ok(buf_str(&encoded)));
    }
    arena_free(a);
    return 0;
}
