/*
 * Whatever comes in is kept as text that PostgreSQL takes; a member or parameter named `token`,
 * with a value that stands nowhere else, is kept without it; what is kept of JSON is JSON.
 */
#include "webhook-debug/mask.h"

#include "base/text.h"
#include "json/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VALUE "zyx-wvu-2718281828" /* no escape ends in its first letter */

static void
check_kept(const char *kept)
{
    MUST(kept != NULL && utf8_ok(str_of(kept)));
}

/* The data between a secret's name and its value, and behind it. */
static void
check_hidden(struct arena *a, struct str data)
{
    const char *body = arena_printf(a, "{\"x\":%.*s,\"a\":{\"Token\":\"%s\"}}", (int)data.len,
                                    data.ptr == NULL ? "" : data.ptr, VALUE);
    const struct json *doc;

    if (memmem(data.ptr, data.len, VALUE, sizeof VALUE - 1) != NULL)
        return;
    if (strchr(body, '\\') == NULL && /* or an escape may spell the value */
        json_parse(a, NULL, str_of(body), &doc) == ERR_OK) {
        const char *kept = masked_body(a, str_of(body));

        MUST(strstr(kept, VALUE) == NULL && json_parse(a, NULL, str_of(kept), &doc) == ERR_OK);
    }
    const char *query =
        arena_printf(a, "%.*s&my-token=%s", (int)data.len, data.ptr == NULL ? "" : data.ptr, VALUE);
    MUST(strstr(masked_query(a, str_of(query)), VALUE) == NULL);
    const struct header header = {STR("x-api-key"), STR(VALUE)};
    MUST(strstr(masked_headers(a, &header, 1), VALUE) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 * 1024 * 1024);
    const struct str text = {(const char *)data, size};
    const struct header header = {STR("user-agent"), text};
    const struct json *doc;

    check_kept(masked_body(a, text));
    check_kept(masked_query(a, text));
    const char *headers = masked_headers(a, &header, 1);
    check_kept(headers);
    MUST(json_parse(a, NULL, str_of(headers), &doc) == ERR_OK ||
         memchr(data, '\0', size) != NULL); /* an escaped NUL is none of our JSON */
    check_hidden(a, text);
    arena_free(a);
    return 0;
}
