#include "db/array.h"

#include <string.h>

size_t
db_array_size(const char *const *items, size_t count)
{
    size_t size = sizeof "{}";

    for (size_t i = 0; i < count; i++)
        size += items[i] == NULL ? sizeof "NULL" : 2 * strlen(items[i]) + sizeof "\"\"";
    return size;
}

void
db_array_write(char *out, const char *const *items, size_t count)
{
    *out++ = '{';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *out++ = ',';
        if (items[i] == NULL) {
            out = stpcpy(out, "NULL");
            continue;
        }
        *out++ = '"';
        for (const char *p = items[i]; *p != '\0'; p++) {
            if (*p == '"' || *p == '\\')
                *out++ = '\\';
            *out++ = *p;
        }
        *out++ = '"';
    }
    memcpy(out, "}", sizeof "}");
}

/* One element from `p` on, copied without its quotes to `*out`; where it ends, NULL when it does
 * not. */
static const char *
read_item(const char *p, const char *end, char **out, struct str *ret)
{
    const bool quoted = p < end && *p == '"';
    char *to = *out;

    for (p += quoted; p < end && (quoted ? *p != '"' : *p != ',' && *p != '}'); p++) {
        if (!quoted && (*p == '{' || *p == '"'))
            return NULL;
        if (*p == '\\' && ++p == end)
            return NULL;
        *to++ = *p;
    }
    if (p == end || (!quoted && to == *out))
        return NULL;
    *ret = (struct str){*out, (size_t)(to - *out)};
    *to++ = '\0';
    if (!quoted && strcmp(*out, "NULL") == 0)
        *ret = STR_NONE;
    *out = to;
    return p + quoted;
}

bool
db_array_read(struct arena *a, struct str text, const struct str **ret, size_t *ret_count)
{
    const char *p = text.ptr, *const end = text.ptr + text.len;
    size_t most = 1, count = 0;

    if (text.len < 2 || *p++ != '{')
        return false;
    for (const char *c = p; c < end; c++)
        most += *c == ',';
    struct str *items = ARENA_ARRAY(a, struct str, most);
    char *out = arena_alloc(a, text.len + most); /* what is read is no longer than it was written */

    while (p < end && *p != '}') {
        p = read_item(p, end, &out, &items[count]);
        if (p == NULL || p == end || (*p != ',' && *p != '}'))
            return false;
        count++;
        if (*p == ',' && (++p == end || *p == '}'))
            return false;
    }
    *ret = items;
    *ret_count = count;
    return p + 1 == end;
}
