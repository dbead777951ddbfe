/*
 * POST /verify: a code that was typed, or the hash of a link.  GET /verify: the link itself, which
 * leads on to the front end with a session, with a code (PKCE), or with what was wrong.
 */
#include "auth.h"

#include "base/encode.h"
#include "crypto/digest.h"

enum { COL_OUTCOME, COL_SESSION_ID, COL_USER, COL_CLAIMS };

static struct db_stmt verify = {
    .sql = "SELECT * FROM platform.auth_verify($1, $2, $3, $4::int, $5, $6)", .kind = DB_WRITE};
static struct db_stmt verify_change = {
    .sql = "SELECT * FROM platform.auth_verify_change($1, $2, $3::int, $4, $5)", .kind = DB_WRITE};

/* `email` NULL: `hash` is all there is. */
static enum err
use_code(struct fn_req *req, const char *type, const char *email, const char *hash,
         struct db_row *ret)
{
    if (strcmp(type, "email_change") == 0)
        return db_one(req->task, &verify_change,
                      DB_PARAMS(email, hash, auth_number(req, &cfg_otp_expiry),
                                auth_user_agent(req), auth_ip(req)),
                      ret);
    return db_one(req->task, &verify,
                  DB_PARAMS(type, email, hash, auth_number(req, &cfg_otp_expiry),
                            auth_user_agent(req), auth_ip(req)),
                  ret);
}

static bool
is_known(const char *type)
{
    static const char *const types[] = {"signup",   "invite", "magiclink",
                                        "recovery", "email",  "email_change"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

#define HALF_TEXT                                                                                  \
    "Confirmation link accepted. Please proceed to confirm link sent to the other email"

/* ---- POST ---- */

static enum err
refuse(struct fn_req *req, struct fn_res *res, int status, const char *code, const char *text)
{
    (void)auth_refuse(req, res, status, code, text);
    return ERR_OK;
}

static enum err
expired(struct fn_req *req, struct fn_res *res, bool typed)
{
    return refuse(req, res, 403, "otp_expired",
                  typed ? "Token has expired or is invalid"
                        : "Email link is invalid or has expired");
}

static enum err
answer(struct fn_req *req, struct fn_res *res, const struct db_row *row, bool typed)
{
    const char *outcome = db_text(row, COL_OUTCOME);

    if (strcmp(outcome, "session") == 0)
        return auth_answer_session(req, res, db_text(row, COL_SESSION_ID), 0, db_str(row, COL_USER),
                                   db_str(row, COL_CLAIMS), false);
    if (strcmp(outcome, "banned") == 0)
        return refuse(req, res, 403, "user_banned", "User is banned");
    if (strcmp(outcome, "taken") == 0)
        return refuse(req, res, 422, "email_exists",
                      "A user with this email address has already been registered");
    if (strcmp(outcome, "half") == 0) {
        struct json_writer *w = fn_json(res, 200);

        jw_open(w);
        jw_text_at(w, "code", "200");
        jw_text_at(w, "msg", HALF_TEXT);
        jw_close(w);
        return ERR_OK;
    }
    return expired(req, res, typed);
}

enum err
auth_verify(struct fn_req *req, struct fn_res *res)
{
    char hash[AUTH_HASH_SIZE];
    const struct json *body;
    struct db_row row;

    if (!auth_body(req, res, &body))
        return ERR_OK;
    const char *type = auth_text(req, body, "type"), *email = auth_text(req, body, "email");
    const char *token = auth_text(req, body, "token"),
               *token_hash = auth_text(req, body, "token_hash");
    if (type[0] == '\0')
        return refuse(req, res, 400, "validation_failed", "Verify requires a verification type");
    if ((token[0] == '\0') == (token_hash[0] == '\0'))
        return refuse(req, res, 400, "validation_failed",
                      "Verify requires either a token or a token hash");
    if (token_hash[0] != '\0') {
        if (email[0] != '\0')
            return refuse(req, res, 400, "validation_failed",
                          "Only the token_hash and type should be provided");
        if (!is_known(type))
            return refuse(req, res, 400, "otp_expired", "Invalid email verification type");
        TRY(use_code(req, type, NULL, token_hash, &row));
        /* Who has the hash of a PKCE link has the mail: no code in between. */
        if (strcmp(db_text(&row, COL_OUTCOME), "code") == 0)
            return auth_exchange_own(req, res, db_text(&row, COL_SESSION_ID));
        return answer(req, res, &row, false);
    }
    if (email[0] == '\0')
        return refuse(req, res, 400, "validation_failed",
                      "Only an email address or phone number should be provided on verify");
    if (!auth_email(req, res, &email))
        return ERR_OK;
    if (!is_known(type))
        return expired(req, res, true);
    auth_code_hash(req->task->arena, email, token, hash);
    TRY(use_code(req, type, email, hash, &row));
    return answer(req, res, &row, true);
}

/* ---- GET ---- */

/* "name=value&…", each percent-encoded as a form is, in the order of the names. */
static void
add_pair(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s%s=", out->len == 0 ? "" : "&", name);
    percent_encode(out, str_of(value));
}

/* 303 to the front end: `query` and `fragment` behind its address. */
static enum err
lead_to(struct fn_req *req, struct fn_res *res, const char *query, const char *fragment)
{
    struct arena *a = req->task->arena;
    const char *to = auth_redirect(req);
    const char *joined = query == NULL ? "" : strchr(to, '?') != NULL ? "&" : "?";

    fn_body(res, 303, "text/html", STR(""));
    fn_header_set(req, res, "Location",
                  arena_printf(a, "%s%s%s%s%s", to, joined, query == NULL ? "" : query,
                               fragment == NULL ? "" : "#", fragment == NULL ? "" : fragment));
    return ERR_OK;
}

static enum err
lead_to_error(struct fn_req *req, struct fn_res *res, bool pkce, const char *error,
              const char *code, const char *text)
{
    struct buf fragment, query;

    buf_init_arena(&query, req->task->arena, 1024);
    add_pair(&query, "error", error);
    add_pair(&query, "error_code", code);
    add_pair(&query, "error_description", text);
    buf_init_arena(&fragment, req->task->arena, 1024);
    buf_add_str(&fragment, buf_str(&query));
    buf_add_text(&fragment, "&sb=");
    return lead_to(req, res, pkce ? query.ptr : NULL, fragment.ptr);
}

static enum err
lead_to_session(struct fn_req *req, struct fn_res *res, const struct db_row *row, const char *type)
{
    struct auth_session session;
    struct buf out;

    auth_make_session(req, db_text(row, COL_SESSION_ID), 0, db_str(row, COL_USER),
                      db_str(row, COL_CLAIMS), &session);
    buf_init_arena(&out, req->task->arena, (size_t)32 * 1024);
    add_pair(&out, "access_token", session.access_token);
    add_pair(&out, "expires_at",
             arena_printf(req->task->arena, "%lld", (long long)session.expires_at));
    add_pair(&out, "expires_in", auth_number(req, &cfg_jwt_expiry));
    add_pair(&out, "refresh_token", session.refresh_token);
    add_pair(&out, "sb", "");
    add_pair(&out, "token_type", "bearer");
    add_pair(&out, "type", type);
    return lead_to(req, res, NULL, out.ptr);
}

enum err
auth_follow(struct fn_req *req, struct fn_res *res)
{
    const char *type = auth_query(req, "type"), *token = auth_query(req, "token");
    const bool pkce = strncmp(token, "pkce_", 5) == 0;
    struct db_row row;

    /* What looks at links before people do (mail scanners) asks by HEAD, and uses nothing up. */
    if (str_is(req->http->method, "HEAD"))
        return lead_to(req, res, NULL, NULL);
    if (type[0] == '\0')
        return refuse(req, res, 400, "validation_failed", "Verify requires a verification type");
    if (token[0] == '\0')
        return refuse(req, res, 400, "validation_failed",
                      "Verify requires a token or a token hash");
    if (!is_known(type))
        return lead_to_error(req, res, pkce, "access_denied", "otp_expired",
                             "Email link is invalid or has expired");
    TRY(use_code(req, type, NULL, token, &row));
    const char *outcome = db_text(&row, COL_OUTCOME);
    if (strcmp(outcome, "session") == 0)
        return lead_to_session(req, res, &row, type);
    if (strcmp(outcome, "code") == 0)
        return lead_to(req, res,
                       arena_printf(req->task->arena, "code=%s", db_text(&row, COL_SESSION_ID)),
                       NULL);
    if (strcmp(outcome, "half") == 0) {
        struct buf out;

        buf_init_arena(&out, req->task->arena, 1024);
        add_pair(&out, "message", HALF_TEXT);
        add_pair(&out, "sb", "");
        return lead_to(req, res, NULL, out.ptr);
    }
    if (strcmp(outcome, "banned") == 0)
        return lead_to_error(req, res, pkce, "access_denied", "user_banned", "User is banned");
    if (strcmp(outcome, "taken") == 0)
        return lead_to_error(req, res, pkce, "access_denied", "email_exists",
                             "A user with this email address has already been registered");
    return lead_to_error(req, res, pkce, "access_denied", "otp_expired",
                         "Email link is invalid or has expired");
}
