/* The declarations of a function, printed: --spec for generators, --help for people. */
#include "fn/internal.h"

#include <stdio.h>
#include <unistd.h>

#include "base/number.h"
#include "json/write.h"

static const struct {
    unsigned bit;
    const char *name;
} callers[] = {
    {FN_NOBODY, "nobody"}, {FN_ANON, "anon"},       {FN_USER, "user"},
    {FN_STAFF, "staff"},   {FN_SERVICE, "service"}, {FN_SIGNATURE, "signature"},
    {FN_KEY, "key"},       {FN_FOREIGN, "foreign"},
};

/* "fn_NAME", with _ for -; NULL without a database. */
static const char *
db_role(const struct fn_spec *spec, char ret[64])
{
    if (!fn_uses_db(spec))
        return NULL;
    (void)snprintf(ret, 64, "fn_%s", spec->name);
    for (char *p = ret; *p != '\0'; p++)
        if (*p == '-')
            *p = '_';
    return ret;
}

static void
write_methods(struct json_writer *w, unsigned set)
{
    jw_key(w, "methods");
    jw_open_array(w);
    for (const struct fn_method_name *m = fn_method_names; m->bit != 0; m++)
        if ((set & m->bit) != 0)
            jw_text(w, m->name);
    jw_close_array(w);
}

static void
write_who(struct json_writer *w, unsigned set)
{
    jw_key(w, "who");
    jw_open_array(w);
    for (size_t i = 0; i < ARRAY_LEN(callers); i++)
        if ((set & callers[i].bit) != 0)
            jw_text(w, callers[i].name);
    jw_close_array(w);
}

static void
write_rate(struct json_writer *w, const struct fn_route *route)
{
    int64_t calls = route->rate_calls;

    if (route->rate != NULL)
        MUST(number_i64(str_of(route->rate->fallback), &calls)); /* unless it is set */
    jw_key(w, "rate");
    if (calls == 0) {
        jw_null(w);
        return;
    }
    jw_open(w);
    jw_i64_at(w, "calls", calls);
    jw_i64_at(w, "window_s", route->rate_window_s);
    if (route->rate != NULL)
        jw_text_at(w, "setting", route->rate->env);
    jw_close(w);
}

static void
write_settings(struct json_writer *w, const struct fn_spec *spec)
{
    struct setting *settings[FN_SETTINGS_MAX];
    const size_t count = fn_settings_of(spec, settings);

    jw_key(w, "settings");
    jw_open_array(w);
    for (size_t i = 0; i < count; i++) {
        const struct setting *s = settings[i];

        jw_open(w);
        jw_text_at(w, "name", s->env);
        jw_bool_at(w, "required", s->fallback == NULL);
        jw_bool_at(w, "secret", s->secret);
        jw_text_at(w, "default", s->fallback);
        jw_text_at(w, "meaning", s->meaning);
        jw_close(w);
    }
    jw_close_array(w);
}

static void
write_documentation(struct json_writer *w, const struct fn_route *route)
{
    jw_key(w, "inputs");
    jw_open_array(w);
    for (const struct fn_input_doc *d = route->inputs; d != NULL && d->name != NULL; d++) {
        jw_open(w);
        jw_text_at(w, "name", d->name);
        jw_text_at(w, "type", d->type);
        jw_bool_at(w, "required", d->required);
        jw_text_at(w, "text", d->text);
        jw_close(w);
    }
    jw_close_array(w);
    jw_key(w, "answers");
    jw_open_array(w);
    for (const struct fn_answer_doc *d = route->answers; d != NULL && d->status != 0; d++) {
        jw_open(w);
        jw_i64_at(w, "status", d->status);
        jw_text_at(w, "text", d->text);
        jw_close(w);
    }
    jw_close_array(w);
}

static void
write_routes(struct json_writer *w, const struct fn_spec *spec)
{
    static const char *const bodies[] = {
        [FN_BODY_NONE] = "none", [FN_BODY_JSON] = "json", [FN_BODY_RAW] = "raw"};

    jw_key(w, "routes");
    jw_open_array(w);
    for (const struct fn_route *r = spec->routes; r != NULL && r->methods != 0; r++) {
        jw_open(w);
        write_methods(w, r->methods);
        jw_text_at(w, "path", r->path);
        write_who(w, r->who);
        jw_text_at(w, "body", bodies[r->body]);
        jw_i64_at(w, "body_max", (int64_t)r->body_max);
        write_rate(w, r);
        jw_text_at(w, "cache", r->cache);
        jw_text_at(w, "summary", r->summary != NULL ? r->summary : spec->summary);
        write_documentation(w, r);
        jw_close(w);
    }
    jw_close_array(w);
}

void
fn_print_spec(const struct fn_spec *spec)
{
    char role[64];
    struct buf out;
    struct json_writer w;

    buf_init_heap(&out, 64 * 1024);
    jw_init(&w, &out);
    jw_open(&w);
    jw_text_at(&w, "app", spec->app);
    jw_text_at(&w, "name", spec->name);
    jw_text_at(&w, "summary", spec->summary);
    jw_text_at(&w, "route", spec->route);
    write_routes(&w, spec);
    jw_text_at(&w, "signature", spec->signature);
    jw_bool_at(&w, "key_needed", spec->key_needed);
    jw_bool_at(&w, "compressed", spec->compressed);
    jw_text_at(&w, "cors_headers", fn_cors_headers);
    jw_i64_at(&w, "timeout_ms", spec->timeout_ms);
    jw_text_at(&w, "db_role", db_role(spec, role));
    jw_bool_at(&w, "dev_only", spec->dev_only != NULL);
    jw_key(&w, "every_ms");
    if (spec->run == NULL)
        jw_null(&w);
    else
        jw_i64(&w, spec->every_ms);
    /* The master, and during a reload the old workers beside the new ones. */
    const int64_t workers = 2 * (int64_t)(spec->route == NULL ? 1 : FN_WORKERS_MAX);
    jw_i64_at(&w, "tasks_max", 1 + workers * FN_WORKER_THREADS);
    jw_i64_at(&w, "memory_mb_max", workers * FN_WORKER_MB);
    write_settings(&w, spec);
    jw_close(&w);
    (void)printf("%s\n", out.ptr);
    buf_release(&out);
}

void
fn_print_help(const struct fn_spec *spec)
{
    struct setting *settings[FN_SETTINGS_MAX];
    const size_t count = fn_settings_of(spec, settings);

    (void)printf(
        "%s - %s\n\n"
        "usage: %s             run: take LISTEN_FDS or bind RUN_DIR/%s.sock\n"
        "       %s --check     load the configuration and say what is wrong with it\n"
        "       %s --spec      print what this function declares, as JSON\n"
        "       %s --version | --help\n\n"
        "SIGHUP replaces the workers by the program file's present content without losing\n"
        "a request; SIGTERM drains and ends.\n\nsettings (environment, or files in "
        "$CREDENTIALS_DIRECTORY):\n",
        spec->name, spec->summary, spec->name, spec->name, spec->name, spec->name, spec->name);
    for (size_t i = 0; i < count; i++) {
        const struct setting *e = settings[i];

        (void)printf("  %-36s %s%s%s%s\n", e->env, e->meaning,
                     e->fallback == NULL ? " (required)" : "",
                     e->fallback == NULL || e->fallback[0] == '\0' ? "" : "; default ",
                     e->fallback == NULL ? "" : e->fallback);
    }
}
