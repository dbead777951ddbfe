/*
 * The document at the root: Swagger 2.0 as the original makes it, of one schema.  What a caller may
 * is not looked at: every table and function of the schema is in it.
 */
#include "rest/answer/internal.h"

#include "base/encode.h"

#define REF_MAX 1024 /* two names of 63 bytes, each byte three */

/* ---- pieces ---- */

/* A JSON pointer behind "#": "~" and "/" of a name are ~0 and ~1, and the rest is as in addresses.
 */
static void
write_ref(struct doc *d, const char *to, const char *name)
{
    struct buf b;

    buf_init_arena(&b, d->a, REF_MAX);
    buf_printf(&b, "#/%s/", to);
    for (; *name != '\0'; name++)
        if (*name == '~' || *name == '/')
            buf_add_text(&b, *name == '~' ? "~0" : "~1");
        else
            percent_encode(&b, (struct str){name, 1});
    jw_open(d->w);
    jw_text_at(d->w, "$ref", b.ptr);
    jw_close(d->w);
}

static void
write_refs(struct doc *d, const char *const *names)
{
    for (; *names != NULL; names++)
        write_ref(d, "parameters", *names);
}

/* The first line of a comment is a summary, what follows the description. */
static void
write_comment(struct doc *d, const char *text)
{
    const char *end = text == NULL ? NULL : strchr(text, '\n');

    if (text == NULL)
        return;
    if (end == NULL) {
        jw_text_at(d->w, "summary", text);
        return;
    }
    jw_str_at(d->w, "summary", (struct str){text, (size_t)(end - text)});
    end += strspn(end, "\n");
    if (*end != '\0')
        jw_text_at(d->w, "description", end);
}

static void
begin_operation(struct doc *d, const char *method, const char *tag, const char *comment)
{
    jw_key(d->w, method);
    jw_open(d->w);
    jw_key(d->w, "tags");
    jw_open_array(d->w);
    jw_text(d->w, tag);
    jw_close_array(d->w);
    write_comment(d, comment);
}

static void
write_response(struct doc *d, const char *status, const char *text)
{
    jw_key(d->w, status);
    jw_open(d->w);
    jw_text_at(d->w, "description", text);
    jw_close(d->w);
}

static void
end_operation(struct doc *d, const char *status, const char *text)
{
    jw_key(d->w, "responses");
    jw_open(d->w);
    write_response(d, status, text);
    jw_close(d->w);
    jw_close(d->w);
}

/* ---- parameters ---- */

struct parameter {
    const char *key, *name, *description, *in;
    const char *fallback;  /* NULL: none */
    const char *values[6]; /* of Prefer */
};

#define RETURNS "return=representation", "return=minimal", "return=none"
#define PREFER(...)                                                                                \
    "Prefer", "Preference", "header", NULL,                                                        \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const struct parameter parameters[] = {
    {"preferParams", PREFER(NULL)},
    {"preferReturn", PREFER(RETURNS)},
    {"preferCount", PREFER("count=none")},
    {"preferPost", PREFER(RETURNS, "resolution=ignore-duplicates", "resolution=merge-duplicates")},
    {"select", "select", "Filtering Columns", "query", NULL, {NULL}},
    {"on_conflict", "on_conflict", "On Conflict", "query", NULL, {NULL}},
    {"order", "order", "Ordering", "query", NULL, {NULL}},
    {"range", "Range", "Limiting and Pagination", "header", NULL, {NULL}},
    {"rangeUnit", "Range-Unit", "Limiting and Pagination", "header", "items", {NULL}},
    {"offset", "offset", "Limiting and Pagination", "query", NULL, {NULL}},
    {"limit", "limit", "Limiting and Pagination", "query", NULL, {NULL}},
};

static void
write_parameter(struct doc *d, const struct parameter *p)
{
    jw_key(d->w, p->key);
    jw_open(d->w);
    jw_text_at(d->w, "name", p->name);
    doc_known(d, "description", p->description);
    jw_bool_at(d->w, "required", false);
    jw_text_at(d->w, "in", p->in);
    jw_text_at(d->w, "type", "string");
    doc_known(d, "default", p->fallback);
    if (p->values[0] != NULL)
        doc_names(d, "enum", p->values);
    jw_close(d->w);
}

static void
write_table_parameters(struct doc *d, const struct cache_table *t)
{
    jw_key(d->w, arena_printf(d->a, "body.%s", t->name));
    jw_open(d->w);
    jw_text_at(d->w, "name", t->name);
    jw_text_at(d->w, "description", t->name);
    jw_bool_at(d->w, "required", false);
    jw_text_at(d->w, "in", "body");
    jw_key(d->w, "schema");
    write_ref(d, "definitions", t->name);
    jw_close(d->w);
    for (size_t i = 0; i < t->column_count; i++) {
        const struct parameter p = {
            .key = arena_printf(d->a, "rowFilter.%s.%s", t->name, t->columns[i].name),
            .name = t->columns[i].name,
            .description = t->columns[i].description,
            .in = "query",
        };
        write_parameter(d, &p);
    }
}

/* ---- paths: tables ---- */

static void
write_filters(struct doc *d, const struct cache_table *t)
{
    for (size_t i = 0; i < t->column_count; i++)
        write_ref(d, "parameters",
                  arena_printf(d->a, "rowFilter.%s.%s", t->name, t->columns[i].name));
}

static void
write_get(struct doc *d, const struct cache_table *t)
{
    static const char *const more[] = {"select", "order", "range",       "rangeUnit",
                                       "offset", "limit", "preferCount", NULL};

    begin_operation(d, "get", t->name, t->description);
    jw_key(d->w, "parameters");
    jw_open_array(d->w);
    write_filters(d, t);
    write_refs(d, more);
    jw_close_array(d->w);
    jw_key(d->w, "responses");
    jw_open(d->w);
    jw_key(d->w, "200");
    jw_open(d->w);
    jw_text_at(d->w, "description", "OK");
    jw_key(d->w, "schema");
    jw_open(d->w);
    jw_text_at(d->w, "type", "array");
    jw_key(d->w, "items");
    write_ref(d, "definitions", t->name);
    jw_close(d->w);
    jw_close(d->w);
    write_response(d, "206", "Partial Content");
    jw_close(d->w);
    jw_close(d->w);
}

static void
write_change(struct doc *d, const struct cache_table *t, const char *method)
{
    const bool posts = strcmp(method, "post") == 0;
    const bool has_body = strcmp(method, "delete") != 0;

    begin_operation(d, method, t->name, t->description);
    jw_key(d->w, "parameters");
    jw_open_array(d->w);
    if (!posts)
        write_filters(d, t);
    if (has_body)
        write_ref(d, "parameters", arena_printf(d->a, "body.%s", t->name));
    if (posts)
        write_ref(d, "parameters", "select");
    write_ref(d, "parameters", posts ? "preferPost" : "preferReturn");
    jw_close_array(d->w);
    end_operation(d, posts ? "201" : "204", posts ? "Created" : "No Content");
}

static void
write_table_path(struct doc *d, const struct cache_table *t)
{
    jw_key(d->w, arena_printf(d->a, "/%s", t->name));
    jw_open(d->w);
    write_get(d, t);
    if (t->insertable)
        write_change(d, t, "post");
    if (t->deletable)
        write_change(d, t, "delete");
    if (t->updatable)
        write_change(d, t, "patch");
    jw_close(d->w);
}

/* ---- paths: functions ---- */

static const char *const call_types[] = {"application/json",
                                         "application/vnd.pgrst.object+json;nulls=stripped",
                                         "application/vnd.pgrst.object+json", NULL};

/* In a query string arrays are {…}, and JSON is text. */
static void
write_query_argument(struct doc *d, const struct cache_argument *argument)
{
    const char *swagger = doc_swagger_type(argument->type);

    jw_open(d->w);
    jw_text_at(d->w, "name", argument->name);
    jw_bool_at(d->w, "required", argument->required);
    jw_text_at(d->w, "in", "query");
    if (argument->variadic && doc_is_array(argument->type)) {
        const char *element = doc_element(d, argument->type);

        jw_text_at(d->w, "type", "array");
        jw_text_at(d->w, "collectionFormat", "multi");
        jw_key(d->w, "items");
        jw_open(d->w);
        doc_known(d, "type", doc_swagger_type(element));
        jw_text_at(d->w, "format", element);
        jw_close(d->w);
    } else {
        jw_text_at(d->w, "type",
                   swagger == NULL || doc_is_array(argument->type) ? "string" : swagger);
        jw_text_at(d->w, "format", argument->type);
    }
    jw_close(d->w);
}

static void
write_arguments(struct doc *d, const struct cache_routine *f)
{
    bool some = false;

    jw_open(d->w);
    doc_known(d, "description", f->description);
    jw_text_at(d->w, "type", "object");
    for (size_t i = 0; i < f->argument_count; i++)
        some = some || f->arguments[i].required;
    if (some) {
        jw_key(d->w, "required");
        jw_open_array(d->w);
        for (size_t i = 0; i < f->argument_count; i++)
            if (f->arguments[i].required)
                jw_text(d->w, f->arguments[i].name);
        jw_close_array(d->w);
    }
    jw_key(d->w, "properties");
    jw_open(d->w);
    for (size_t i = 0; i < f->argument_count; i++) {
        jw_key(d->w, f->arguments[i].name);
        jw_open(d->w);
        doc_type(d, f->arguments[i].type);
        jw_close(d->w);
    }
    jw_close(d->w);
    jw_close(d->w);
}

static void
write_call(struct doc *d, const struct cache_routine *f, const char *method)
{
    begin_operation(d, method, arena_printf(d->a, "(rpc) %s", f->name), f->description);
    doc_names(d, "produces", call_types);
    jw_key(d->w, "parameters");
    jw_open_array(d->w);
    if (strcmp(method, "get") == 0) {
        for (size_t i = 0; i < f->argument_count; i++)
            write_query_argument(d, &f->arguments[i]);
    } else {
        jw_open(d->w);
        jw_text_at(d->w, "name", "args");
        jw_bool_at(d->w, "required", true);
        jw_text_at(d->w, "in", "body");
        jw_key(d->w, "schema");
        write_arguments(d, f);
        jw_close(d->w);
        write_ref(d, "parameters", "preferParams");
    }
    jw_close_array(d->w);
    end_operation(d, "200", "OK");
}

/* ---- the whole ---- */

#define VERSION "16.1" /* of the original */

static void
write_info(struct doc *d, const char *comment)
{
    const char *end = comment == NULL ? NULL : strchr(comment, '\n');

    jw_key(d->w, "info");
    jw_open(d->w);
    if (comment == NULL) {
        jw_text_at(d->w, "title", "PostgREST API");
        jw_text_at(d->w, "description", "This is a dynamic API generated by PostgREST");
    } else if (end == NULL) {
        jw_text_at(d->w, "title", comment);
        jw_text_at(d->w, "description", "");
    } else {
        jw_str_at(d->w, "title", (struct str){comment, (size_t)(end - comment)});
        jw_text_at(d->w, "description", end + strspn(end, "\n"));
    }
    jw_text_at(d->w, "version", VERSION);
    jw_close(d->w);
}

static void
write_links(struct doc *d)
{
    jw_key(d->w, "externalDocs");
    jw_open(d->w);
    jw_text_at(d->w, "description", "PostgREST Documentation");
    jw_text_at(d->w, "url", "https://postgrest.org/en/v16/references/api.html");
    jw_close(d->w);
}

static void
write_root_path(struct doc *d)
{
    static const char *const types[] = {"application/openapi+json", "application/json", NULL};

    jw_key(d->w, "/");
    jw_open(d->w);
    begin_operation(d, "get", "Introspection", "OpenAPI description (this document)");
    doc_names(d, "produces", types);
    end_operation(d, "200", "OK");
    jw_close(d->w);
}

static bool
is_of(struct str schema, const struct cache_table *t)
{
    return t->exposed && str_is(schema, t->schema);
}

/* Of functions of one name the one with the most arguments: a path stands there once. */
static bool
is_last(const struct cache *c, size_t i)
{
    const struct cache_routine *f = &c->routines[i];

    return i + 1 == c->routine_count || strcmp(f[0].name, f[1].name) != 0 ||
           strcmp(f[0].schema, f[1].schema) != 0;
}

static void
write_paths(struct doc *d, const struct cache *c, struct str schema)
{
    jw_key(d->w, "paths");
    jw_open(d->w);
    write_root_path(d);
    for (size_t i = 0; i < c->table_count; i++)
        if (is_of(schema, &c->tables[i]))
            write_table_path(d, &c->tables[i]);
    for (size_t i = 0; i < c->routine_count; i++) {
        const struct cache_routine *f = &c->routines[i];

        if (!str_is(schema, f->schema) || !is_last(c, i))
            continue;
        jw_key(d->w, arena_printf(d->a, "/rpc/%s", f->name));
        jw_open(d->w);
        if (f->volatility != CACHE_VOLATILE)
            write_call(d, f, "get");
        write_call(d, f, "post");
        jw_close(d->w);
    }
    jw_close(d->w);
}

static void
write_document(struct doc *d, const struct cache *c, struct str schema)
{
    static const char *const types[] = {"application/json",
                                        "application/vnd.pgrst.object+json;nulls=stripped",
                                        "application/vnd.pgrst.object+json", "text/csv", NULL};

    size_t count;
    const bool usual = str_is(schema, cache_schemas(&count)[0]);

    jw_open(d->w);
    jw_text_at(d->w, "swagger", "2.0");
    write_info(d, usual ? c->description : NULL);
    jw_text_at(d->w, "basePath", "/rest/v1");
    doc_names(d, "consumes", types);
    doc_names(d, "produces", types);
    write_paths(d, c, schema);
    jw_key(d->w, "definitions");
    jw_open(d->w);
    for (size_t i = 0; i < c->table_count; i++)
        if (is_of(schema, &c->tables[i]))
            doc_definition(d, &c->tables[i]);
    jw_close(d->w);
    jw_key(d->w, "parameters");
    jw_open(d->w);
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
        write_parameter(d, &parameters[i]);
    for (size_t i = 0; i < c->table_count; i++)
        if (is_of(schema, &c->tables[i]))
            write_table_parameters(d, &c->tables[i]);
    jw_close(d->w);
    write_links(d);
    jw_close(d->w);
}

bool
answer_openapi(struct fn_req *req, struct fn_res *res, const struct rest_request *request,
               const struct cache *cache, struct rest_error *e)
{
    struct doc d = {.a = req->task->arena};
    const struct rest_accept *t = request->accept;

    while (t != NULL && t->media != REST_OPENAPI && t->media != REST_JSON &&
           t->media != REST_ANY_TYPE)
        t = t->next;
    if (t == NULL)
        return plan_refuse_form(d.a, request, e);
    d.w = fn_json(res, 200);
    res->content_type = "application/openapi+json; charset=utf-8";
    write_document(&d, cache, request->schema);
    if (request->schema_said)
        fn_header_set(req, res, "Content-Profile", arena_copy(d.a, request->schema));
    fn_header_set(req, res, "Vary", "Accept, Prefer, Range");
    return true;
}
