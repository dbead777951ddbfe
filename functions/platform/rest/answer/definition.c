/*
 * The types of the document: of values, and a definition for each table.
 */
#include "rest/answer/internal.h"

#include "json/tree.h"

#define TEXT_MAX ((size_t)64 * 1024)

/* ---- types ---- */

bool
doc_is_array(const char *type)
{
    const size_t len = strlen(type);

    return len > 2 && strcmp(type + len - 2, "[]") == 0;
}

/* NULL: any JSON. */
const char *
doc_swagger_type(const char *type)
{
    static const struct {
        const char *type, *swagger;
    } known[] = {
        {"boolean", "boolean"}, {"smallint", "integer"}, {"integer", "integer"},
        {"bigint", "integer"},  {"numeric", "number"},   {"real", "number"},
        {"json", NULL},         {"jsonb", NULL},         {"double precision", "number"},
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(type, known[i].type) == 0)
            return known[i].swagger;
    return doc_is_array(type) ? "array" : "string";
}

void
doc_known(struct doc *d, const char *key, const char *text)
{
    if (text != NULL)
        jw_text_at(d->w, key, text);
}

const char *
doc_element(struct doc *d, const char *array)
{
    return arena_copy(d->a, (struct str){array, strlen(array) - 2});
}

void
doc_type(struct doc *d, const char *type)
{
    doc_known(d, "type", doc_swagger_type(type));
    jw_text_at(d->w, "format", type);
    if (!doc_is_array(type))
        return;
    jw_key(d->w, "items");
    jw_open(d->w);
    doc_known(d, "type", doc_swagger_type(doc_element(d, type)));
    jw_close(d->w);
}

void
doc_names(struct doc *d, const char *key, const char *const *names)
{
    jw_key(d->w, key);
    jw_open_array(d->w);
    for (; *names != NULL; names++)
        jw_text(d->w, *names);
    jw_close_array(d->w);
}

/* ---- definitions: tables ---- */

/* The key of one column that leads to another table, to a table rather than to a view. */
static const struct cache_relation *
key_of(const struct cache_table *t, const struct cache_column *c)
{
    const struct cache_relation *found = NULL;

    for (size_t i = 0; i < t->relation_count; i++) {
        const struct cache_relation *r = &t->relations[i];

        if ((r->kind == CACHE_M2O || r->kind == CACHE_O2O_CHILD) &&
            strcmp(r->to->schema, t->schema) == 0 && r->from_columns[1] == NULL &&
            strcmp(r->from_columns[0], c->name) == 0 &&
            (found == NULL || (found->to->is_view && !r->to->is_view)))
            found = r;
    }
    return found;
}

static void
write_note(struct doc *d, const struct cache_table *t, const struct cache_column *c)
{
    const struct cache_relation *key = key_of(t, c);
    struct buf b;

    if (c->pk_position == 0 && key == NULL) {
        doc_known(d, "description", c->description);
        return;
    }
    buf_init_arena(&b, d->a, TEXT_MAX);
    if (c->description != NULL)
        buf_printf(&b, "%s\n\n", c->description);
    buf_add_text(&b, "Note:");
    if (c->pk_position > 0)
        buf_add_text(&b, "\nThis is a Primary Key.<pk/>");
    if (key != NULL)
        buf_printf(&b, "\nThis is a Foreign Key to `%s.%s`.<fk table='%s' column='%s'/>",
                   key->to->name, key->to_columns[0], key->to->name, key->to_columns[0]);
    jw_text_at(d->w, "description", b.ptr);
}

/* 'new'::text is "new"; what is an expression stands as it is.  Of numbers and the like only those
 * that are JSON as they stand. */
static void
write_default(struct doc *d, const struct cache_column *c, const char *type)
{
    const char *swagger = doc_swagger_type(type);
    struct str text = c->default_expr == NULL ? STR("") : str_of(c->default_expr);
    const struct str cast = str_of(arena_printf(d->a, "::%s", type));
    const struct json *json;

    if (text.len == 0)
        return;
    if (swagger == NULL || strcmp(swagger, "string") != 0) {
        if (json_parse(d->a, NULL, text, &json) == ERR_OK) {
            jw_key(d->w, "default");
            jw_value(d->w, json);
        }
        return;
    }
    if (text.len > cast.len && memcmp(text.ptr + text.len - cast.len, cast.ptr, cast.len) == 0) {
        text.len -= cast.len;
        while (text.len > 0 && text.ptr[0] == '\'')
            text = (struct str){text.ptr + 1, text.len - 1};
        while (text.len > 0 && text.ptr[text.len - 1] == '\'')
            text.len--;
    }
    jw_str_at(d->w, "default", text);
}

static void
write_column(struct doc *d, const struct cache_table *t, const struct cache_column *c)
{
    jw_key(d->w, c->name);
    jw_open(d->w);
    write_default(d, c, c->bare_type);
    write_note(d, t, c);
    if (c->enum_values != NULL)
        doc_names(d, "enum", c->enum_values);
    if (c->max_length > 0)
        jw_i64_at(d->w, "maxLength", c->max_length);
    doc_type(d, c->bare_type);
    jw_close(d->w);
}

void
doc_definition(struct doc *d, const struct cache_table *t)
{
    bool some = false;

    jw_key(d->w, t->name);
    jw_open(d->w);
    doc_known(d, "description", t->description);
    for (size_t i = 0; i < t->column_count; i++)
        some = some || !t->columns[i].nullable;
    if (some) {
        jw_key(d->w, "required");
        jw_open_array(d->w);
        for (size_t i = 0; i < t->column_count; i++)
            if (!t->columns[i].nullable)
                jw_text(d->w, t->columns[i].name);
        jw_close_array(d->w);
    }
    jw_key(d->w, "properties");
    jw_open(d->w);
    for (size_t i = 0; i < t->column_count; i++)
        write_column(d, t, &t->columns[i]);
    jw_close(d->w);
    jw_text_at(d->w, "type", "object");
    jw_close(d->w);
}
