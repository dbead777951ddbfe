/*
 * A route that is one SQL call: its inputs found and checked, its parameters put in order, the
 * call, the answer.  Read fn_serve_sql first.
 */
#include "fn/sqlroute.h"

#include "base/encode.h"
#include "base/number.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/internal.h"
#include "fn/request.h"
#include "json/tree.h"
#include "net/query.h"

/* ---- one input: where it is, and whether it is what it should be ---- */

/* The text of a JSON value that is no list; ptr NULL for null. */
static bool
scalar_text(const struct json *v, struct str *ret)
{
    switch (json_type(v)) {
    case JSON_STRING:
    case JSON_NUMBER:
        *ret = json_text(v);
        return true;
    case JSON_BOOL:
        *ret = json_is_true(v) ? STR("true") : STR("false");
        return true;
    case JSON_NULL:
        *ret = STR_NONE;
        return true;
    case JSON_ARRAY:
    case JSON_OBJECT:
    default:
        return false;
    }
}

/* The input `name`; ptr NULL when there is none.  False: it is there, and no plain value. */
static bool
find_input(const struct fn_inputs *in, const char *name, struct str *ret)
{
    *ret = fn_param(in->req, name);
    if (ret->ptr != NULL)
        return true;
    if (in->req->json != NULL) {
        const struct json *v = json_get(in->req->json, name);

        return v == NULL || scalar_text(v, ret);
    }
    for (size_t i = 0; i < in->query_count; i++) {
        if (!str_is(in->query[i].name, name))
            continue;
        if (ret->ptr != NULL)
            return false; /* twice */
        *ret = in->query[i].value;
    }
    return true;
}

/* Is `value` one of "a|b|c"? */
static bool
is_choice(const char *choices, struct str value)
{
    for (const char *p = choices; *p != '\0';) {
        const size_t len = strcspn(p, "|");

        if (str_eq((struct str){p, len}, value))
            return true;
        p += len + (p[len] == '|');
    }
    return false;
}

static bool
is_of_type(const char *type, struct str value)
{
    char uuid[UUID_SIZE];
    struct decimal number;
    int64_t integer;

    if (strcmp(type, "string") == 0)
        return true;
    if (strcmp(type, "number") == 0)
        return decimal_read(value, &number);
    if (strcmp(type, "integer") == 0)
        return number_i64(value, &integer);
    if (strcmp(type, "uuid") == 0)
        return uuid_read(value, uuid);
    if (strcmp(type, "boolean") == 0)
        return is_choice("true|false", value);
    return is_choice(type, value);
}

static enum err
wrong_type(const struct fn_req *req, const struct fn_input_doc *input)
{
    const bool choice = strchr(input->type, '|') != NULL;

    return fail_set(&req->task->fail, ERR_INVALID, "%s must be %s%s", input->name,
                    choice                                ? "one of "
                    : strcmp(input->type, "integer") == 0 ? "an "
                                                          : "a ",
                    input->type);
}

static enum err
read_query(struct fn_req *req, struct fn_inputs *ret)
{
    struct str rest = req->http->query;
    size_t most = 1;

    for (size_t i = 0; i < rest.len; i++)
        most += rest.ptr[i] == '&';
    *ret = (struct fn_inputs){.req = req,
                              .query = ARENA_ARRAY(req->task->arena, struct query_param, most)};
    for (bool ok; query_next(req->task->arena, &rest, &ret->query[ret->query_count], &ok);
         ret->query_count++)
        if (!ok)
            return fail_set(&req->task->fail, ERR_INVALID, "The query string is not well encoded");
    return ERR_OK;
}

enum err
fn_read_inputs(struct fn_req *req, const struct fn_input_doc *inputs, struct fn_inputs *ret)
{
    struct buf missing;

    TRY(read_query(req, ret));
    buf_init_arena(&missing, req->task->arena, 1024);
    for (const struct fn_input_doc *i = inputs; i != NULL && i->name != NULL; i++) {
        struct str value;

        if (!find_input(ret, i->name, &value))
            return wrong_type(req, i);
        if (value.len == 0 && i->required)
            buf_printf(&missing, "%s%s", missing.len > 0 ? ", " : "", i->name);
        else if (value.ptr != NULL && !is_of_type(i->type, value))
            return wrong_type(req, i);
    }
    if (missing.len > 0)
        return fail_set(&req->task->fail, ERR_INVALID, "Missing required fields: %s", missing.ptr);
    return ERR_OK;
}

/* ---- the call ---- */

static const char *
param_text(const struct fn_inputs *in, const char *name)
{
    const struct fn_req *req = in->req;
    struct str value = STR_NONE;

    if (strcmp(name, "@user") == 0)
        return req->caller.user_id[0] != '\0' ? req->caller.user_id : NULL;
    if (strcmp(name, "@issuer") == 0)
        return req->caller.issuer;
    if (strcmp(name, "@subject") == 0)
        return req->caller.subject;
    if (strcmp(name, "@claims") == 0)
        value = req->caller.claims_json;
    else if (strcmp(name, "@body") == 0)
        value = req->http->body;
    else if (strcmp(name, "@tail") == 0)
        value = fn_tail(req);
    else
        (void)find_input(in, name, &value); /* checked before */
    return value.ptr == NULL ? NULL : arena_copy(req->task->arena, value);
}

enum err
fn_serve_sql(struct fn_req *req, struct fn_res *res)
{
    const struct fn_route *route = req->match->route;
    struct fn_sql *sql = route->sql;
    const char *params[FN_SQL_PARAMS_MAX];
    struct fn_inputs in;
    struct db_row row;
    size_t count = 0;

    TRY(fn_read_inputs(req, route->inputs, &in));
    for (; count < FN_SQL_PARAMS_MAX && sql->params[count] != NULL; count++)
        params[count] = param_text(&in, sql->params[count]);
    TRY(db_one(req->task, &sql->stmt, params, count, &row));

    if (db_text(&row, 0) == NULL)
        return sql->missing == NULL ? ERR_NOT_FOUND
                                    : fail_set(&req->task->fail, ERR_NOT_FOUND, "%s", sql->missing);
    fn_body(res, sql->status != 0 ? sql->status : 200, "application/json", db_str(&row, 0));
    return ERR_OK;
}
