/*
 * json_test: what the tests of json/ share: a document that is read, refused or printed.
 */
#ifndef FFX_JSON_TEST_H
#define FFX_JSON_TEST_H

#include "check.h"

#include "json/tree.h"
#include "json/write.h"

static struct arena *a;
static struct fail f;

static inline int
set_up(void **state)
{
    (void)state;
    a = arena_new(8 * 1024 * 1024);
    f = (struct fail){0};
    return 0;
}

static inline int
tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static inline const struct json *
parsed_str(struct str text)
{
    const struct json *doc = NULL;

    if (json_parse(a, &f, text, &doc) != ERR_OK)
        fail_msg("refused: %s: %.*s", f.text, (int)text.len, text.ptr);
    return doc;
}

static inline const struct json *
parsed(const char *text)
{
    return parsed_str(str_of(text));
}

/* `text` is refused with this reason. */
static inline void
refused_str(struct str text, const char *reason)
{
    static const struct json *const untouched = (const struct json *)(const void *)"x";
    const struct json *doc = untouched;

    f = (struct fail){0};
    if (json_parse(a, &f, text, &doc) == ERR_OK)
        fail_msg("accepted: %.*s", (int)text.len, text.ptr);
    assert_int_equal(f.err, ERR_INVALID);
    if (strstr(f.text, reason) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", reason, f.text);
    assert_ptr_equal(doc, untouched);
}

static inline void
refused(const char *text, const char *reason)
{
    refused_str(str_of(text), reason);
}

/* A copy on the heap of exactly the text's size, so that AddressSanitizer sees a read too far. */
static inline struct str
heap_copy(struct str text)
{
    char *copy = malloc(MAX(text.len, 1));

    assert_non_null(copy);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return (struct str){copy, text.len};
}

static inline struct str
printed(const struct json *doc)
{
    struct json_writer w;
    struct buf out;

    buf_init_arena(&out, a, 1024 * 1024);
    jw_init(&w, &out);
    jw_value(&w, doc);
    return buf_str(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
