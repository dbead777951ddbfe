#include "mask.h"

#include "base/buf.h"
#include "base/text.h"
#include "json/tree.h"
#include "json/write.h"

#define KEPT_BODY_MAX 8192

/* Names of headers, query parameters and JSON members whose values are not kept. */
static bool
is_secret(struct str name)
{
    static const char *const parts[] = {"authorization", "apikey", "api_key", "api-key",
                                        "cookie",        "token",  "secret",  "password"};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const size_t len = strlen(parts[i]);

        for (size_t at = 0; at + len <= name.len; at++)
            if (str_ieq((struct str){name.ptr + at, len}, (struct str){parts[i], len}))
                return true;
    }
    return false;
}

const char *
masked_headers(struct arena *a, const struct header *headers, size_t count)
{
    struct buf out;
    struct json_writer w;

    buf_init_arena(&out, a, 256 * 1024);
    jw_init(&w, &out);
    jw_open(&w);
    for (size_t i = 0; i < count; i++) {
        jw_key(&w, headers[i].name.ptr);
        jw_str(&w, is_secret(headers[i].name) ? STR("***") : headers[i].value);
    }
    jw_close(&w);
    return out.ptr;
}

/* PostgreSQL text is UTF-8 without NUL: what is neither is kept as an escaped JSON string. */
static const char *
printable(struct arena *a, struct str text)
{
    struct buf out;
    struct json_writer w;

    if (utf8_ok(text) && (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL))
        return arena_copy(a, text);
    buf_init_arena(&out, a, 8 * KEPT_BODY_MAX);
    jw_init(&w, &out);
    jw_str(&w, (struct str){text.ptr, MIN(text.len, KEPT_BODY_MAX)});
    return out.ptr;
}

/* The query with the values of secret parameters masked. */
const char *
masked_query(struct arena *a, struct str query)
{
    struct str rest = query;
    struct buf out;

    buf_init_arena(&out, a, 64 * 1024);
    buf_add_text(&out, "");
    while (rest.len > 0) {
        const char *amp = memchr(rest.ptr, '&', rest.len);
        const size_t pair_len = amp == NULL ? rest.len : (size_t)(amp - rest.ptr);
        const char *eq = memchr(rest.ptr, '=', pair_len);
        const size_t name_len = eq == NULL ? pair_len : (size_t)(eq - rest.ptr);

        if (eq != NULL && is_secret((struct str){rest.ptr, name_len})) {
            buf_add(&out, rest.ptr, name_len);
            buf_add(&out, "=***", 4);
        } else {
            buf_add(&out, rest.ptr, pair_len);
        }
        if (amp != NULL)
            buf_add_char(&out, '&');
        rest.ptr += pair_len + (amp != NULL);
        rest.len -= pair_len + (amp != NULL);
    }
    return printable(a, buf_str(&out));
}

static void
write_masked(struct json_writer *w, const struct json *v)
{
    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_ARRAY) {
        jw_value(w, v);
        return;
    }
    const bool object = json_type(v) == JSON_OBJECT;

    object ? jw_open(w) : jw_open_array(w);
    for (const struct json *c = json_first(v); c != NULL; c = json_next(c)) {
        if (object)
            jw_key(w, json_key(c).ptr);
        if (object && is_secret(json_key(c)))
            jw_text(w, "***");
        else
            write_masked(w, c);
    }
    object ? jw_close(w) : jw_close_array(w);
}

static bool
has_secret(const struct json *v)
{
    for (const struct json *c = json_first(v); c != NULL; c = json_next(c))
        if (is_secret(json_key(c)) || has_secret(c))
            return true;
    return false;
}

/* The body as it came, unless it is JSON with secrets in it. */
const char *
masked_body(struct arena *a, struct str body)
{
    struct fail not_json = {0};
    const struct json *doc;
    struct json_writer w;
    struct buf out;

    if (json_parse(a, &not_json, body, &doc) != ERR_OK || !has_secret(doc))
        return printable(a, body);
    buf_init_arena(&out, a, 1024 * 1024);
    jw_init(&w, &out);
    write_masked(&w, doc);
    return out.ptr;
}
