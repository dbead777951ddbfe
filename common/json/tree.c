/* The tree is cJSON's, made after our own scan has taken the text; then every number gets its token
 * (attach_tokens), in place of the double.  What callers read it with stands below. */
#include "json/tree.h"

#include <cjson/cJSON.h>

#include "base/text.h"
#include "json/internal.h"

/* Where cJSON's nodes go.  A request that runs out of memory is unwound from inside of cJSON and
 * leaves this set; the next parse sets it anew. */
static struct arena *current_arena;

static void *
hook_malloc(size_t size)
{
    MUST(current_arena != NULL);
    return arena_alloc(current_arena, size);
}

static void
hook_free(void *ptr)
{
    (void)ptr; /* the arena's */
}

static cJSON *
build(struct arena *a, struct str text)
{
    static bool hooked;
    const char *end = NULL;

    if (!hooked) {
        cJSON_Hooks hooks = {hook_malloc, hook_free};
        cJSON_InitHooks(&hooks);
        hooked = true;
    }
    current_arena = a;
    cJSON *tree = cJSON_ParseWithLengthOpts(text.ptr, text.len, &end, false);
    current_arena = NULL;
    return tree;
}

/* The next number token of a good text behind *at. */
static struct str
next_number(struct str text, size_t *at)
{
    size_t i = *at;

    while (i < text.len && text.ptr[i] != '-' && !(text.ptr[i] >= '0' && text.ptr[i] <= '9')) {
        if (text.ptr[i++] != '"')
            continue;
        while (text.ptr[i += plain_length(text.ptr + i, text.len - i)] != '"')
            i += text.ptr[i] == '\\' ? 2 : 1;
        i++;
    }
    const size_t start = i;
    while (i < text.len && text.ptr[i] != '\0' && strchr("+-.eE0123456789", text.ptr[i]) != NULL)
        i++;
    *at = i;
    return (struct str){text.ptr + start, i - start};
}

/* Give every number its token; the tree is walked in the order of the text. */
static void
attach_tokens(struct arena *a, cJSON *first, struct str text, size_t *at)
{
    for (cJSON *v = first; v != NULL; v = v->next) {
        if (cJSON_IsNumber(v))
            v->valuestring = arena_copy(a, next_number(text, at));
        else if (v->child != NULL)
            attach_tokens(a, v->child, text, at);
    }
}

static enum err
parse(struct arena *a, struct fail *f, struct str text, bool mend, size_t values_max,
      const struct json **ret)
{
    struct json_scanned scanned;
    size_t at = 0;

    MUST(a != NULL);
    if (text.len == 0)
        return fail_set(f, ERR_INVALID, "Request body is empty");
    if (text.len > INT32_MAX)
        return fail_set(f, ERR_TOO_LARGE, "JSON text is too long");
    if (!json_scan(a, text, mend, &scanned))
        return fail_set(f, ERR_INVALID, "Invalid JSON at byte %zu: %s", scanned.at + 1,
                        scanned.reason);
    if (scanned.values > values_max)
        return fail_set(f, ERR_TOO_LARGE, "JSON text has too many values");
    cJSON *tree = build(a, scanned.text);
    if (tree == NULL)
        return fail_detail(f, ERR_INTERNAL, "cJSON refuses a text that the strict scan accepts");
    attach_tokens(a, tree, scanned.text, &at);
    *ret = (const struct json *)(const void *)tree;
    return ERR_OK;
}

struct str
json_without_bom(struct str text)
{
    return text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0
               ? (struct str){text.ptr + 3, text.len - 3}
               : text;
}

enum err
json_parse(struct arena *a, struct fail *f, struct str text, const struct json **ret)
{
    return parse(a, f, text, false, SIZE_MAX, ret);
}

enum err
json_parse_foreign(struct arena *a, struct fail *f, struct str text, size_t values_max,
                   const struct json **ret)
{
    return parse(a, f, text, true, values_max, ret);
}

static const cJSON *
node(const struct json *v)
{
    return (const cJSON *)(const void *)v;
}

static const struct json *
value(const cJSON *n)
{
    return (const struct json *)(const void *)n;
}

enum json_type
json_type(const struct json *v)
{
    switch (node(v)->type & 0xFF) {
    case cJSON_NULL:
        return JSON_NULL;
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        die("json: a node of type %d", node(v)->type);
    }
}

const struct json *
json_get(const struct json *object, const char *name)
{
    if (object == NULL || !cJSON_IsObject(node(object)))
        return NULL;
    for (const cJSON *v = node(object)->child; v != NULL; v = v->next)
        if (v->string[0] == name[0] && strcmp(v->string, name) == 0)
            return value(v);
    return NULL;
}

struct str
json_text(const struct json *v)
{
    if (v == NULL || !(cJSON_IsString(node(v)) || cJSON_IsNumber(node(v))))
        return STR_NONE;
    return str_of(node(v)->valuestring);
}

bool
json_is_true(const struct json *v)
{
    return v != NULL && cJSON_IsTrue(node(v));
}

const struct json *
json_first(const struct json *v)
{
    return v == NULL ? NULL : value(node(v)->child);
}

const struct json *
json_next(const struct json *v)
{
    return v == NULL ? NULL : value(node(v)->next);
}

struct str
json_key(const struct json *v)
{
    return v == NULL ? STR_NONE : str_of(node(v)->string);
}

size_t
json_count(const struct json *v)
{
    size_t n = 0;

    for (v = json_first(v); v != NULL; v = json_next(v))
        n++;
    return n;
}
