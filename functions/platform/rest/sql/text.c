/* Identifiers, parameters, columns. */
#include "rest/sql/internal.h"

#include <stdarg.h>

#include "rest/sql/sql.h"

void
put(struct sql *s, const char *text)
{
    buf_add_text(&s->text, text);
}

void
put_f(struct sql *s, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    const int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    MUST(len >= 0 && (size_t)len < sizeof text);
    buf_add(&s->text, text, (size_t)len);
}

void
sql_quote(struct buf *b, struct str name)
{
    buf_add_char(b, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"')
            buf_add_char(b, '"');
        buf_add_char(b, name.ptr[i]);
    }
    buf_add_char(b, '"');
}

void
put_name(struct sql *s, struct str name)
{
    sql_quote(&s->text, name);
}

void
put_names(struct sql *s, const char *schema, const char *name)
{
    put_name(s, str_of(schema));
    put(s, ".");
    put_name(s, str_of(name));
}

void
put_value(struct sql *s, struct str value)
{
    if (s->count == s->room) {
        const size_t room = s->room == 0 ? 16 : 2 * s->room;
        const char **params = ARENA_ARRAY(s->a, const char *, room);

        if (s->count > 0)
            memcpy(params, s->params, s->count * sizeof *params);
        s->params = params;
        s->room = room;
    }
    /* A body is long, and ends with a NUL as it is. */
    s->params[s->count++] =
        value.ptr == s->plan->request->body.ptr ? value.ptr : arena_copy(s->a, value);
    put_f(s, "$%zu", s->count);
}

void
put_level(struct sql *s, const struct plan_level *level)
{
    if (level->number > 0)
        put_f(s, "pgrst_t%d", level->number);
    else if (s->from_source)
        put(s, "pgrst_source");
    else
        put_name(s, level->table != NULL ? str_of(level->table->name) : level->name);
}

void
put_sealed(struct sql *s, const struct plan_level *level, const struct cache_column *c)
{
    put(s, c->reader);
    put(s, "(");
    put_level(s, level);
    put(s, ".");
    put_name(s, str_of(c->row_id));
    put(s, ", ");
    put_value(s, str_of(c->name));
    put(s, "::text, ");
    put_level(s, level);
    put(s, ".");
    put_name(s, str_of(c->name));
    put(s, ")");
}

void
put_path(struct sql *s, const struct rest_step *path)
{
    for (; path != NULL; path = path->next) {
        put(s, path->as_text ? "->>" : "->");
        put_value(s, path->key);
        put(s, path->is_index ? "::int" : "::text");
    }
}

void
put_field(struct sql *s, const struct plan_level *level, struct str name,
          const struct rest_step *path)
{
    const struct cache_column *c = level->table == NULL ? NULL : cache_column(level->table, name);
    const bool wrapped = path != NULL && c != NULL && !c->is_json;

    if (wrapped)
        put(s, "to_jsonb(");
    put_level(s, level);
    put(s, ".");
    put_name(s, name);
    if (wrapped)
        put(s, ")");
    put_path(s, path);
}
