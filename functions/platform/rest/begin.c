#include "rest/begin.h"

#include "fn/caller.h"
#include "fn/request.h"
#include "json/write.h"
#include "rest/sql/sql.h"

#define TEXT_MAX ((size_t)256 * 1024)

struct begin {
    struct fn_req *req;
    const struct plan *plan;
    struct buf text;
    const char **params;
    size_t count;
};

#define SETTINGS_MAX 64 /* two parameters each */

/* One column that counts nothing, for each column of an answer costs the server as much as to set
 * one of them. */
#define SET_ALL "SELECT num_nulls("

/* `name` stands in the text, which is the same for most requests. */
static void
set(struct begin *r, const char *name, const char *value)
{
    MUST(r->count < (size_t)2 * SETTINGS_MAX);
    buf_printf(&r->text, "%sset_config('%s', $%zu, true)", r->count == 0 ? SET_ALL : ", ", name,
               r->count + 1);
    r->params[r->count++] = value;
}

static void
set_all(struct begin *r, const char *const *settings)
{
    for (; settings != NULL && settings[0] != NULL; settings += 2) {
        if (r->count + 2 > (size_t)2 * (SETTINGS_MAX - 12))
            return;
        buf_printf(&r->text, ", set_config($%zu, $%zu, true)", r->count + 1, r->count + 2);
        r->params[r->count++] = settings[0];
        r->params[r->count++] = settings[1];
    }
}

static const char *
search_path(struct begin *r)
{
    size_t count;
    const char *const *extra = cache_extra_path(&count);
    struct buf b;

    buf_init_arena(&b, r->req->task->arena, TEXT_MAX);
    sql_quote(&b, r->plan->request->schema);
    for (size_t i = 0; i < count; i++) {
        buf_add_text(&b, ", ");
        sql_quote(&b, str_of(extra[i]));
    }
    return b.ptr;
}

/* request.headers and request.cookies: names in lower case, no cookies among the headers. */
static const char *
headers(struct begin *r)
{
    const struct net_request *http = r->req->http;
    struct json_writer w;
    struct buf b;

    buf_init_arena(&b, r->req->task->arena, TEXT_MAX);
    jw_init(&w, &b);
    jw_open(&w);
    for (size_t i = 0; i < http->header_count; i++)
        if (!str_is(http->headers[i].name, "cookie"))
            jw_str_at(&w, arena_copy(r->req->task->arena, http->headers[i].name),
                      http->headers[i].value);
    jw_close(&w);
    return b.overflow ? "{}" : b.ptr;
}

/* "a=b; c=d" */
static const char *
cookies(struct begin *r)
{
    struct arena *a = r->req->task->arena;
    struct str text = fn_header(r->req, "cookie");
    struct json_writer w;
    struct buf b;

    buf_init_arena(&b, a, TEXT_MAX);
    jw_init(&w, &b);
    jw_open(&w);
    while (text.len > 0) {
        const char *end = memchr(text.ptr, ';', text.len);
        const size_t len = end == NULL ? text.len : (size_t)(end - text.ptr);
        const char *is = memchr(text.ptr, '=', len);

        if (is != NULL)
            jw_str_at(&w, arena_copy(a, (struct str){text.ptr, (size_t)(is - text.ptr)}),
                      (struct str){is + 1, (size_t)(text.ptr + len - is - 1)});
        text.ptr += MIN(len + 1, text.len);
        text.len -= MIN(len + 1, text.len);
        while (text.len > 0 && text.ptr[0] == ' ') {
            text.ptr++;
            text.len--;
        }
    }
    jw_close(&w);
    return b.overflow ? "{}" : b.ptr;
}

/* The first step (rest-contract.md 1.6, in its order). */
static struct db_step
set_up(struct begin *r)
{
    struct arena *a = r->req->task->arena;
    const struct caller *caller = &r->req->caller;
    const struct cache_role *role = cache_role(r->plan->cache, caller->role);
    const struct rest_request *request = r->plan->request;

    buf_init_arena(&r->text, a, TEXT_MAX);
    r->count = 0;
    r->params = ARENA_ARRAY(a, const char *, (size_t)2 * SETTINGS_MAX);
    set(r, "search_path", search_path(r));
    set_all(r, role == NULL ? NULL : role->settings);
    set(r, "role", caller->role);
    set(r, "request.jwt.claims", arena_copy(a, caller->claims_json));
    set(r, "request.method", arena_copy(a, r->req->http->method));
    set(r, "request.path", arena_copy(a, r->req->http->path));
    set(r, "request.headers", headers(r));
    set(r, "request.cookies", cookies(r));
    set(r, "platform.caller_ip", arena_copy(a, r->req->http->remote_addr));
    if (request->prefer.timezone.len > 0)
        set(r, "timezone", arena_copy(a, request->prefer.timezone));
    if (r->plan->routine != NULL)
        set_all(r, r->plan->routine->settings);
    if (!r->plan->writes && !r->plan->reveals)
        set(r, "transaction_read_only", "on");
    if (caller->user_id[0] != '\0') { /* who is banned is so at once, with tokens of before too */
        buf_printf(&r->text, ", platform.rest_admit($%zu::uuid)", r->count + 1);
        r->params[r->count++] = caller->user_id;
    }
    buf_add_char(&r->text, ')');
    return (struct db_step){.sql = r->text.ptr, .params = r->params, .param_count = r->count};
}

/*
 * How isolated the transaction is, where the role or the function says so (rest-contract.md 1.6).
 * It has to be said before anything looks at the data, as the set_config of the first step does.
 * PostgreSQL takes it back at the end of the transaction, without LOCAL too; with LOCAL it warns in
 * its log each time, for a script has no BEGIN.  These are constants of the program: for a text
 * made at run time the batch may begin with a DEALLOCATE, and that is too much already.
 */
static struct {
    const char *name;
    struct db_stmt stmt;
} isolations[] = {
    {"serializable", {.sql = "SET transaction_isolation TO 'serializable'", .kind = DB_WRITE}},
    {"repeatable read",
     {.sql = "SET transaction_isolation TO 'repeatable read'", .kind = DB_WRITE}},
    {"read committed", {.sql = "SET transaction_isolation TO 'read committed'", .kind = DB_WRITE}},
    {"read uncommitted",
     {.sql = "SET transaction_isolation TO 'read uncommitted'", .kind = DB_WRITE}},
};

/* NULL: nobody says. */
static struct db_stmt *
isolation(const struct begin *r)
{
    const struct cache_role *role = cache_role(r->plan->cache, r->req->caller.role);
    const char *name = role == NULL ? NULL : role->isolation;

    if (r->plan->routine != NULL && r->plan->routine->isolation != NULL)
        name = r->plan->routine->isolation;
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(isolations); i++)
        if (strcmp(name, isolations[i].name) == 0)
            return &isolations[i].stmt;
    return NULL;
}

size_t
rest_begin(struct fn_req *req, const struct plan *plan, struct db_step steps[BEGIN_STEPS_MAX])
{
    struct begin r = {.req = req, .plan = plan};
    struct db_stmt *isolated = isolation(&r);
    size_t count = 0;

    if (isolated != NULL)
        steps[count++] = (struct db_step){.stmt = isolated};
    steps[count++] = set_up(&r);
    return count;
}
