/*
 * check_json: for tests of json: texts that are read or refused, in the arena of check_arena.h.
 */
#ifndef FFX_CHECK_JSON_H
#define FFX_CHECK_JSON_H

#include "check_arena.h"

#include "json/tree.h"
#include "json/write.h"

static inline const struct json *
parsed_str(struct str text)
{
    const struct json *doc = NULL;
    struct fail f = {0};

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
    struct fail f = {0};

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

/* A document, written again. */
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

#endif
