/* POST /recover, /otp, /magiclink, /resend: mails with which somebody gets in, or confirms. */
#include "auth.h"

enum { COL_OUTCOME, COL_WAIT_S };

static struct db_stmt recover = {
    .sql = "SELECT * FROM platform.auth_recover($1, $2, $3::jsonb, $4)", .kind = DB_WRITE};
static struct db_stmt resend = {.sql = "SELECT * FROM platform.auth_resend($1, $2::jsonb, $3)",
                                .kind = DB_WRITE};

static enum err
answer_empty(struct fn_res *res)
{
    jw_raw(fn_json(res, 200), STR("{}"));
    return ERR_OK;
}

/* One answer, whoever is known here; only somebody who was mailed a moment ago is told to wait. */
static enum err
answer(struct fn_req *req, struct fn_res *res, const struct db_row *row)
{
    auth_even(req);
    if (strcmp(db_text(row, COL_OUTCOME), "too_soon") != 0)
        return answer_empty(res);
    (void)auth_refuse_wait(req, res, db_text(row, COL_WAIT_S));
    return ERR_OK;
}

enum err
auth_recover(struct fn_req *req, struct fn_res *res)
{
    struct auth_challenge challenge;
    const struct json *body;
    struct db_row row;

    if (!auth_body(req, res, &body) || !auth_captcha(req, res, body))
        return ERR_OK;
    const char *email = auth_text(req, body, "email");
    if (email[0] == '\0') {
        (void)auth_refuse(req, res, 400, "validation_failed",
                          "Password recovery requires an email");
        return ERR_OK;
    }
    if (!auth_email(req, res, &email) || !auth_challenge(req, res, body, &challenge))
        return ERR_OK;
    TRY(auth_count_mail(req));
    TRY(db_one(req->task, &recover,
               DB_PARAMS(email, "recovery", auth_new_code(req, email, "recovery", NULL, &challenge),
                         auth_ip(req)),
               &row));
    return answer(req, res, &row);
}

/* A magic link to who is confirmed; others sign up, where that is asked for. */
static enum err
send_otp(struct fn_req *req, struct fn_res *res, const struct json *body, bool create)
{
    struct auth_challenge challenge;
    const char *email = auth_text(req, body, "email"), *data;
    struct db_row row;

    if (!auth_email(req, res, &email) || !auth_challenge(req, res, body, &challenge) ||
        !auth_object(req, res, body, "data", &data))
        return ERR_OK;
    TRY(auth_count_mail(req));
    TRY(db_one(req->task, &recover,
               DB_PARAMS(email, "magiclink",
                         auth_new_code(req, email, "magiclink", NULL, &challenge), auth_ip(req)),
               &row));
    if (strcmp(db_text(&row, COL_OUTCOME), "unknown") != 0)
        return answer(req, res, &row);
    if (!create) {
        (void)auth_refuse(req, res, 422, "otp_disabled", "Signups not allowed for otp");
        return ERR_OK;
    }
    return auth_sign_up_by_mail(req, res, email, data, &challenge);
}

enum err
auth_otp(struct fn_req *req, struct fn_res *res)
{
    const struct json *body;

    if (!auth_body(req, res, &body) || !auth_captcha(req, res, body))
        return ERR_OK;
    const bool has_phone = auth_text(req, body, "phone")[0] != '\0';
    const bool has_email = auth_text(req, body, "email")[0] != '\0';
    if (!has_email && !has_phone)
        (void)auth_refuse(req, res, 400, "validation_failed", "One of email or phone must be set");
    else if (has_email && has_phone)
        (void)auth_refuse(req, res, 400, "validation_failed",
                          "Only an email address or phone number should be provided");
    else if (has_phone)
        (void)auth_refuse(req, res, 400, "phone_provider_disabled", "Unsupported phone provider");
    else {
        const struct json *create = json_get(body, "create_user");

        return send_otp(req, res, body,
                        create == NULL || json_type(create) != JSON_BOOL || json_is_true(create));
    }
    return ERR_OK;
}

enum err
auth_magiclink(struct fn_req *req, struct fn_res *res)
{
    const struct json *body;

    if (!auth_body(req, res, &body) || !auth_captcha(req, res, body))
        return ERR_OK;
    return send_otp(req, res, body, true);
}

enum err
auth_resend(struct fn_req *req, struct fn_res *res)
{
    const struct json *body;
    struct db_row row;

    if (!auth_body(req, res, &body) || !auth_captcha(req, res, body))
        return ERR_OK;
    const char *email = auth_text(req, body, "email");
    const char *type = auth_text(req, body, "type");
    if (strcmp(type, "sms") == 0 || strcmp(type, "phone_change") == 0) {
        (void)auth_refuse(req, res, 400, "phone_provider_disabled", "Unsupported phone provider");
        return ERR_OK;
    }
    if (strcmp(type, "signup") != 0 && strcmp(type, "email_change") != 0) {
        (void)auth_refuse(req, res, 400, "validation_failed",
                          "Missing one of these types: signup, email_change, sms, phone_change");
        return ERR_OK;
    }
    if (!auth_email(req, res, &email))
        return ERR_OK;
    TRY(auth_count_mail(req));
    if (strcmp(type, "email_change") == 0)
        return auth_resend_change(req, res, email);
    TRY(db_one(req->task, &resend,
               DB_PARAMS(email, auth_new_code(req, email, "signup", NULL, NULL), auth_ip(req)),
               &row));
    return answer(req, res, &row);
}
