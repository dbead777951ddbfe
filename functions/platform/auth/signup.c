/* POST /signup: a new user, or what looks like one where the address is known. */
#include "auth.h"

#include "base/number.h"

enum { COL_OUTCOME, COL_WAIT_S, COL_SESSION_ID, COL_USER, COL_CLAIMS };

static struct db_stmt sign_up = {
    .sql = "SELECT * FROM platform.auth_sign_up($1, $2, $3::jsonb, $4::boolean, $5::jsonb, $6, $7)",
    .kind = DB_WRITE};

struct form {
    const char *email, *data;
    struct str password;
    struct auth_challenge challenge;
};

static bool
read_form(struct fn_req *req, struct fn_res *res, const struct json *body, struct form *ret)
{
    const char *phone = auth_text(req, body, "phone");

    ret->email = auth_text(req, body, "email");
    ret->password = json_text(json_get(body, "password"));
    if (ret->email[0] == '\0' && phone[0] == '\0')
        return auth_refuse(req, res, 422, "anonymous_provider_disabled",
                           "Anonymous sign-ins are disabled");
    if (setting_bool(&cfg_disable_signup))
        return auth_refuse(req, res, 422, "signup_disabled",
                           "Signups not allowed for this instance");
    if (ret->password.len == 0)
        return auth_refuse(req, res, 400, "validation_failed", "Signup requires a valid password");
    if (!auth_password_fits(req, res, ret->password))
        return false;
    if (ret->email[0] != '\0' && phone[0] != '\0')
        return auth_refuse(req, res, 400, "validation_failed",
                           "Only an email address or phone number should be provided on signup.");
    if (phone[0] != '\0')
        return auth_refuse(req, res, 400, "phone_provider_disabled", "Phone signups are disabled");
    return auth_challenge(req, res, body, &ret->challenge) &&
           auth_object(req, res, body, "data", &ret->data) && auth_email(req, res, &ret->email);
}

/* What a trigger of the application refused, by its own words in the old shape. */
static enum err
refused_by_trigger(struct fn_req *req, enum err e)
{
    if (req->task->fail.sqlstate[0] == '\0' || e == ERR_UNAVAILABLE || e == ERR_TIMEOUT)
        return e;
    return fail_set(&req->task->fail, ERR_INTERNAL, "Database error saving new user");
}

/* `hash` NULL: without a password. */
static enum err
make_user(struct fn_req *req, const struct form *form, const char *hash, bool autoconfirm,
          struct db_row *ret)
{
    const enum err e =
        db_one(req->task, &sign_up,
               DB_PARAMS(form->email, hash, form->data, autoconfirm ? "true" : "false",
                         auth_new_code(req, form->email, "signup", NULL, &form->challenge),
                         auth_user_agent(req), auth_ip(req)),
               ret);
    auth_even(req);
    return e == ERR_OK ? ERR_OK : refused_by_trigger(req, e);
}

enum err
auth_sign_up(struct fn_req *req, struct fn_res *res)
{
    const struct json *body;
    const char *hash;
    struct form form;
    struct db_row row;

    if (!auth_body(req, res, &body) || !auth_captcha(req, res, body) ||
        !read_form(req, res, body, &form))
        return ERR_OK;
    if (!setting_bool(&cfg_autoconfirm))
        TRY(auth_count_mail(req));
    TRY(auth_hash(req, form.password, &hash));
    TRY(make_user(req, &form, hash, setting_bool(&cfg_autoconfirm), &row));

    const char *outcome = db_text(&row, COL_OUTCOME);
    if (strcmp(outcome, "session") == 0)
        return auth_answer_session(req, res, db_text(&row, COL_SESSION_ID), 0,
                                   db_str(&row, COL_USER), db_str(&row, COL_CLAIMS), false);
    if (strcmp(outcome, "taken") == 0)
        (void)auth_refuse(req, res, 422, "user_already_exists", "User already registered");
    else if (strcmp(outcome, "too_soon") == 0)
        (void)auth_refuse_wait(req, res, db_text(&row, COL_WAIT_S));
    else
        jw_raw(fn_json(res, 200), db_str(&row, COL_USER));
    return ERR_OK;
}

enum err
auth_sign_up_by_mail(struct fn_req *req, struct fn_res *res, const char *email, const char *data,
                     const struct auth_challenge *challenge)
{
    const struct form form = {.email = email, .data = data, .challenge = *challenge};
    struct db_row row;

    if (setting_bool(&cfg_disable_signup)) {
        (void)auth_refuse(req, res, 422, "otp_disabled", "Signups not allowed for otp");
        return ERR_OK;
    }
    TRY(make_user(req, &form, NULL, false, &row));
    if (strcmp(db_text(&row, COL_OUTCOME), "too_soon") == 0)
        (void)auth_refuse_wait(req, res, db_text(&row, COL_WAIT_S));
    else
        jw_raw(fn_json(res, 200), STR("{}"));
    return ERR_OK;
}
