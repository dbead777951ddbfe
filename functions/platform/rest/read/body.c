/* The body: what it is, what of it goes to PostgreSQL, and which columns or arguments it has. */
#include "rest/read/internal.h"

#define FIELDS_MAX 20000 /* of a form */

static const char bad_json[] = "Empty or invalid json";

static bool
refuse(struct arena *a, struct rest_error *e, const char *problem)
{
    return rest_fail(a, e, 400, "PGRST102", "%s", problem);
}

/* With `columns` a body is not looked at, but for its first character: an object or an array? */
static bool
begins_with_brace(struct str text)
{
    size_t i = 0;

    while (i < text.len && strchr(" \t\n\r", text.ptr[i]) != NULL)
        i++;
    return i < text.len && text.ptr[i] == '{';
}

static bool
read_json(struct arena *a, struct rest_request *ret, struct rest_error *e)
{
    struct rest_scanned scanned;

    if (!rest_text_ok(ret->body))
        return refuse(a, e, bad_json);
    if (ret->has_columns) {
        ret->body_is_array = !begins_with_brace(ret->body);
        return true;
    }
    if (ret->body.len == 0 && ret->target == REST_CALL)
        ret->body = STR("{}");
    if (!rest_scan(a, ret->body, &scanned))
        return refuse(a, e, bad_json);
    if (scanned.too_many)
        return refuse(a, e, "The object has too many keys");
    if (!scanned.uniform)
        return refuse(a, e, "All object keys must match");
    ret->columns = scanned.keys;
    ret->body_is_array = scanned.shape != REST_ONE;
    ret->body_is_empty = scanned.shape == REST_ONE ? scanned.keys == NULL : scanned.elements == 0;
    if (scanned.shape == REST_SCALAR)
        ret->body = STR("[]");
    return true;
}

static bool
read_csv(struct arena *a, struct rest_request *ret, struct rest_error *e)
{
    const char *problem = "Empty or invalid csv";
    size_t rows = 0;

    if (!rest_text_ok(ret->body) ||
        !rest_csv(a, ret->body, &ret->body, &ret->columns, &rows, &problem))
        return refuse(a, e, problem);
    ret->has_columns = false;
    ret->body_is_array = true;
    ret->body_is_empty = rows == 0;
    if (rows == 0) /* as of [], there is nothing to have columns */
        ret->columns = NULL;
    return true;
}

static void
add_arguments(struct arena *a, const struct rest_pair *pairs, size_t count,
              struct rest_argument **tail)
{
    for (size_t i = 0; i < count; i++) {
        *tail = ARENA_NEW(a, struct rest_argument);
        (*tail)->name = pairs[i].key;
        (*tail)->value = pairs[i].value;
        tail = &(*tail)->next;
    }
}

static bool
too_many_fields(struct str form)
{
    size_t count = 0;

    for (size_t i = 0; i < form.len; i++)
        count += form.ptr[i] == '&';
    return count >= FIELDS_MAX;
}

/* An object of strings; of several values for one key the last counts. */
static bool
read_form(struct arena *a, struct rest_request *ret, struct rest_error *e)
{
    struct rest_names *columns = NULL, **tail = &columns;
    struct rest_pair *pairs;
    struct buf out;
    size_t count;

    if (too_many_fields(ret->body))
        return refuse(a, e, "The form has too many fields");
    if (!rest_pairs(a, ret->body, &pairs, &count))
        return refuse(a, e, "The form is no valid UTF-8 text");
    if (ret->target == REST_CALL)
        add_arguments(a, pairs, count, &ret->arguments);
    struct rest_pair **sorted = rest_pairs_sort(a, pairs, count);
    buf_init_arena(&out, a, MIN(8 * ret->body.len + 16, REST_BODY_MADE_MAX / 2));
    buf_add_char(&out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && str_eq(sorted[i]->key, sorted[i + 1]->key))
            continue;
        if (columns != NULL)
            buf_add_char(&out, ',');
        rest_names_add(a, &tail, sorted[i]->key);
        rest_json_string(&out, sorted[i]->key);
        buf_add_char(&out, ':');
        rest_json_string(&out, sorted[i]->value);
    }
    buf_add_char(&out, '}');
    if (out.overflow)
        return refuse(a, e, "The form is too large");
    ret->body = buf_str(&out);
    ret->has_columns = false;
    ret->columns = columns;
    ret->body_is_empty = columns == NULL;
    return true;
}

/* Text, XML and bytes are the one argument of a function, and nothing for a table. */
static bool
read_raw(struct arena *a, struct rest_request *ret, struct rest_error *e)
{
    if (ret->target != REST_CALL || ret->body_type == REST_BODY_OTHER)
        return rest_fail_about(a, e, 400, "PGRST102",
                               "Content-Type not acceptable: ", ret->content_type, "");
    if (ret->body_type != REST_BODY_BYTES && !rest_text_ok(ret->body))
        return refuse(a, e, "The body is no valid UTF-8 text");
    ret->has_columns = false;
    ret->columns = NULL;
    return true;
}

bool
rest_body_read(struct arena *a, const struct net_request *http, struct rest_request *ret,
               struct rest_error *e)
{
    const bool has_body =
        ret->method == REST_POST || ret->method == REST_PATCH || ret->method == REST_PUT;
    struct str type = http->content_type;

    if (type.len == 0)
        type = rest_header(http, "content-type");
    ret->body_type = rest_content_type(a, type, &ret->content_type);
    if (!has_body) {
        ret->body_type = REST_BODY_NONE;
        return true;
    }
    ret->body = http->body.ptr == NULL ? STR("") : http->body;
    switch (ret->body_type) {
    case REST_BODY_JSON:
        return read_json(a, ret, e);
    case REST_BODY_CSV:
        return read_csv(a, ret, e);
    case REST_BODY_FORM:
        return read_form(a, ret, e);
    case REST_BODY_NONE:
    case REST_BODY_TEXT:
    case REST_BODY_XML:
    case REST_BODY_BYTES:
    case REST_BODY_OTHER:
        break;
    }
    return read_raw(a, ret, e);
}
