/*
 * /factors: the second factor, codes of an authenticator program (TOTP), as auth.mfa of supabase-js
 * goes about it: enroll, challenge, verify, unenroll.  Lists and levels the client reads from the
 * user and the token.
 *
 * A secret is made and opened here alone; in the database it is sealed under its factor's id.  What
 * a code does, whether it was used, and how many may be tried the database decides: it is told to
 * which step of 30 seconds the code belongs, or that it belongs to none.
 */
#include "auth.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/metric.h"
#include "base/number.h"
#include "base/text.h"
#include "base/url.h"
#include "crypto/digest.h"
#include "crypto/sealed.h"
#include "crypto/totp.h"
#include "qr/code.h"

#define SKEW_STEPS      1   /* that the clock of an authenticator may be wrong */
#define SECRET_MAX      128 /* bytes, of those that came from another system */
#define ISSUER_MAX      100 /* bytes: the picture holds a thousand in all */
#define FACTOR_NAME_MAX 255 /* bytes */
#define SECRET_NAME     "totp_secret"

enum { ENROLL_OUTCOME, ENROLL_EMAIL };
enum { CHALLENGE_OUTCOME, CHALLENGE_ID, CHALLENGE_EXPIRES };
enum { SECRET_OUTCOME, SECRET_WAIT_S, SECRET_SEALED, SECRET_LAST_STEP };
enum { VERIFY_OUTCOME, VERIFY_WAIT_S, VERIFY_COUNTER, VERIFY_USER, VERIFY_CLAIMS };

static struct db_stmt enroll = {
    .sql = "SELECT * FROM platform.auth_enroll_factor($1::uuid, $2::uuid, $3::uuid, $4, $5, $6)",
    .kind = DB_WRITE};
static struct db_stmt challenge = {
    .sql = "SELECT * FROM platform.auth_challenge_factor($1::uuid, $2::uuid, $3::uuid, $4)",
    .kind = DB_WRITE};
static struct db_stmt get_secret = {
    .sql = "SELECT * FROM platform.auth_factor_secret($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5)",
    .kind = DB_READ};
static struct db_stmt verify = {
    .sql = "SELECT * FROM platform.auth_verify_factor($1::uuid, $2::uuid, $3::uuid, $4::uuid, "
           "$5::bigint, $6, $7)",
    .kind = DB_WRITE};
static struct db_stmt unenroll = {
    .sql = "SELECT * FROM platform.auth_unenroll_factor($1::uuid, $2::uuid, $3::uuid, $4)",
    .kind = DB_WRITE};

static const struct auth_refusal refusals[] = {
    {"anonymous", 403, "no_authorization", "Anonymous user not allowed to perform these actions"},
    {"factor_not_found", 404, "mfa_factor_not_found", "Factor not found"},
    {"too_many", 422, "too_many_enrolled_mfa_factors",
     "Maximum number of verified factors reached, unenroll to continue"},
    {"insufficient_aal", 403, "insufficient_aal", "AAL2 required to enroll a new factor"},
    {"lacks_aal2", 422, "insufficient_aal", "AAL2 required to unenroll verified factor"},
    {"challenge_not_found", 422, "mfa_factor_not_found",
     "MFA factor with the provided challenge ID not found"},
    {"ip_mismatch", 422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch."},
    {"wrong", 422, "mfa_verification_failed", "Invalid TOTP code entered"},
};

/* Whether `outcome` is a refusal, which is answered then. */
static bool
refused(struct fn_req *req, struct fn_res *res, const char *outcome)
{
    return auth_refused_by(req, res, refusals, ARRAY_LEN(refusals), outcome) ||
           auth_refused(req, res, outcome, NULL);
}

bool
auth_factor_id(struct fn_req *req, struct fn_res *res, const char *name, const char **ret)
{
    char id[UUID_SIZE];

    if (!uuid_read(fn_param(req, name), id))
        return auth_refuse(req, res, 404, "validation_failed", "factor_id must be an UUID");
    *ret = arena_copy(req->task->arena, str_of(id));
    return true;
}

bool
auth_factor_name(struct fn_req *req, struct fn_res *res, const struct json *body, const char **ret)
{
    *ret = auth_text(req, body, "friendly_name");
    return strlen(*ret) <= FACTOR_NAME_MAX ||
           auth_refuse(req, res, 400, "validation_failed",
                       "friendly_name can have 255 bytes at most");
}

void
auth_refuse_factor_name(struct fn_req *req, struct fn_res *res, const char *name)
{
    (void)auth_refuse(
        req, res, 422, "mfa_factor_name_conflict",
        arena_printf(req->task->arena,
                     "A factor with the friendly name \"%s\" for this user already exists", name));
}

/* ---- enroll ---- */

struct enrolment {
    const char *name, *issuer;
    char id[UUID_SIZE];
    char secret[BASE32_SIZE(TOTP_SECRET_BYTES)];
};

static bool
read_type(struct fn_req *req, struct fn_res *res, const struct json *body)
{
    const char *type = auth_text(req, body, "factor_type");

    if (strcmp(type, "phone") == 0)
        return auth_refuse(req, res, 422, "mfa_phone_enroll_not_enabled",
                           "MFA enroll is disabled for Phone");
    if (strcmp(type, "webauthn") == 0)
        return auth_refuse(req, res, 422, "mfa_webauthn_enroll_not_enabled",
                           "MFA enroll is disabled for WebAuthn");
    return strcmp(type, "totp") == 0 ||
           auth_refuse(req, res, 400, "validation_failed",
                       "factor_type needs to be totp, phone, or webauthn");
}

/* Whose code it is, in the authenticator's list: what was asked for, else the front end's host. */
static bool
read_issuer(struct fn_req *req, struct fn_res *res, const struct json *body, const char **ret)
{
    *ret = auth_text(req, body, "issuer");
    if ((*ret)[0] == '\0') {
        const struct str site = setting_str(&cfg_site_url);
        const struct str host = url_host(site);
        const size_t port = host.ptr == NULL ? 0 : strcspn(host.ptr + host.len, "/?#");

        *ret = arena_copy(req->task->arena, (struct str){host.ptr, host.len + port});
    }
    return strlen(*ret) <= ISSUER_MAX ||
           auth_refuse(req, res, 400, "validation_failed", "issuer can have 100 bytes at most");
}

static bool
read_enrolment(struct fn_req *req, struct fn_res *res, struct enrolment *ret)
{
    uint8_t secret[TOTP_SECRET_BYTES];
    const struct json *body;

    if (!auth_body(req, res, &body) || !read_type(req, res, body) ||
        !auth_factor_name(req, res, body, &ret->name) || !read_issuer(req, res, body, &ret->issuer))
        return false;
    auth_new_id(ret->id);
    crypto_random(secret, sizeof secret);
    (void)base32_encode(secret, sizeof secret, ret->secret);
    crypto_wipe(secret, sizeof secret);
    return true;
}

/* As the path of a URL, in which ':' and '@' stay. */
static void
add_label(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == ':' || *text == '@')
            buf_add_char(out, *text);
        else
            percent_encode(out, (struct str){text, 1});
}

/* What the picture holds (github.com/google/google-authenticator, Key Uri Format). */
static const char *
uri_of(struct arena *a, const struct enrolment *e, const char *email)
{
    struct buf out;

    buf_init_arena(&out, a, 4096);
    buf_add_text(&out, "otpauth://totp/");
    add_label(&out, e->issuer);
    buf_add_char(&out, ':');
    add_label(&out, email);
    buf_printf(&out, "?algorithm=SHA1&digits=%d&issuer=", TOTP_DIGITS);
    percent_encode(&out, str_of(e->issuer));
    buf_printf(&out, "&period=%d&secret=%s", TOTP_STEP_S, e->secret);
    return out.ptr;
}

static enum err
answer_enrolment(struct fn_req *req, struct fn_res *res, const struct enrolment *e,
                 const char *email)
{
    const char *uri = uri_of(req->task->arena, e, email);
    const char *picture = qr_svg(req->task->arena, str_of(uri));
    struct json_writer *w;

    if (picture == NULL)
        return fail_detail(&req->task->fail, ERR_INTERNAL, "no QR code of %zu bytes", strlen(uri));
    w = fn_json(res, 200);
    jw_open(w);
    jw_text_at(w, "id", e->id);
    jw_text_at(w, "type", "totp");
    jw_text_at(w, "friendly_name", e->name);
    jw_key(w, "totp");
    jw_open(w);
    jw_text_at(w, "qr_code", picture);
    jw_text_at(w, "secret", e->secret);
    jw_text_at(w, "uri", uri);
    jw_close(w);
    jw_close(w);
    return ERR_OK;
}

enum err
auth_enroll(struct fn_req *req, struct fn_res *res)
{
    struct arena *a = req->task->arena;
    struct enrolment e = {0};
    const char *session_id;
    struct db_row row;

    if (!auth_bearer(req, res, &session_id) || !read_enrolment(req, res, &e))
        return ERR_OK;
    TRY(db_one(req->task, &enroll,
               DB_PARAMS(req->caller.user_id, session_id, e.id, e.name,
                         sealed_seal(a, str_of(e.secret), e.id, SECRET_NAME), auth_ip(req)),
               &row));
    const char *outcome = db_text(&row, ENROLL_OUTCOME);
    if (strcmp(outcome, "name_taken") == 0)
        auth_refuse_factor_name(req, res, e.name);
    else if (!refused(req, res, outcome))
        return answer_enrolment(req, res, &e, db_text(&row, ENROLL_EMAIL));
    return ERR_OK;
}

/* ---- challenge ---- */

enum err
auth_challenge_factor(struct fn_req *req, struct fn_res *res)
{
    const char *session_id, *factor_id;
    struct db_row row;

    if (!auth_bearer(req, res, &session_id) || !auth_factor_id(req, res, "id", &factor_id))
        return ERR_OK;
    TRY(db_one(req->task, &challenge,
               DB_PARAMS(req->caller.user_id, session_id, factor_id, auth_ip(req)), &row));
    if (refused(req, res, db_text(&row, CHALLENGE_OUTCOME)))
        return ERR_OK;
    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    jw_text_at(w, "id", db_text(&row, CHALLENGE_ID));
    jw_text_at(w, "type", "totp");
    jw_key(w, "expires_at");
    jw_raw(w, db_str(&row, CHALLENGE_EXPIRES));
    jw_close(w);
    return ERR_OK;
}

/* ---- verify ---- */

struct answer {
    const char *session_id, *factor_id, *challenge_id; /* NULL: no UUID, and so of no challenge */
    struct str code;
};

static bool
read_answer(struct fn_req *req, struct fn_res *res, struct answer *ret)
{
    const struct json *body;
    char id[UUID_SIZE];

    if (!auth_bearer(req, res, &ret->session_id) ||
        !auth_factor_id(req, res, "id", &ret->factor_id) || !auth_body(req, res, &body))
        return false;
    if (uuid_read(json_text(json_get(body, "challenge_id")), id))
        ret->challenge_id = arena_copy(req->task->arena, str_of(id));
    ret->code = str_trim(json_text(json_get(body, "code")), " \t\r\n");
    return true;
}

static bool
refuse_tries(struct fn_req *req, struct fn_res *res, const char *outcome, const char *wait_s)
{
    if (strcmp(outcome, "too_many_tries") != 0)
        return false;
    metric_add(METRIC_RATE_LIMITED, 1);
    fn_header_set(req, res, "Retry-After", wait_s);
    return !auth_refuse(req, res, 429, "over_request_rate_limit",
                        arena_printf(req->task->arena,
                                     "Too many wrong codes were entered. Try again in %s seconds.",
                                     wait_s));
}

static bool
refuse_answer(struct fn_req *req, struct fn_res *res, const struct answer *answer,
              const char *outcome, const char *wait_s)
{
    if (strcmp(outcome, "challenge_expired") == 0)
        return !auth_refuse(req, res, 422, "mfa_challenge_expired",
                            arena_printf(req->task->arena,
                                         "MFA challenge %s has expired, verify against another "
                                         "challenge or create a new challenge.",
                                         answer->challenge_id));
    return refuse_tries(req, res, outcome, wait_s) || refused(req, res, outcome);
}

/* The step that the code belongs to, as SQL takes it; NULL: none that is good now. */
static enum err
find_step(struct fn_req *req, const struct db_row *known, struct str code, const char **ret)
{
    struct arena *a = req->task->arena;
    const struct json *text;
    uint8_t secret[SECRET_MAX];
    struct str shown;
    int64_t last, step;
    size_t len;

    *ret = NULL;
    const char *why = sealed_open(a, db_str(known, SECRET_SEALED), &shown);
    if (why != NULL)
        return fail_detail(&req->task->fail, ERR_INTERNAL, "secret of a factor: %s", why);
    TRY(json_parse(a, &req->task->fail, shown, &text));
    if (!base32_decode(json_text(text), secret, sizeof secret, &len))
        return fail_detail(&req->task->fail, ERR_INTERNAL, "secret of a factor: no base32");
    MUST(number_i64(db_str(known, SECRET_LAST_STEP), &last));
    if (totp_check((struct str){(const char *)secret, len}, code, wall_us() / 1000000, SKEW_STEPS,
                   last, &step))
        *ret = arena_printf(a, "%lld", (long long)step);
    crypto_wipe(secret, sizeof secret);
    return ERR_OK;
}

enum err
auth_verify_factor(struct fn_req *req, struct fn_res *res)
{
    struct answer answer = {0};
    struct db_row known, row;
    const char *step, *outcome;
    int64_t counter;

    if (!read_answer(req, res, &answer))
        return ERR_OK;
    TRY(db_one(req->task, &get_secret,
               DB_PARAMS(req->caller.user_id, answer.session_id, answer.factor_id,
                         answer.challenge_id, auth_ip(req)),
               &known));
    outcome = db_text(&known, SECRET_OUTCOME);
    if (answer.code.len == 0 && strcmp(outcome, "factor_not_found") != 0) {
        (void)auth_refuse(req, res, 400, "validation_failed", "Code needs to be non-empty");
        return ERR_OK;
    }
    if (refuse_answer(req, res, &answer, outcome, db_text(&known, SECRET_WAIT_S)))
        return ERR_OK;
    TRY(find_step(req, &known, answer.code, &step));
    TRY(db_one(req->task, &verify,
               DB_PARAMS(req->caller.user_id, answer.session_id, answer.factor_id,
                         answer.challenge_id, step, auth_user_agent(req), auth_ip(req)),
               &row));
    outcome = db_text(&row, VERIFY_OUTCOME);
    if (refuse_answer(req, res, &answer, outcome, db_text(&row, VERIFY_WAIT_S)))
        return ERR_OK;
    MUST(number_i64(db_str(&row, VERIFY_COUNTER), &counter));
    return auth_answer_session(req, res, answer.session_id, counter, db_str(&row, VERIFY_USER),
                               db_str(&row, VERIFY_CLAIMS), false);
}

/* ---- unenroll ---- */

enum err
auth_unenroll(struct fn_req *req, struct fn_res *res)
{
    const char *session_id, *factor_id;
    struct db_row row;

    if (!auth_bearer(req, res, &session_id) || !auth_factor_id(req, res, "id", &factor_id))
        return ERR_OK;
    TRY(db_one(req->task, &unenroll,
               DB_PARAMS(req->caller.user_id, session_id, factor_id, auth_ip(req)), &row));
    if (refused(req, res, db_text(&row, 0)))
        return ERR_OK;
    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    jw_text_at(w, "id", factor_id);
    jw_close(w);
    return ERR_OK;
}
