/* GET and PUT /user: whose token it is, and what its owner changes.  POST /logout: the end of
 * sessions.  GET /reauthenticate: a code for a change of the password. */
#include "auth.h"

#include "base/encode.h"
#include "base/number.h"
#include "crypto/digest.h"

#define FRESH_SESSION_S (24 * 3600) /* in which a change of the password needs no code */

enum { COL_OUTCOME, COL_USER };
enum { BEGIN_OUTCOME, BEGIN_HASH, BEGIN_EMAIL, BEGIN_AGE_S };
enum { CHANGE_OUTCOME, CHANGE_WAIT_S, CHANGE_USER };

static struct db_stmt user_of_session = {
    .sql = "SELECT * FROM platform.auth_user_of_session($1::uuid, $2::uuid)", .kind = DB_READ};
static struct db_stmt sign_out = {
    .sql = "SELECT outcome FROM platform.auth_sign_out($1::uuid, $2::uuid, $3, $4)",
    .kind = DB_WRITE};
static struct db_stmt begin_change = {
    .sql = "SELECT * FROM platform.auth_begin_change($1::uuid, $2::uuid, $3::boolean, $4)",
    .kind = DB_READ};
static struct db_stmt change_user = {
    .sql = "SELECT * FROM platform.auth_change_user($1::uuid, $2::uuid, $3, $4::jsonb, $5, $6, "
           "$7::int, $8, $9::jsonb, $10::jsonb, $11)",
    .kind = DB_WRITE};
static struct db_stmt resend_change = {
    .sql = "SELECT * FROM platform.auth_resend_change($1, $2, $3::jsonb, $4::jsonb, $5)",
    .kind = DB_WRITE};
static struct db_stmt reauthenticate = {
    .sql = "SELECT * FROM platform.auth_reauthenticate($1::uuid, $2::uuid, $3::jsonb, $4)",
    .kind = DB_WRITE};

static const struct auth_refusal refusals[] = {
    {"user_not_found", 403, "user_not_found", "User from sub claim in JWT does not exist"},
    {"session_not_found", 403, "session_not_found",
     "Session from session_id claim in JWT does not exist"},
    {"banned", 403, "user_banned", "User is banned"},
    {"insufficient_aal", 401, "insufficient_aal",
     "AAL2 session is required to update email or password when MFA is enabled."},
    {"taken", 422, "email_exists", "A user with this email address has already been registered"},
    {"changed", 409, "conflict", "The password was changed meanwhile"},
    {"bad_nonce", 422, "reauthentication_not_valid", "Nonce has expired or is invalid"},
    {"not_confirmed", 422, "email_not_confirmed", "Please verify your email first."},
};

bool
auth_refused(struct fn_req *req, struct fn_res *res, const char *outcome, const char *wait_s)
{
    if (strcmp(outcome, "too_soon") == 0)
        return !auth_refuse_wait(req, res, wait_s);
    return auth_refused_by(req, res, refusals, ARRAY_LEN(refusals), outcome);
}

bool
auth_bearer(struct fn_req *req, struct fn_res *res, const char **ret_session_id)
{
    const struct json *claims;
    char id[UUID_SIZE];

    *ret_session_id = NULL;
    if (fn_header(req, "authorization").len == 0)
        return auth_refuse(req, res, 401, "no_authorization",
                           "This endpoint requires a valid Bearer token");
    if (fn_bearer(req, &req->caller) != ERR_OK)
        return auth_refuse(req, res, 403, "bad_jwt",
                           arena_printf(req->task->arena,
                                        "invalid JWT: unable to parse or verify signature, %s",
                                        strcmp(req->task->fail.text, "Token has expired") == 0
                                            ? "token has invalid claims: token is expired"
                                            : "token signature is invalid"));
    if (req->caller.user_id[0] == '\0')
        return auth_refuse(req, res, 403, "bad_jwt", "invalid claim: missing sub claim");
    if (json_parse(req->task->arena, NULL, req->caller.claims_json, &claims) == ERR_OK &&
        uuid_read(json_text(json_get(claims, "session_id")), id))
        *ret_session_id = arena_copy(req->task->arena, str_of(id));
    return true;
}

enum err
auth_get_user(struct fn_req *req, struct fn_res *res)
{
    const char *session_id;
    struct db_row row;

    if (!auth_bearer(req, res, &session_id))
        return ERR_OK;
    TRY(db_one(req->task, &user_of_session, DB_PARAMS(req->caller.user_id, session_id), &row));
    if (!auth_refused(req, res, db_text(&row, COL_OUTCOME), NULL))
        jw_raw(fn_json(res, 200), db_str(&row, COL_USER));
    return ERR_OK;
}

enum err
auth_log_out(struct fn_req *req, struct fn_res *res)
{
    const char *scope = auth_query(req, "scope");
    const char *session_id;
    struct db_row row;

    if (!auth_bearer(req, res, &session_id))
        return ERR_OK;
    if (scope[0] == '\0')
        scope = "global";
    if (strcmp(scope, "global") != 0 && strcmp(scope, "local") != 0 &&
        strcmp(scope, "others") != 0) {
        (void)auth_refuse(
            req, res, 400, "validation_failed",
            arena_printf(req->task->arena, "Unsupported logout scope \"%.40s\"", scope));
        return ERR_OK;
    }
    TRY(db_one(req->task, &sign_out,
               DB_PARAMS(req->caller.user_id, session_id, scope, auth_ip(req)), &row));
    if (!auth_refused(req, res, db_text(&row, COL_OUTCOME), NULL))
        fn_body(res, 204, "text/plain", STR(""));
    return ERR_OK;
}

/* ---- changes ---- */

struct change {
    const char *email; /* NULL: stays; so for the others */
    const char *data, *hash, *nonce;
    struct str password;
    struct auth_challenge challenge;
};

static bool
read_change(struct fn_req *req, struct fn_res *res, const struct json *body, struct change *ret)
{
    const struct json *data = json_get(body, "data");
    const char *email = auth_text(req, body, "email");

    ret->password = json_text(json_get(body, "password"));
    if (data != NULL && json_type(data) == JSON_OBJECT &&
        !auth_object(req, res, body, "data", &ret->data))
        return false;
    if (ret->password.len > 0 && !auth_password_fits(req, res, ret->password))
        return false;
    if (json_get(body, "app_metadata") != NULL)
        return auth_refuse(req, res, 403, "not_admin",
                           "Updating app_metadata requires admin privileges");
    if (auth_text(req, body, "phone")[0] != '\0')
        return auth_refuse(req, res, 400, "phone_provider_disabled", "Unsupported phone provider");
    if (!auth_challenge(req, res, body, &ret->challenge))
        return false;
    if (email[0] == '\0')
        return true;
    ret->email = email;
    return auth_email(req, res, &ret->email);
}

/* The code that a new password may ask for, as it is stored; false: it is missing. */
static bool
read_nonce(struct fn_req *req, struct fn_res *res, const struct json *body,
           const struct db_row *known, struct change *change)
{
    const char *nonce = auth_text(req, body, "nonce");
    char hash[AUTH_HASH_SIZE];
    int64_t age_s = 0;

    if (!setting_bool(&cfg_password_needs_code) ||
        (number_i64(db_str(known, BEGIN_AGE_S), &age_s) && age_s < FRESH_SESSION_S))
        return true;
    if (nonce[0] == '\0')
        return auth_refuse(req, res, 400, "reauthentication_needed",
                           "Password update requires reauthentication");
    auth_code_hash(req->task->arena, db_text(known, BEGIN_EMAIL), nonce, hash);
    change->nonce = arena_copy(req->task->arena, str_of(hash));
    return true;
}

/* The new password's hash; *ret_done when it is refused, and answered. */
static enum err
hash_password(struct fn_req *req, struct fn_res *res, const struct json *body,
              const struct db_row *known, struct change *change, bool *ret_done)
{
    const char *unused;
    bool same;

    *ret_done = !read_nonce(req, res, body, known, change);
    if (*ret_done)
        return ERR_OK;
    TRY(auth_compare(req, db_text(known, BEGIN_HASH), change->password, &same, &unused));
    if (same) {
        *ret_done = true;
        (void)auth_refuse(req, res, 422, "same_password",
                          "New password should be different from the old password.");
        return ERR_OK;
    }
    return auth_hash(req, change->password, &change->hash);
}

/* The two mails about a change of address. */
static void
change_mails(struct fn_req *req, const char *email, const char *current,
             const struct auth_challenge *challenge, const char **ret_new, const char **ret_current)
{
    *ret_new = auth_new_code(req, email, "email_change", email, challenge);
    *ret_current =
        current == NULL ? NULL : auth_new_code(req, current, "email_change", email, challenge);
}

static enum err
apply_change(struct fn_req *req, struct fn_res *res, const char *session_id,
             const struct db_row *known, const struct change *change)
{
    const char *mail_new = NULL, *mail_current = NULL;
    struct db_row row;

    if (change->email != NULL) {
        TRY(auth_count_mail(req));
        change_mails(req, change->email, db_text(known, BEGIN_EMAIL), &change->challenge, &mail_new,
                     &mail_current);
    }
    TRY(db_one(req->task, &change_user,
               DB_PARAMS(req->caller.user_id, session_id, db_text(known, BEGIN_HASH), change->data,
                         change->hash, change->nonce, auth_number(req, &cfg_otp_expiry),
                         change->email, mail_new, mail_current, auth_ip(req)),
               &row));
    if (!auth_refused(req, res, db_text(&row, CHANGE_OUTCOME), db_text(&row, CHANGE_WAIT_S)))
        jw_raw(fn_json(res, 200), db_str(&row, CHANGE_USER));
    return ERR_OK;
}

enum err
auth_put_user(struct fn_req *req, struct fn_res *res)
{
    struct change change = {0};
    const struct json *body;
    const char *session_id;
    struct db_row known;
    bool done;

    if (!auth_bearer(req, res, &session_id) || !auth_body(req, res, &body) ||
        !read_change(req, res, body, &change))
        return ERR_OK;
    TRY(db_one(req->task, &begin_change,
               DB_PARAMS(req->caller.user_id, session_id,
                         change.password.len > 0 ? "true" : "false", change.email),
               &known));
    if (auth_refused(req, res, db_text(&known, BEGIN_OUTCOME), NULL))
        return ERR_OK;
    if (change.email != NULL && strcmp(change.email, db_text(&known, BEGIN_EMAIL)) == 0)
        change.email = NULL;
    if (change.password.len > 0) {
        TRY(hash_password(req, res, body, &known, &change, &done));
        if (done)
            return ERR_OK;
    }
    return apply_change(req, res, session_id, &known, &change);
}

enum err
auth_resend_change(struct fn_req *req, struct fn_res *res, const char *email)
{
    const struct auth_challenge none = {"", ""};
    const char *new_email = NULL, *mail_new = NULL, *mail_current = NULL;
    struct db_row row;

    for (int turn = 0; turn < 2; turn++) { /* the second time it is known for which address */
        if (new_email != NULL)
            change_mails(req, new_email, email, &none, &mail_new, &mail_current);
        TRY(db_one(req->task, &resend_change,
                   DB_PARAMS(email, new_email, mail_new, mail_current, auth_ip(req)), &row));
        if (strcmp(db_text(&row, 0), "ask_again") != 0)
            break;
        new_email = db_text(&row, 2);
    }
    auth_even(req);
    if (!auth_refused(req, res, db_text(&row, 0), db_text(&row, 1)))
        jw_raw(fn_json(res, 200), STR("{}"));
    return ERR_OK;
}

enum err
auth_reauthenticate(struct fn_req *req, struct fn_res *res)
{
    const char *session_id;
    struct db_row known, row;

    if (!auth_bearer(req, res, &session_id))
        return ERR_OK;
    TRY(db_one(req->task, &begin_change, DB_PARAMS(req->caller.user_id, session_id, "false", NULL),
               &known));
    if (auth_refused(req, res, db_text(&known, BEGIN_OUTCOME), NULL))
        return ERR_OK;
    TRY(auth_count_mail(req));
    TRY(db_one(
        req->task, &reauthenticate,
        DB_PARAMS(req->caller.user_id, session_id,
                  auth_new_code(req, db_text(&known, BEGIN_EMAIL), "reauthentication", NULL, NULL),
                  auth_ip(req)),
        &row));
    if (!auth_refused(req, res, db_text(&row, 0), db_text(&row, 1)))
        jw_raw(fn_json(res, 200), STR("{}"));
    return ERR_OK;
}
