/*
 * Rows to tables.  Each row is JSON of its own, read, taken over and forgotten before the next one;
 * what members it has is said beside the SQL function that makes it (rest_schema.sql,
 * rest_routines.sql).  Read from cache_decode.
 */
#include "rest/cache/internal.h"

#define WORK_BYTES_MAX ((size_t)1024 * 1024 * 1024)

static NODISCARD bool
read_column(struct making *m, const struct json *row, struct cache_column *ret)
{
    REST_TRY(row_text(m, row, "name", true, &ret->name));
    REST_TRY(row_text(m, row, "type", true, &ret->type));
    REST_TRY(row_text(m, row, "bare", false, &ret->bare_type));
    if (ret->bare_type == NULL)
        ret->bare_type = ret->type;
    REST_TRY(row_text(m, row, "default", false, &ret->default_expr));
    REST_TRY(row_text(m, row, "description", false, &ret->description));
    REST_TRY(row_list(m, row, "enum", false, &ret->enum_values));
    ret->max_length = row_number(row, "max");
    ret->nullable = json_is_true(json_get(row, "nullable"));
    ret->generated_always = json_is_true(json_get(row, "fixed"));
    ret->is_json = json_is_true(json_get(row, "json"));
    ret->is_tsvector = json_is_true(json_get(row, "tsvector"));
    ret->unique = json_is_true(json_get(row, "unique"));
    REST_TRY(row_text(m, row, "reader", false, &ret->reader));
    return row_text(m, row, "row_id", ret->reader != NULL, &ret->row_id);
}

static NODISCARD bool
read_columns(struct making *m, const struct json *list, struct cache_table *t)
{
    if (list == NULL || json_type(list) != JSON_ARRAY)
        return making_fails(m, "no columns");
    t->column_count = json_count(list);
    struct cache_column *columns = ARENA_ARRAY(m->out, struct cache_column, t->column_count);
    struct cache_column *column = columns;
    t->columns = columns;
    for (const struct json *row = json_first(list); row != NULL; row = json_next(row), column++) {
        REST_TRY(read_column(m, row, column));
        t->has_sealed = t->has_sealed || column->reader != NULL;
        for (int i = 0; t->pk[i] != NULL; i++)
            if (t->pk[i] == column->name)
                column->pk_position = i + 1;
    }
    return true;
}

static NODISCARD bool
read_table(struct making *m, const struct json *row)
{
    struct cache_table *t = &m->tables[m->table_count++];

    REST_TRY(row_text(m, row, "schema", true, &t->schema));
    REST_TRY(row_text(m, row, "name", true, &t->name));
    REST_TRY(row_text(m, row, "description", false, &t->description));
    REST_TRY(row_list(m, row, "pk", false, &t->pk));
    if (t->pk == NULL)
        t->pk = keep_list(m, NULL, 0);
    t->exposed = json_is_true(json_get(row, "exposed"));
    t->is_view = json_is_true(json_get(row, "view"));
    t->insertable = json_is_true(json_get(row, "insertable"));
    t->updatable = json_is_true(json_get(row, "updatable"));
    t->deletable = json_is_true(json_get(row, "deletable"));
    return read_columns(m, json_get(row, "columns"), t);
}

static NODISCARD bool
read_key(struct making *m, const struct json *row)
{
    struct key *k = &m->keys[m->key_count++];

    REST_TRY(row_text(m, row, "constraint", true, &k->constraint));
    REST_TRY(row_named(m, row, "schema", "table", true, &k->from));
    REST_TRY(row_named(m, row, "to_schema", "to_table", true, &k->to));
    REST_TRY(row_list(m, row, "columns", true, &k->from_columns));
    REST_TRY(row_list(m, row, "to_columns", true, &k->to_columns));
    k->unique = json_is_true(json_get(row, "unique"));
    for (size_t i = 0;; i++) {
        if ((k->from_columns[i] == NULL) != (k->to_columns[i] == NULL))
            return making_fails(m, "\"columns\" and \"to_columns\" do not belong together");
        if (k->from_columns[i] == NULL)
            return true;
    }
}

/* Rows of views have many of them. */
static struct shown *
add_shown(struct making *m)
{
    if (m->shown_count == m->shown_room) {
        const size_t room = MAX(64, 2 * m->shown_room);
        struct shown *more = ARENA_ARRAY(m->work, struct shown, room);

        if (m->shown_count > 0)
            memcpy(more, m->shown, m->shown_count * sizeof *more);
        m->shown = more;
        m->shown_room = room;
    }
    return &m->shown[m->shown_count++];
}

static NODISCARD bool
read_view(struct making *m, const struct json *row)
{
    const struct json *list = json_get(row, "columns");
    struct named view;

    REST_TRY(row_named(m, row, "schema", "name", true, &view));
    if (list == NULL || json_type(list) != JSON_ARRAY)
        return making_fails(m, "no columns");
    for (const struct json *c = json_first(list); c != NULL; c = json_next(c)) {
        const char *words[4];
        size_t n = 0;

        for (const struct json *w = json_first(c); w != NULL; w = json_next(w), n++)
            if (n < ARRAY_LEN(words) && json_type(w) == JSON_STRING)
                words[n] = keep_text(m, json_text(w));
            else
                return making_fails(m, "a view's column is no list of four texts");
        if (n != ARRAY_LEN(words))
            return making_fails(m, "a view's column is no list of four texts");
        *add_shown(m) = (struct shown){.view = view,
                                       .column = words[0],
                                       .base = {words[1], words[2]},
                                       .base_column = words[3]};
    }
    return true;
}

static NODISCARD bool
read_call(struct making *m, const struct json *row)
{
    struct call *c = &m->calls[m->call_count++];

    REST_TRY(row_named(m, row, "schema", "table", true, &c->from));
    REST_TRY(row_named(m, row, "to_schema", "to_table", true, &c->to));
    REST_TRY(row_named(m, row, "function_schema", "function", true, &c->function));
    c->to_one = json_is_true(json_get(row, "to_one"));
    return true;
}

static NODISCARD bool
read_role(struct making *m, const struct json *row)
{
    struct cache_role *r = &m->roles[m->role_count++];

    REST_TRY(row_text(m, row, "name", true, &r->name));
    REST_TRY(row_list(m, row, "settings", false, &r->settings));
    if (r->settings == NULL)
        r->settings = keep_list(m, NULL, 0);
    r->sees_all = json_is_true(json_get(row, "sees_all"));
    return row_text(m, row, "isolation", false, &r->isolation);
}

static NODISCARD bool
read_types(struct making *m, const struct json *list)
{
    if (json_type(list) != JSON_ARRAY)
        return making_fails(m, "no list");
    const char **types = ARENA_ARRAY(m->out, const char *, json_count(list) + 1);
    m->whole->cache.types = types;
    for (const struct json *t = json_first(list); t != NULL; t = json_next(t)) {
        if (json_type(t) != JSON_STRING)
            return making_fails(m, "something else than texts");
        types[m->whole->type_count++] = keep_text(m, json_text(t));
    }
    qsort(types, m->whole->type_count, sizeof types[0], rest_text_order);
    return true;
}

static NODISCARD bool
read_description(struct making *m, const struct json *text)
{
    if (json_type(text) != JSON_STRING)
        return making_fails(m, "no text");
    m->whole->cache.description = keep_text(m, json_text(text));
    return true;
}

static const struct kind {
    const char *name;
    bool (*read)(struct making *m, const struct json *row);
    bool is_object;
} kinds[] = {{"table", read_table, true},
             {"key", read_key, true},
             {"view", read_view, true},
             {"routine", read_routine, true},
             {"computed", read_call, true},
             {"handler", read_handler, true},
             {"role", read_role, true},
             {"types", read_types, false},
             {"description", read_description, false}};

static size_t
count_of(const char *const *rows, size_t count, const char *kind)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        n += strcmp(rows[2 * i], kind) == 0;
    return n;
}

static NODISCARD bool
read_row(struct making *m, const char *kind, const char *text)
{
    const struct json *row;
    struct fail f = {0};
    size_t i = 0;

    while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].name, kind) != 0)
        i++;
    if (i == ARRAY_LEN(kinds))
        return making_fails(m, "a kind that nobody knows");
    if (json_parse(m->row, &f, str_of(text), &row) != ERR_OK)
        return making_fails(m, "%.150s", f.text);
    if (kinds[i].is_object && json_type(row) != JSON_OBJECT)
        return making_fails(m, "no object");
    const bool good = kinds[i].read(m, row);
    arena_reset(m->row);
    return good;
}

static NODISCARD bool
read_rows(struct making *m, const char *const *rows, size_t count, const char **ret_kind)
{
    struct arena *work = m->work;

    m->tables = ARENA_ARRAY(m->out, struct cache_table, count_of(rows, count, "table"));
    m->roles = ARENA_ARRAY(m->out, struct cache_role, count_of(rows, count, "role"));
    m->keys = ARENA_ARRAY(work, struct key, count_of(rows, count, "key"));
    m->calls = ARENA_ARRAY(work, struct call, count_of(rows, count, "computed"));
    m->routines = ARENA_ARRAY(work, struct raw_routine, count_of(rows, count, "routine"));
    m->handlers = ARENA_ARRAY(work, struct raw_handler, count_of(rows, count, "handler"));
    for (size_t i = 0; i < count; i++) {
        *ret_kind = rows[2 * i];
        REST_TRY(read_row(m, rows[2 * i], rows[2 * i + 1]));
    }
    *ret_kind = "types";
    return m->whole->cache.types != NULL || making_fails(m, "missing");
}

struct cache *
cache_decode(struct arena *a, const char *const *rows, size_t count, const char **why)
{
    struct arena *out = arena_new(WORK_BYTES_MAX);
    struct making m = {.out = out,
                       .work = arena_new(WORK_BYTES_MAX),
                       .row = arena_new(WORK_BYTES_MAX),
                       .whole = ARENA_NEW(out, struct cache_whole)};
    struct cache *c = &m.whole->cache;
    const char *kind;

    m.whole->arena = out;
    const bool good = read_rows(&m, rows, count, &kind);
    if (good) {
        qsort(m.tables, m.table_count, sizeof m.tables[0], cache_table_order);
        c->tables = m.tables;
        c->table_count = m.table_count;
        c->roles = m.roles;
        c->role_count = m.role_count;
        make_routines(&m);
        make_relations(&m);
        c->bytes = arena_used(out);
    } else {
        *why = arena_printf(a, "%s: %s", kind, m.why);
    }
    arena_free(m.row);
    arena_free(m.work);
    if (good)
        return c;
    arena_free(out);
    return NULL;
}

void
cache_free(struct cache *c)
{
    if (c != NULL)
        arena_free(CONTAINER_OF(c, struct cache_whole, cache)->arena);
}
