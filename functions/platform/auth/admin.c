/*
 * /admin/users, /invite, /admin/generate_link: users as the shop's own server handles them, with
 * the service key.  The list's Link header has the one form that clients read.
 */
#include "admin.h"

#include "auth.h"
#include "base/encode.h"
#include "base/number.h"
#include "crypto/digest.h"
#include "fn/settings.h"

#define PER_PAGE     50
#define PER_PAGE_MAX 1000
#define PAGE_MAX     1000000
#define BAN_MAX_S    (100LL * 366 * 24 * 3600)

enum { COL_OUTCOME, COL_USER };
enum { LINK_OUTCOME, LINK_KIND, LINK_USER };

static struct db_stmt list_users = {
    .sql = "SELECT * FROM platform.auth_admin_list($1::int, $2::int)", .kind = DB_READ};
static struct db_stmt get_user = {.sql = "SELECT * FROM platform.auth_admin_get($1::uuid)",
                                  .kind = DB_READ};
static struct db_stmt create_user = {
    .sql = "SELECT * FROM platform.auth_admin_create(coalesce($1::uuid, gen_random_uuid()), $2, "
           "$3, $4::jsonb, $5)",
    .kind = DB_WRITE};
static struct db_stmt update_user = {
    .sql = "SELECT * FROM platform.auth_admin_update($1::uuid, $2, $3, $4::jsonb, $5)",
    .kind = DB_WRITE};
static struct db_stmt delete_user = {
    .sql = "SELECT * FROM platform.auth_admin_delete($1::uuid, $2::boolean, $3)", .kind = DB_WRITE};
static struct db_stmt invite = {
    .sql = "SELECT * FROM platform.auth_invite($1, $2::jsonb, $3::jsonb, $4)", .kind = DB_WRITE};
static struct db_stmt generate_link = {
    .sql = "SELECT * FROM platform.auth_generate_link($1, $2, $3, $4::jsonb, $5, $6)",
    .kind = DB_WRITE};

static const struct auth_refusal refusals[] = {
    {"user_not_found", 404, "user_not_found", "User not found"},
    {"email_exists", 422, "email_exists",
     "A user with this email address has already been registered"},
    {"id_exists", 422, "user_already_exists", "A user with this id has already been registered"},
};

static bool
refused(struct fn_req *req, struct fn_res *res, const char *outcome)
{
    return auth_refused_by(req, res, refusals, ARRAY_LEN(refusals), outcome);
}

/* The user that SQL found or made, unless it refused. */
static enum err
answer_user(struct fn_req *req, struct fn_res *res, const struct db_row *row)
{
    if (!refused(req, res, db_text(row, COL_OUTCOME)))
        jw_raw(fn_json(res, 200), db_str(row, COL_USER));
    return ERR_OK;
}

bool
auth_is_service(struct fn_req *req, struct fn_res *res)
{
    if (fn_header(req, "authorization").len == 0)
        return auth_refuse(req, res, 401, "no_authorization",
                           "This endpoint requires a valid Bearer token");
    if (fn_bearer(req, &req->caller) != ERR_OK)
        return auth_refuse(req, res, 403, "bad_jwt",
                           "invalid JWT: unable to parse or verify signature");
    return strcmp(req->caller.role, "service_role") == 0 ||
           auth_refuse(req, res, 403, "not_admin", "User not allowed");
}

bool
auth_user_id(struct fn_req *req, struct fn_res *res, const char **ret)
{
    char id[UUID_SIZE];

    if (!uuid_read(fn_param(req, "id"), id))
        return auth_refuse(req, res, 404, "validation_failed", "user_id must be an UUID");
    *ret = arena_copy(req->task->arena, str_of(id));
    return true;
}

/* ---- the list ---- */

/* A number of the query; empty: `usual`. */
static bool
read_number(struct fn_req *req, struct fn_res *res, const char *name, int64_t usual, int64_t most,
            int64_t *ret)
{
    const char *text = auth_query(req, name);

    *ret = usual;
    if (text[0] == '\0' || (number_i64(str_of(text), ret) && *ret >= 1 && *ret <= most))
        return true;
    return auth_refuse(req, res, 400, "validation_failed",
                       arena_printf(req->task->arena,
                                    "Bad Pagination Parameters: %s must be a "
                                    "number from 1 to %lld",
                                    name, (long long)most));
}

/* As the original writes it: "next" while there is one, "last" always. */
static void
set_link(struct fn_req *req, struct fn_res *res, int64_t page, int64_t per_page, int64_t total)
{
    const int64_t last = MAX((total + per_page - 1) / per_page, total == 0 ? 0 : 1);
    const char *given = auth_query(req, "per_page");
    struct buf out;

    buf_init_arena(&out, req->task->arena, 512);
    if (page < last)
        buf_printf(&out, "</admin/users?page=%lld&per_page=%s>; rel=\"next\", ",
                   (long long)page + 1, given);
    buf_printf(&out, "</admin/users?page=%lld&per_page=%s>; rel=\"last\"", (long long)last, given);
    fn_header_set(req, res, "Link", out.ptr);
}

enum err
auth_admin_list(struct fn_req *req, struct fn_res *res)
{
    struct arena *a = req->task->arena;
    int64_t page, per_page, total;
    struct db_row row;

    if (!auth_is_service(req, res) || !read_number(req, res, "page", 1, PAGE_MAX, &page) ||
        !read_number(req, res, "per_page", PER_PAGE, PER_PAGE_MAX, &per_page))
        return ERR_OK;
    TRY(db_one(req->task, &list_users,
               DB_PARAMS(arena_printf(a, "%lld", (long long)page),
                         arena_printf(a, "%lld", (long long)per_page)),
               &row));
    MUST(number_i64(db_str(&row, 0), &total));
    fn_header_set(req, res, "X-Total-Count", db_text(&row, 0));
    set_link(req, res, page, per_page, total);
    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    jw_key(w, "users");
    jw_raw(w, db_str(&row, 1));
    jw_text_at(w, "aud", "authenticated");
    jw_close(w);
    return ERR_OK;
}

/* ---- one user ---- */

enum err
auth_admin_get(struct fn_req *req, struct fn_res *res)
{
    struct db_row row;
    const char *id;

    if (!auth_is_service(req, res) || !auth_user_id(req, res, &id))
        return ERR_OK;
    TRY(db_one(req->task, &get_user, DB_PARAMS(id), &row));
    return answer_user(req, res, &row);
}

/* What a user is made with, or changed to; NULL: it stays. */
struct attributes {
    const char *id, *email, *hash;
    const char *set; /* for platform.auth_admin_set */
};

static bool
read_ban(struct fn_req *req, struct fn_res *res, const struct json *body, struct json_writer *w)
{
    const char *text = auth_text(req, body, "ban_duration"), *why;
    double seconds;

    if (text[0] == '\0')
        return true;
    if (strcmp(text, "none") == 0 || strcmp(text, "0") == 0) {
        jw_bool_at(w, "unbanned", true);
        return true;
    }
    why = duration_read(req->task->arena, text, &seconds);
    if (why != NULL)
        return auth_refuse(
            req, res, 400, "validation_failed",
            arena_printf(req->task->arena, "invalid format for ban duration: %s", why));
    jw_i64_at(w, "banned_s", (int64_t)MIN(seconds, (double)BAN_MAX_S));
    return true;
}

static bool
read_set(struct fn_req *req, struct fn_res *res, const struct json *body, const char **ret)
{
    static const char *const objects[] = {"user_metadata", "app_metadata"};
    const char *role = auth_text(req, body, "role");
    struct json_writer w;
    struct buf out;

    if (role[0] != '\0' && strcmp(role, "authenticated") != 0)
        return auth_refuse(req, res, 400, "validation_failed", "role must be authenticated");
    buf_init_arena(&out, req->task->arena, (size_t)256 * 1024);
    jw_init(&w, &out);
    jw_open(&w);
    for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
        const struct json *v = json_get(body, objects[i]);

        if (v == NULL || json_type(v) != JSON_OBJECT)
            continue;
        jw_key(&w, objects[i]);
        jw_value(&w, v);
    }
    jw_bool_at(&w, "confirm", json_is_true(json_get(body, "email_confirm")));
    if (!read_ban(req, res, body, &w))
        return false;
    jw_close(&w);
    *ret = out.ptr;
    return !out.overflow ||
           auth_refuse(req, res, 400, "validation_failed", "The metadata is too large");
}

/* *ret_done: refused, and answered. */
static enum err
read_attributes(struct fn_req *req, struct fn_res *res, const struct json *body,
                struct attributes *ret, bool *ret_done)
{
    const struct str password = json_text(json_get(body, "password"));
    const char *hash = auth_text(req, body, "password_hash");
    const char *email = auth_text(req, body, "email"), *id = auth_text(req, body, "id");
    char uuid[UUID_SIZE];

    *ret = (struct attributes){0};
    *ret_done = true;
    if (id[0] != '\0') {
        if (!uuid_read(str_of(id), uuid)) {
            (void)auth_refuse(req, res, 400, "validation_failed", "id must be an UUID");
            return ERR_OK;
        }
        ret->id = arena_copy(req->task->arena, str_of(uuid));
    }
    if (email[0] != '\0') {
        ret->email = email;
        if (!auth_email(req, res, &ret->email))
            return ERR_OK;
    }
    if (!read_set(req, res, body, &ret->set))
        return ERR_OK;
    if (password.len > 0 && hash[0] != '\0') {
        (void)auth_refuse(req, res, 400, "validation_failed",
                          "Only a password or a password hash should be provided");
        return ERR_OK;
    }
    if (hash[0] != '\0')
        ret->hash = hash;
    if (password.len > 0) {
        if (!auth_password_fits(req, res, password))
            return ERR_OK;
        TRY(auth_hash(req, password, &ret->hash));
    }
    *ret_done = false;
    return ERR_OK;
}

enum err
auth_admin_create(struct fn_req *req, struct fn_res *res)
{
    struct attributes user;
    const struct json *body;
    struct db_row row;
    bool done;

    if (!auth_is_service(req, res) || !auth_body(req, res, &body))
        return ERR_OK;
    TRY(read_attributes(req, res, body, &user, &done));
    if (done)
        return ERR_OK;
    if (user.email == NULL) {
        (void)auth_refuse(req, res, 400, "validation_failed",
                          "Cannot create a user without either an email or phone");
        return ERR_OK;
    }
    TRY(db_one(req->task, &create_user,
               DB_PARAMS(user.id, user.email, user.hash, user.set, auth_ip(req)), &row));
    return answer_user(req, res, &row);
}

enum err
auth_admin_update(struct fn_req *req, struct fn_res *res)
{
    struct attributes user;
    const struct json *body;
    struct db_row row;
    const char *id;
    bool done;

    if (!auth_is_service(req, res) || !auth_user_id(req, res, &id) || !auth_body(req, res, &body))
        return ERR_OK;
    TRY(read_attributes(req, res, body, &user, &done));
    if (done)
        return ERR_OK;
    TRY(db_one(req->task, &update_user,
               DB_PARAMS(id, user.email, user.hash, user.set, auth_ip(req)), &row));
    return answer_user(req, res, &row);
}

enum err
auth_admin_delete(struct fn_req *req, struct fn_res *res)
{
    const struct json *body = NULL;
    struct db_row row;
    const char *id;

    if (!auth_is_service(req, res) || !auth_user_id(req, res, &id))
        return ERR_OK;
    if (req->http->body.len > 0 && !auth_body(req, res, &body))
        return ERR_OK;
    const bool soft = body != NULL && json_is_true(json_get(body, "should_soft_delete"));
    TRY(db_one(req->task, &delete_user, DB_PARAMS(id, soft ? "true" : "false", auth_ip(req)),
               &row));
    if (!refused(req, res, db_text(&row, COL_OUTCOME)))
        jw_raw(fn_json(res, 200), STR("{}"));
    return ERR_OK;
}

/* ---- mails and links ---- */

enum err
auth_invite(struct fn_req *req, struct fn_res *res)
{
    const struct json *body;
    const char *data;
    struct db_row row;

    if (!auth_is_service(req, res) || !auth_body(req, res, &body))
        return ERR_OK;
    const char *email = auth_text(req, body, "email");
    if (!auth_email(req, res, &email) || !auth_object(req, res, body, "data", &data))
        return ERR_OK;
    TRY(db_one(
        req->task, &invite,
        DB_PARAMS(email, data, auth_new_code(req, email, "invite", NULL, NULL), auth_ip(req)),
        &row));
    return answer_user(req, res, &row);
}

static bool
is_link_type(const char *type)
{
    static const char *const types[] = {"signup", "invite", "magiclink", "recovery"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

/* The user's members, and those of the link behind them. */
static void
answer_link(struct fn_req *req, struct fn_res *res, const struct db_row *row,
            const struct auth_link *link)
{
    const struct str user = db_str(row, LINK_USER);
    struct json_writer w;
    struct buf out;

    buf_init_arena(&out, req->task->arena, (size_t)32 * 1024);
    jw_init(&w, &out);
    jw_open(&w);
    jw_text_at(&w, "action_link", auth_link_of(req, link->hash, db_text(row, LINK_KIND)));
    jw_text_at(&w, "email_otp", link->code);
    jw_text_at(&w, "hashed_token", link->hash);
    jw_text_at(&w, "verification_type", db_text(row, LINK_KIND));
    jw_text_at(&w, "redirect_to", auth_redirect(req));
    jw_close(&w);
    jw_raw(fn_json(res, 200), str_of(arena_printf(req->task->arena, "%.*s,%s", (int)user.len - 1,
                                                  user.ptr, out.ptr + 1)));
}

enum err
auth_generate_link(struct fn_req *req, struct fn_res *res)
{
    const struct json *body;
    const char *hash = NULL, *data;
    struct auth_link link;
    struct db_row row;

    if (!auth_is_service(req, res) || !auth_body(req, res, &body))
        return ERR_OK;
    const char *type = auth_text(req, body, "type"), *email = auth_text(req, body, "email");
    const struct str password = json_text(json_get(body, "password"));
    if (!is_link_type(type)) {
        (void)auth_refuse(req, res, 400, "validation_failed",
                          arena_printf(req->task->arena,
                                       "Invalid email action link type requested: %.40s", type));
        return ERR_OK;
    }
    if (!auth_email(req, res, &email) || !auth_object(req, res, body, "data", &data))
        return ERR_OK;
    if (password.len > 0) {
        if (!auth_password_fits(req, res, password))
            return ERR_OK;
        TRY(auth_hash(req, password, &hash));
    }
    auth_new_link(req, email, &link);
    TRY(db_one(req->task, &generate_link,
               DB_PARAMS(type, email, hash, data, link.hash, auth_ip(req)), &row));
    if (strcmp(db_text(&row, LINK_OUTCOME), "user_not_found") == 0)
        (void)auth_refuse(req, res, 404, "user_not_found", "User with this email not found");
    else if (!refused(req, res, db_text(&row, LINK_OUTCOME)))
        answer_link(req, res, &row, &link);
    return ERR_OK;
}
