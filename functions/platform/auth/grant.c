/* POST /token: a session for a password, or a fresh one for a refresh token. */
#include "auth.h"

#include "base/number.h"

/* ---- grant_type=password ---- */

enum { COL_USER_ID, COL_HASH };
enum { COL_OUTCOME, COL_SESSION_ID, COL_USER, COL_CLAIMS };

static struct db_stmt credentials = {.sql = "SELECT * FROM platform.auth_credentials($1)",
                                     .kind = DB_READ};
static struct db_stmt sign_in = {
    .sql = "SELECT * FROM platform.auth_sign_in($1::uuid, $2, $3, $4, $5)", .kind = DB_WRITE};

static bool
read_login(struct fn_req *req, struct fn_res *res, const struct json *body, const char **ret_email)
{
    const char *phone = auth_text(req, body, "phone");

    *ret_email = auth_text(req, body, "email");
    if ((*ret_email)[0] != '\0' && phone[0] != '\0')
        return auth_refuse(req, res, 400, "validation_failed",
                           "Only an email address or phone number should be provided on login.");
    if (phone[0] != '\0')
        return auth_refuse(req, res, 422, "phone_provider_disabled", "Phone logins are disabled");
    if ((*ret_email)[0] == '\0')
        return auth_refuse(req, res, 400, "validation_failed", "missing email or phone");
    *ret_email = auth_lower(req, *ret_email);
    return true;
}

/* One answer, in one time, for a wrong password and for nobody. */
static enum err
wrong(struct fn_req *req, struct fn_res *res)
{
    (void)auth_refuse(req, res, 400, "invalid_credentials", "Invalid login credentials");
    return ERR_OK;
}

static enum err
grant_password(struct fn_req *req, struct fn_res *res, const struct json *body)
{
    const char *email, *new_hash;
    struct db_row known, row;
    bool right;

    if (!auth_captcha(req, res, body) || !read_login(req, res, body, &email))
        return ERR_OK;
    TRY(db_one(req->task, &credentials, DB_PARAMS(email), &known));
    const char *hash = db_text(&known, COL_HASH);
    TRY(auth_compare(req, hash, json_text(json_get(body, "password")), &right, &new_hash));
    if (!right)
        return wrong(req, res);
    TRY(db_one(
        req->task, &sign_in,
        DB_PARAMS(db_text(&known, COL_USER_ID), hash, new_hash, auth_user_agent(req), auth_ip(req)),
        &row));

    const char *outcome = db_text(&row, COL_OUTCOME);
    if (strcmp(outcome, "session") == 0)
        return auth_answer_session(req, res, db_text(&row, COL_SESSION_ID), 0,
                                   db_str(&row, COL_USER), db_str(&row, COL_CLAIMS), true);
    if (strcmp(outcome, "not_confirmed") == 0)
        (void)auth_refuse(req, res, 400, "email_not_confirmed", "Email not confirmed");
    else if (strcmp(outcome, "banned") == 0)
        (void)auth_refuse(req, res, 400, "user_banned", "User is banned");
    else
        return wrong(req, res);
    return ERR_OK;
}

/* ---- grant_type=refresh_token ---- */

enum { REFRESH_OUTCOME, REFRESH_COUNTER, REFRESH_USER_ID, REFRESH_USER, REFRESH_CLAIMS };

static struct db_stmt refreshes = {.sql = "SELECT * FROM platform.auth_refreshes($1)"};

static struct db_stmt refresh = {
    .sql = "SELECT * FROM platform.auth_refresh($1::uuid, $2::bigint, $3, $4, $5::int, $6::int, "
           "$7::int)",
    .kind = DB_GROUPED,
    .group = &refreshes};

static const struct {
    const char *outcome, *code, *text;
} refusals[] = {
    {"banned", "user_banned", "Invalid Refresh Token: User Banned"},
    {"expired", "session_expired", "Invalid Refresh Token: Session Expired"},
    {"inactive", "session_expired", "Invalid Refresh Token: Session Expired (Inactivity)"},
    {"ahead", "validation_failed", "Invalid Refresh Token: Not Issued By This Server"},
    {"used", "refresh_token_already_used", "Invalid Refresh Token: Already Used"},
    {"not_found", "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"},
};

static enum err
refuse_refresh(struct fn_req *req, struct fn_res *res, const char *outcome)
{
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(refusals) && strcmp(refusals[i].outcome, outcome) != 0)
        i++;
    (void)auth_refuse(req, res, 400, refusals[i].code, refusals[i].text);
    return ERR_OK;
}

static enum err
grant_refresh(struct fn_req *req, struct fn_res *res, const struct json *body)
{
    char session_id[AUTH_SESSION_ID_SIZE];
    int64_t counter;
    struct db_row row;

    switch (
        auth_read_refresh_token(json_text(json_get(body, "refresh_token")), session_id, &counter)) {
    case AUTH_TOKEN_MALFORMED:
        (void)auth_refuse(req, res, 400, "validation_failed", "Refresh token is not valid");
        return ERR_OK;
    case AUTH_TOKEN_FOREIGN:
        return refuse_refresh(req, res, "not_found");
    case AUTH_TOKEN_OK:
        break;
    }
    TRY(db_one(req->task, &refresh,
               DB_PARAMS(session_id, arena_printf(req->task->arena, "%lld", (long long)counter),
                         auth_user_agent(req), auth_ip(req), auth_number(req, &cfg_reuse_interval),
                         auth_number(req, &cfg_session_lifetime),
                         auth_number(req, &cfg_session_inactivity)),
               &row));
    if (strcmp(db_text(&row, REFRESH_OUTCOME), "ok") != 0)
        return refuse_refresh(req, res, db_text(&row, REFRESH_OUTCOME));
    MUST(number_i64(db_str(&row, REFRESH_COUNTER), &counter));
    return auth_answer_session(req, res, session_id, counter, db_str(&row, REFRESH_USER),
                               db_str(&row, REFRESH_CLAIMS), false);
}

/* ---- grant_type=pkce ---- */

static struct db_stmt exchange = {.sql = "SELECT * FROM platform.auth_exchange($1, $2, $3, $4)",
                                  .kind = DB_WRITE};

static const struct {
    const char *outcome;
    int status;
    const char *code, *text;
} exchange_refusals[] = {
    {"expired", 422, "flow_state_expired", "invalid flow state, flow state has expired"},
    {"bad_verifier", 400, "bad_code_verifier",
     "code challenge does not match previously saved code verifier"},
    {"banned", 403, "user_banned", "User is banned"},
    {"not_found", 404, "flow_state_not_found", "invalid flow state, no valid flow state found"},
};

/* `verifier` NULL: who asks has shown the mail itself. */
static enum err
exchange_code(struct fn_req *req, struct fn_res *res, const char *code, const char *verifier)
{
    struct db_row row;
    size_t i = 0;

    TRY(db_one(req->task, &exchange, DB_PARAMS(code, verifier, auth_user_agent(req), auth_ip(req)),
               &row));
    const char *outcome = db_text(&row, COL_OUTCOME);
    if (strcmp(outcome, "session") == 0)
        return auth_answer_session(req, res, db_text(&row, COL_SESSION_ID), 0,
                                   db_str(&row, COL_USER), db_str(&row, COL_CLAIMS), false);
    while (i + 1 < ARRAY_LEN(exchange_refusals) &&
           strcmp(exchange_refusals[i].outcome, outcome) != 0)
        i++;
    (void)auth_refuse(req, res, exchange_refusals[i].status, exchange_refusals[i].code,
                      exchange_refusals[i].text);
    return ERR_OK;
}

enum err
auth_exchange_own(struct fn_req *req, struct fn_res *res, const char *code)
{
    return exchange_code(req, res, code, NULL);
}

static enum err
grant_pkce(struct fn_req *req, struct fn_res *res, const struct json *body)
{
    const char *code = auth_text(req, body, "auth_code");
    const char *verifier = auth_text(req, body, "code_verifier");

    if (code[0] != '\0' && verifier[0] != '\0')
        return exchange_code(req, res, code, verifier);
    (void)auth_refuse(req, res, 400, "validation_failed",
                      "invalid request: both auth code and code verifier should be non-empty");
    return ERR_OK;
}

/* ---- which ---- */

static const struct {
    const char *type;
    enum err (*grant)(struct fn_req *req, struct fn_res *res, const struct json *body);
} grants[] = {{"password", grant_password}, {"refresh_token", grant_refresh}, {"pkce", grant_pkce}};

enum err
auth_token(struct fn_req *req, struct fn_res *res)
{
    const char *type = auth_query(req, "grant_type");
    const struct json *body;

    for (size_t i = 0; i < ARRAY_LEN(grants); i++) {
        if (strcmp(type, grants[i].type) != 0)
            continue;
        return auth_body(req, res, &body) ? grants[i].grant(req, res, body) : ERR_OK;
    }
    if (strcmp(type, "id_token") == 0)
        (void)auth_refuse(req, res, 400, "provider_disabled", "Provider is not enabled");
    else if (strcmp(type, "web3") == 0)
        (void)auth_refuse(req, res, 422, "web3_provider_disabled", "Web3 provider is disabled");
    else
        (void)auth_refuse(req, res, 400, "invalid_credentials", "unsupported_grant_type");
    return ERR_OK;
}
