/* /admin/users/:id/factors: second factors as the shop's own server handles them, with the service
 * key; one that it takes away is audited and told its owner. */
#include "admin.h"

#include "auth.h"

enum { COL_OUTCOME, COL_FACTOR };

static struct db_stmt list_factors = {.sql = "SELECT * FROM platform.auth_admin_factors($1::uuid)",
                                      .kind = DB_READ};
static struct db_stmt change_factor = {
    .sql = "SELECT * FROM platform.auth_admin_change_factor($1::uuid, $2::uuid, $3, $4)",
    .kind = DB_WRITE};

static const struct auth_refusal refusals[] = {
    {"user_not_found", 404, "user_not_found", "User not found"},
    {"factor_not_found", 404, "mfa_factor_not_found", "Factor not found"},
};

static enum err
answer(struct fn_req *req, struct fn_res *res, const struct db_row *row)
{
    if (!auth_refused_by(req, res, refusals, ARRAY_LEN(refusals), db_text(row, COL_OUTCOME)))
        jw_raw(fn_json(res, 200), db_str(row, COL_FACTOR));
    return ERR_OK;
}

enum err
auth_admin_list_factors(struct fn_req *req, struct fn_res *res)
{
    struct db_row row;
    const char *user_id;

    if (!auth_is_service(req, res) || !auth_user_id(req, res, &user_id))
        return ERR_OK;
    TRY(db_one(req->task, &list_factors, DB_PARAMS(user_id), &row));
    return answer(req, res, &row);
}

/* `name` NULL: it is taken away. */
static enum err
change(struct fn_req *req, struct fn_res *res, const char *name)
{
    const char *user_id, *factor_id;
    struct db_row row;

    if (!auth_user_id(req, res, &user_id) || !auth_factor_id(req, res, "factor", &factor_id))
        return ERR_OK;
    TRY(db_one(req->task, &change_factor, DB_PARAMS(user_id, factor_id, name, auth_ip(req)), &row));
    if (strcmp(db_text(&row, COL_OUTCOME), "name_taken") == 0) {
        auth_refuse_factor_name(req, res, name);
        return ERR_OK;
    }
    return answer(req, res, &row);
}

enum err
auth_admin_name_factor(struct fn_req *req, struct fn_res *res)
{
    const struct json *body;
    const char *name;

    if (!auth_is_service(req, res) || !auth_body(req, res, &body) ||
        !auth_factor_name(req, res, body, &name))
        return ERR_OK;
    return change(req, res, name);
}

enum err
auth_admin_delete_factor(struct fn_req *req, struct fn_res *res)
{
    return auth_is_service(req, res) ? change(req, res, NULL) : ERR_OK;
}
