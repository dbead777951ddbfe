/* The writer: commas and checks in front of a value (before_value), then the value. */
#include "json/write.h"

#include "base/text.h"
#include "json/internal.h"
#include "json/tree.h"

void
jw_init(struct json_writer *w, struct buf *out)
{
    MUST(out != NULL);
    *w = (struct json_writer){.out = out};
}

/* Comma and checks in front of a value. */
static void
before_value(struct json_writer *w)
{
    const bool in_object = w->depth > 0 && w->kind[w->depth] == '{';

    MUST(in_object == w->has_key);
    if (in_object) {
        w->has_key = false;
        return;
    }
    MUST(w->depth > 0 || !w->filled[0]); /* a text is one value */
    if (w->filled[w->depth])
        buf_add_char(w->out, ',');
    w->filled[w->depth] = true;
}

static void
open(struct json_writer *w, char kind)
{
    before_value(w);
    MUST(w->depth + 1 < JSON_WRITE_DEPTH_MAX);
    w->depth++;
    w->kind[w->depth] = kind;
    w->filled[w->depth] = false;
    buf_add_char(w->out, kind);
}

static void
close(struct json_writer *w, char kind)
{
    MUST(w->depth > 0 && w->kind[w->depth] == kind && !w->has_key);
    w->depth--;
    buf_add_char(w->out, kind == '{' ? '}' : ']');
}

void
jw_open(struct json_writer *w)
{
    open(w, '{');
}

void
jw_close(struct json_writer *w)
{
    close(w, '{');
}

void
jw_open_array(struct json_writer *w)
{
    open(w, '[');
}

void
jw_close_array(struct json_writer *w)
{
    close(w, '[');
}

/* A string that has something to escape; stretches that have not are added as they are. */
static void
write_escaped(struct buf *out, struct str s)
{
    char piece[JSON_ESCAPE_SIZE];

    buf_add_char(out, '"');
    for (size_t i = 0, taken; i < s.len; i += taken) {
        const size_t plain = plain_length(s.ptr + i, s.len - i);

        buf_add(out, s.ptr + i, plain);
        i += plain;
        if (i == s.len)
            break;
        buf_add(out, piece, json_escape(s.ptr + i, s.len - i, piece, &taken));
    }
    buf_add_char(out, '"');
}

static void
write_string(struct buf *out, struct str s)
{
    if (plain_length(s.ptr, s.len) < s.len) {
        write_escaped(out, s);
        return;
    }
    char *to = buf_extend(out, s.len + 2);
    if (to == NULL)
        return;
    to[0] = '"';
    if (s.len > 0)
        memcpy(to + 1, s.ptr, s.len);
    to[s.len + 1] = '"';
}

void
jw_key(struct json_writer *w, const char *key)
{
    MUST(w->depth > 0 && w->kind[w->depth] == '{' && !w->has_key);
    if (w->filled[w->depth])
        buf_add_char(w->out, ',');
    w->filled[w->depth] = true;
    write_string(w->out, str_of(key));
    buf_add_char(w->out, ':');
    w->has_key = true;
}

void
jw_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_add_str(w->out, json.len > 0 ? json : STR("null"));
}

/* No text at all (ptr NULL, as of SQL's NULL or an absent member) is null. */
void
jw_str(struct json_writer *w, struct str s)
{
    if (s.ptr == NULL) {
        jw_null(w);
        return;
    }
    before_value(w);
    write_string(w->out, s);
}

void
jw_text(struct json_writer *w, const char *text)
{
    jw_str(w, str_of(text));
}

void
jw_i64(struct json_writer *w, int64_t n)
{
    before_value(w);
    buf_add_i64(w->out, n);
}

void
jw_bool(struct json_writer *w, bool b)
{
    jw_raw(w, b ? STR("true") : STR("false"));
}

void
jw_null(struct json_writer *w)
{
    jw_raw(w, STR("null"));
}

/* numeric's NaN and Infinity are no JSON numbers; like PostgreSQL's to_json we write a string. */
void
jw_number(struct json_writer *w, const char *digits)
{
    if (json_is_number(str_of(digits)))
        jw_raw(w, str_of(digits));
    else
        jw_text(w, digits);
}

void
jw_value(struct json_writer *w, const struct json *v)
{
    const enum json_type type = v == NULL ? JSON_NULL : json_type(v);

    switch (type) {
    case JSON_NULL:
        jw_null(w);
        break;
    case JSON_BOOL:
        jw_bool(w, json_is_true(v));
        break;
    case JSON_NUMBER:
        jw_raw(w, json_text(v));
        break;
    case JSON_STRING:
        jw_str(w, json_text(v));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        open(w, type == JSON_OBJECT ? '{' : '[');
        for (const struct json *c = json_first(v); c != NULL; c = json_next(c)) {
            if (type == JSON_OBJECT)
                jw_key(w, json_key(c).ptr);
            jw_value(w, c);
        }
        close(w, type == JSON_OBJECT ? '{' : '[');
        break;
    }
}

void
jw_text_at(struct json_writer *w, const char *key, const char *text)
{
    jw_key(w, key);
    jw_text(w, text);
}

void
jw_str_at(struct json_writer *w, const char *key, struct str s)
{
    jw_key(w, key);
    jw_str(w, s);
}

void
jw_i64_at(struct json_writer *w, const char *key, int64_t n)
{
    jw_key(w, key);
    jw_i64(w, n);
}

void
jw_bool_at(struct json_writer *w, const char *key, bool b)
{
    jw_key(w, key);
    jw_bool(w, b);
}

void
jw_number_at(struct json_writer *w, const char *key, const char *digits)
{
    jw_key(w, key);
    jw_number(w, digits);
}
