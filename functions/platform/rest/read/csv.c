/*
 * CSV (RFC 4180, with a head line) as a JSON array of objects of strings.
 *
 * An unquoted NULL is null.  Every line must have as many fields as the first; empty lines are
 * none.
 */
#include "rest/read/internal.h"

#include "base/text.h"

/* Names stand in every object again: a head as long as the rest could make a body a thousand times
 * as large. */
#define GROWTH 32

struct csv {
    struct arena *a;
    struct str text;
    size_t at;
    struct str field; /* the last one that was read */
    bool quoted;
};

void
rest_json_string(struct buf *out, struct str text)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len;) {
        const size_t n = plain_length(text.ptr + i, text.len - i);

        buf_add(out, text.ptr + i, n);
        i += n;
        if (i < text.len) {
            char escaped[JSON_ESCAPE_SIZE];
            size_t taken;
            const size_t len = json_escape(text.ptr + i, text.len - i, escaped, &taken);

            buf_add(out, escaped, len);
            i += taken;
        }
    }
    buf_add_char(out, '"');
}

/* "…" with "" for a quote. */
static bool
read_quoted(struct csv *c)
{
    const size_t from = ++c->at;
    size_t doubled = 0, len = 0;

    for (;; c->at++) {
        if (c->at == c->text.len)
            return false;
        if (c->text.ptr[c->at] != '"')
            continue;
        if (c->at + 1 == c->text.len || c->text.ptr[c->at + 1] != '"')
            break;
        c->at++;
        doubled++;
    }
    c->field = (struct str){c->text.ptr + from, c->at++ - from};
    c->quoted = true;
    if (doubled == 0)
        return true;
    char *out = arena_bytes(c->a, c->field.len);
    for (size_t i = 0; i < c->field.len; i++) {
        out[len++] = c->field.ptr[i];
        i += c->field.ptr[i] == '"';
    }
    c->field = (struct str){out, len};
    return true;
}

/* A field and what ends it; *ret_last: that was the line's end.  False: no CSV. */
static bool
read_field(struct csv *c, bool *ret_last)
{
    const size_t from = c->at;

    c->quoted = false;
    if (c->at < c->text.len && c->text.ptr[c->at] == '"') {
        REST_TRY(read_quoted(c));
    } else {
        while (c->at < c->text.len && strchr(",\r\n\"", c->text.ptr[c->at]) == NULL)
            c->at++;
        c->field = (struct str){c->text.ptr + from, c->at - from};
    }
    *ret_last = true;
    if (c->at == c->text.len)
        return true;
    const char end = c->text.ptr[c->at++];
    if (end == '\r' && c->at < c->text.len && c->text.ptr[c->at] == '\n')
        c->at++;
    *ret_last = end != ',';
    return end == ',' || end == '\r' || end == '\n';
}

static struct str
begin_member(struct arena *a, bool first, struct str name)
{
    struct buf member;

    buf_init_arena(&member, a, JSON_ESCAPE_SIZE * name.len + 4);
    buf_add_char(&member, first ? '{' : ',');
    rest_json_string(&member, name);
    buf_add_char(&member, ':');
    return buf_str(&member);
}

/* The head line: the names, and each as it begins a member. */
static bool
read_head(struct csv *c, struct rest_names **ret, struct str **ret_members, size_t *ret_count)
{
    struct rest_names **tail = ret;
    size_t count = 0;
    bool last = false;

    for (; !last; count++) {
        REST_TRY(read_field(c, &last));
        rest_names_add(c->a, &tail, c->field);
    }
    *ret_members = ARENA_ARRAY(c->a, struct str, count);
    *ret_count = 0;
    for (const struct rest_names *n = *ret; n != NULL; n = n->next) {
        (*ret_members)[*ret_count] = begin_member(c->a, n == *ret, n->name);
        ++*ret_count;
    }
    return true;
}

static const char ragged[] = "All lines must have same number of fields";
static const char broken[] = "Empty or invalid csv";

/* A line, if it is not empty, as an object.  NULL, or why not. */
static const char *
read_line(struct csv *c, const struct str *members, size_t count, struct buf *out, size_t *rows)
{
    bool last = false;

    for (size_t i = 0; !last; i++) {
        if (!read_field(c, &last))
            return broken;
        if (i == 0 && last && c->field.len == 0)
            return NULL;
        if (i == count || (last && i + 1 < count))
            return ragged;
        if (i == 0 && (*rows)++ > 0)
            buf_add_char(out, ',');
        buf_add_str(out, members[i]);
        if (!c->quoted && str_is(c->field, "NULL"))
            buf_add_text(out, "null");
        else
            rest_json_string(out, c->field);
    }
    buf_add_char(out, '}');
    return NULL;
}

bool
rest_csv(struct arena *a, struct str csv, struct str *ret_json, struct rest_names **ret_columns,
         size_t *ret_rows, const char **ret_problem)
{
    struct csv c = {.a = a, .text = csv};
    struct str *members;
    size_t count;
    struct buf out;

    *ret_rows = 0;
    *ret_columns = NULL;
    *ret_problem = broken;
    if (csv.len >= 3 && memcmp(csv.ptr, "\xEF\xBB\xBF", 3) == 0) /* what spreadsheets write first */
        c.at = 3;
    if (c.at == csv.len || !read_head(&c, ret_columns, &members, &count))
        return false;
    *ret_columns = rest_names_sort(a, *ret_columns);
    buf_init_arena(&out, a, MIN(GROWTH * csv.len + 1024, REST_BODY_MADE_MAX));
    buf_add_char(&out, '[');
    while (c.at < csv.len) {
        *ret_problem = read_line(&c, members, count, &out, ret_rows);
        if (*ret_problem != NULL)
            return false;
        if (out.overflow) {
            *ret_problem = "The csv is too large";
            return false;
        }
    }
    buf_add_char(&out, ']');
    *ret_problem = "The csv is too large";
    *ret_json = buf_str(&out);
    return !out.overflow;
}
