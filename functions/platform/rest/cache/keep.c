/*
 * The texts and lists of a cache: equal ones are kept once.  A name of a column stands in hundreds
 * of tables, in keys and in relations of both directions, and types in all of them.
 */
#include "rest/cache/internal.h"

#include <stdarg.h>

#define POOL_BYTES  ((size_t)8 * 1024)
#define FIRST_SLOTS ((size_t)1024)

struct slot {
    const void *bytes; /* NULL: free */
    size_t len;
    uint64_t hash;
    bool is_list;
};

bool
making_fails(struct making *m, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(m->why, sizeof m->why, format, args);
    va_end(args);
    return false;
}

static uint64_t
hash_of(const void *bytes, size_t len) /* FNV-1a */
{
    const unsigned char *p = bytes;
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

static struct slot *
slot_for(const struct making *m, const struct slot *like)
{
    size_t i = like->hash & (m->slot_count - 1);

    for (;; i = (i + 1) & (m->slot_count - 1)) {
        struct slot *s = &m->slots[i];

        if (s->bytes == NULL ||
            (s->hash == like->hash && s->len == like->len && s->is_list == like->is_list &&
             memcmp(s->bytes, like->bytes, like->len) == 0))
            return s;
    }
}

/* A third of them stays free. */
static void
make_room(struct making *m)
{
    struct slot *old = m->slots;
    const size_t old_count = m->slot_count;

    if (3 * (m->kept + 1) <= 2 * m->slot_count)
        return;
    m->slot_count = MAX(FIRST_SLOTS, 2 * old_count);
    m->slots = ARENA_ARRAY(m->work, struct slot, m->slot_count);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].bytes != NULL)
            *slot_for(m, &old[i]) = old[i];
}

/* Texts stand side by side: an arena aligns each. */
static char *
text_bytes(struct making *m, size_t size)
{
    if (size > POOL_BYTES / 16)
        return arena_bytes(m->out, size);
    if (size > m->pool_room) {
        m->pool = arena_bytes(m->out, POOL_BYTES);
        m->pool_room = POOL_BYTES;
    }
    char *bytes = m->pool;
    m->pool += size;
    m->pool_room -= size;
    return bytes;
}

/* `size` bytes of which the last of a text is its NUL. */
static const void *
keep(struct making *m, const void *bytes, size_t len, bool is_list)
{
    const struct slot like = {bytes, len, hash_of(bytes, len), is_list};

    make_room(m);
    struct slot *s = slot_for(m, &like);
    if (s->bytes != NULL)
        return s->bytes;
    char *copy = is_list ? arena_bytes(m->out, len) : text_bytes(m, len + 1);
    memcpy(copy, bytes, len);
    if (!is_list)
        copy[len] = '\0';
    *s = like;
    s->bytes = copy;
    m->kept++;
    return copy;
}

const char *
keep_text(struct making *m, struct str text)
{
    return keep(m, text.ptr == NULL ? "" : text.ptr, text.len, false);
}

const char *const *
keep_list(struct making *m, const char *const *items, size_t count)
{
    const char **ended = ARENA_ARRAY(m->work, const char *, count + 1);

    if (count > 0)
        memcpy(ended, items, count * sizeof *items);
    return keep(m, ended, (count + 1) * sizeof *ended, true);
}

bool
row_text(struct making *m, const struct json *row, const char *name, bool must, const char **ret)
{
    const struct json *v = json_get(row, name);

    *ret = NULL;
    if (v == NULL && !must)
        return true;
    if (v == NULL || json_type(v) != JSON_STRING)
        return making_fails(m, "no text \"%s\"", name);
    *ret = keep_text(m, json_text(v));
    return true;
}

bool
row_list(struct making *m, const struct json *row, const char *name, bool must,
         const char *const **ret)
{
    const struct json *v = json_get(row, name);

    *ret = NULL;
    if (v == NULL && !must)
        return true;
    if (v == NULL || json_type(v) != JSON_ARRAY)
        return making_fails(m, "no list \"%s\"", name);
    const size_t count = json_count(v);
    const char **items = ARENA_ARRAY(m->row, const char *, count + 1);
    size_t n = 0;
    for (const struct json *i = json_first(v); i != NULL; i = json_next(i)) {
        if (json_type(i) != JSON_STRING)
            return making_fails(m, "\"%s\" has something else than texts", name);
        items[n++] = keep_text(m, json_text(i));
    }
    *ret = keep_list(m, items, count);
    return true;
}

bool
row_named(struct making *m, const struct json *row, const char *schema, const char *name, bool must,
          struct named *ret)
{
    REST_TRY(row_text(m, row, schema, must, &ret->schema));
    return row_text(m, row, name, must || ret->schema != NULL, &ret->name);
}

int
row_number(const struct json *row, const char *name)
{
    const struct str text = json_text(json_get(row, name));

    return text.ptr == NULL ? 0 : (int)strtol(text.ptr, NULL, 10);
}
