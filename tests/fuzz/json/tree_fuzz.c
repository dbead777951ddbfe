/*
 * What json_parse accepts is valid UTF-8, prints, and reads back as the same text.
 */
#include "base/text.h"
#include "json/tree.h"
#include "json/write.h"
#include "net/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str
print(struct arena *a, const struct json *doc)
{
    struct json_writer w;
    struct buf out;

    buf_init_arena(&out, a, 1024 * 1024);
    jw_init(&w, &out);
    jw_value(&w, doc);
    MUST(!out.overflow);
    return buf_str(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 * 1024 * 1024);
    const struct json *doc;
    struct fail f = {0};
    const struct str text = {(const char *)data, size};
    const enum err e = json_parse(a, &f, text, &doc);

    if (e == ERR_OK) {
        MUST(utf8_ok(text));
        MUST(memchr(data, '\0', size) == NULL);
        const struct str once = print(a, doc);
        MUST(json_parse(a, &f, once, &doc) == ERR_OK);
        MUST(str_eq(print(a, doc), once));
    } else {
        MUST(e == ERR_INVALID); /* ERR_INTERNAL: cJSON and the scan disagree */
        MUST(f.text[0] != '\0');
    }
    arena_free(a);
    return 0;
}
