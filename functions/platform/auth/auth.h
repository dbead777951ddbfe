/*
 * What the files of auth share.  The wire is Supabase Auth's (GoTrue), which supabase-js calls:
 * docs/auth.md says what is as there and what is better.
 *
 *   main.c      routes
 *   settings.c  what an operator may set
 *   input.c     bodies, addresses
 *   captcha.c   whether a person asks
 *   issue.c     access and refresh tokens, the session that is answered
 *   password.c  what a password must be; hashing beside the loop
 *   common_passwords.c  those that everybody tries
 *   mail.c      codes, links, and the mails they go in
 *   redirect.c  where links lead
 *   signup.c    POST /signup
 *   grant.c     POST /token
 *   recover.c   POST /recover, /otp, /magiclink, /resend
 *   verify.c    POST and GET /verify
 *   user.c      GET and PUT /user, POST /logout, GET /reauthenticate
 *   factor.c    /factors: the second factor
 *   admin.c     /admin/users, /invite, /admin/generate_link
 *   admin_factors.c  /admin/users/:id/factors
 *   staff.c     tells the database what staff need
 *   about.c     settings, health, keys; what is not built
 *
 * A refusal is an answer of the original, written by auth_refuse; a handler that got REFUSED has
 * one in `res` and returns ERR_OK.
 */
#ifndef FFX_AUTH_H
#define FFX_AUTH_H

#include "base/setting.h"
#include "crypto/digest.h"
#include "crypto/password.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/caller.h"
#include "fn/failure.h"
#include "json/tree.h"
#include "json/write.h"

extern struct setting cfg_auth_secret, cfg_jwt_expiry, cfg_jwt_signing_key, cfg_disable_signup,
    cfg_autoconfirm, cfg_password_min, cfg_password_cost, cfg_reuse_interval, cfg_session_lifetime,
    cfg_session_inactivity, cfg_otp_expiry, cfg_site_url, cfg_redirect_urls,
    cfg_password_needs_code, cfg_password_classes, cfg_audit_days, cfg_captcha_secret,
    cfg_captcha_url, cfg_mails_hourly, cfg_signing_key_file, cfg_staff_mfa;
extern struct setting *const auth_own_settings[];

/* ---- input.c ---- */

/* Answer with a refusal; false, so that a check reads `return auth_refuse(…)`. */
bool auth_refuse(struct fn_req *req, struct fn_res *res, int status, const char *code,
                 const char *text);

/* An outcome of SQL that is a refusal, and its answer. */
struct auth_refusal {
    const char *outcome;
    int status;
    const char *code, *text;
};
/* Whether `outcome` stands in the table; it is answered then. */
bool auth_refused_by(struct fn_req *req, struct fn_res *res, const struct auth_refusal *table,
                     size_t count, const char *outcome);

/* … of another mail so soon; `wait_s` is in the text and in Retry-After. */
bool auth_refuse_wait(struct fn_req *req, struct fn_res *res, const char *wait_s);

/* The body, a JSON object whatever its type is called; false: refused. */
NODISCARD bool auth_body(struct fn_req *req, struct fn_res *res, const struct json **ret);
/* What was done for somebody who is known here takes another time than for a stranger: before
 * either is answered, as long passes as both take. */
void auth_even(const struct fn_req *req);
/* A text member, "" where there is none. */
const char *auth_text(struct fn_req *req, const struct json *body, const char *name);
/* An object member as JSON text, "{}" where there is none.  What is larger than a token can carry
 * is refused. */
#define AUTH_OBJECT_MAX 4096
NODISCARD bool auth_object(struct fn_req *req, struct fn_res *res, const struct json *body,
                           const char *name, const char **ret);
/* In lower case, of ASCII alone, in the arena. */
const char *auth_lower(struct fn_req *req, const char *text);
/* A number that is set, for SQL. */
const char *auth_number(struct fn_req *req, const struct setting *s);
/* Lower case and well-formed (HTML's type=email), or refused. */
NODISCARD bool auth_email(struct fn_req *req, struct fn_res *res, const char **email);
/* A parameter of the query, decoded; "" where there is none. */
const char *auth_query(struct fn_req *req, const char *name);
/* Where the request came from, for the books: parameters of most SQL calls. */
const char *auth_user_agent(struct fn_req *req);
const char *auth_ip(struct fn_req *req);

/* ---- captcha.c ---- */

/* A captcha was solved (gotrue_meta_security.captcha_token of the body), none is asked for, or the
 * service key asks; false: refused.  Waits for the captcha's service. */
NODISCARD bool auth_captcha(struct fn_req *req, struct fn_res *res, const struct json *body);

/* ---- issue.c ---- */

struct auth_session {
    const char *access_token, *refresh_token;
    int64_t expires_at;
};
void auth_make_session(struct fn_req *req, const char *session_id, int64_t counter,
                       struct str user_object, struct str claims, struct auth_session *ret);
/* Answer with a session: the user, tokens that say `claims` (members of JSON as text), and the
 * refresh token of this counter. */
enum err auth_answer_session(struct fn_req *req, struct fn_res *res, const char *session_id,
                             int64_t counter, struct str user_object, struct str claims,
                             bool with_weak_password);

/* A refresh token, in the arena; and back, where the signature says that it was made here. */
#define AUTH_SESSION_ID_SIZE 37
char *auth_refresh_token(struct arena *a, const char *session_id, int64_t counter);
enum auth_token { AUTH_TOKEN_OK, AUTH_TOKEN_MALFORMED, AUTH_TOKEN_FOREIGN };
enum auth_token auth_read_refresh_token(struct str token, char session_id[AUTH_SESSION_ID_SIZE],
                                        int64_t *counter);

/* ---- signing.c ---- */

/* Whether the private key can be used; checks of settings. */
const char *auth_check_signing_key(const char *text);
const char *auth_check_signing_file(const char *path);
/* A token over the payload, with the present key. */
char *auth_sign(struct arena *a, struct str payload_json);

/* ---- password.c ---- */

/* Good enough for a new one, or refused. */
NODISCARD bool auth_password_fits(struct fn_req *req, struct fn_res *res, struct str password);
/* Whether it is one of those that are tried first (common_passwords.c). */
bool auth_password_is_common(struct str password);
/* The hash of a new one, in the arena.  ERR_UNAVAILABLE when too many wait for theirs. */
NODISCARD enum err auth_hash(struct fn_req *req, struct str password, const char **ret);
/* Whether `hash` (NULL: there is nobody) is the password's; *ret_new is one to replace it, or NULL.
 */
NODISCARD enum err auth_compare(struct fn_req *req, const char *hash, struct str password,
                                bool *ret_right, const char **ret_new);

/* ---- mail.c ---- */

/* PKCE (RFC 7636): what whoever opens the link has to know; method "": it is not asked for. */
struct auth_challenge {
    const char *method, *challenge;
};
NODISCARD bool auth_challenge(struct fn_req *req, struct fn_res *res, const struct json *body,
                              struct auth_challenge *ret);
/* A new code for `email` and what is to be mailed about it: JSON for platform.auth_mail, with the
 * hash that is stored and secrets that are sealed.  `change_to` is the new address, of a change of
 * address, else NULL; `challenge` NULL: without PKCE. */
const char *auth_new_code(struct fn_req *req, const char *email, const char *type,
                          const char *change_to, const struct auth_challenge *challenge);
/* Counts a mail that somebody asks for, whoever that is, before it is looked whether there is
 * anybody to mail to.  ERR_RATE_LIMITED: there were too many in this hour. */
NODISCARD enum err auth_count_mail(struct fn_req *req);
/* The hash under which a code is stored, in hex. */
#define AUTH_HASH_SIZE (2 * SHA224_BYTES + 1)
void auth_code_hash(struct arena *a, const char *email, const char *code, char *ret);

/* A code and its hash, of a link that somebody else sends. */
struct auth_link {
    char code[7], hash[AUTH_HASH_SIZE];
};
void auth_new_link(struct fn_req *req, const char *email, struct auth_link *ret);
/* The address that a mail has for it. */
const char *auth_link_of(struct fn_req *req, const char *hash, const char *type);

/* A random UUID (RFC 9562, version 4), for what the database is to store under it. */
void auth_new_id(char ret[37]);

/* ---- redirect.c ---- */

/* Where the links of a request lead: what it asks for, where that is allowed, else SITE_URL. */
const char *auth_redirect(struct fn_req *req);

/* ---- user.c: whose token it is ---- */

/* Who asks, and the session of the token (NULL: it has none); false: refused. */
NODISCARD bool auth_bearer(struct fn_req *req, struct fn_res *res, const char **ret_session_id);
/* Whether `outcome` says that there is no such user, session …; it is answered then.  `wait_s` is
 * for "too_soon". */
bool auth_refused(struct fn_req *req, struct fn_res *res, const char *outcome, const char *wait_s);

/* ---- factor.c: what admin_factors.c has in common with it ---- */

/* The factor that the path names by this parameter, or refused. */
NODISCARD bool auth_factor_id(struct fn_req *req, struct fn_res *res, const char *name,
                              const char **ret);
/* Its name in the body, "" where there is none, or refused. */
NODISCARD bool auth_factor_name(struct fn_req *req, struct fn_res *res, const struct json *body,
                                const char **ret);
void auth_refuse_factor_name(struct fn_req *req, struct fn_res *res, const char *name);

/* ---- staff.c ---- */

/* The start of a worker: what is set reaches the database. */
void auth_tell_staff_rules(void);

/* ---- signup.c, grant.c, user.c: parts of others' answers ---- */

/* Somebody who is not known, or not confirmed, asks for a link: a sign-up without a password. */
enum err auth_sign_up_by_mail(struct fn_req *req, struct fn_res *res, const char *email,
                              const char *data, const struct auth_challenge *challenge);
/* The session for a code of a PKCE flow, without its verifier. */
enum err auth_exchange_own(struct fn_req *req, struct fn_res *res, const char *code);
/* Another mail about a change of address. */
enum err auth_resend_change(struct fn_req *req, struct fn_res *res, const char *email);

/* ---- handlers ---- */

enum err auth_sign_up(struct fn_req *req, struct fn_res *res);
enum err auth_token(struct fn_req *req, struct fn_res *res);
enum err auth_verify(struct fn_req *req, struct fn_res *res);
enum err auth_follow(struct fn_req *req, struct fn_res *res);
enum err auth_recover(struct fn_req *req, struct fn_res *res);
enum err auth_otp(struct fn_req *req, struct fn_res *res);
enum err auth_magiclink(struct fn_req *req, struct fn_res *res);
enum err auth_resend(struct fn_req *req, struct fn_res *res);
enum err auth_put_user(struct fn_req *req, struct fn_res *res);
enum err auth_reauthenticate(struct fn_req *req, struct fn_res *res);
enum err auth_get_user(struct fn_req *req, struct fn_res *res);
enum err auth_log_out(struct fn_req *req, struct fn_res *res);
enum err auth_enroll(struct fn_req *req, struct fn_res *res);
enum err auth_challenge_factor(struct fn_req *req, struct fn_res *res);
enum err auth_verify_factor(struct fn_req *req, struct fn_res *res);
enum err auth_unenroll(struct fn_req *req, struct fn_res *res);
enum err auth_admin_list_factors(struct fn_req *req, struct fn_res *res);
enum err auth_admin_name_factor(struct fn_req *req, struct fn_res *res);
enum err auth_admin_delete_factor(struct fn_req *req, struct fn_res *res);
enum err auth_admin_list(struct fn_req *req, struct fn_res *res);
enum err auth_admin_get(struct fn_req *req, struct fn_res *res);
enum err auth_admin_create(struct fn_req *req, struct fn_res *res);
enum err auth_admin_update(struct fn_req *req, struct fn_res *res);
enum err auth_admin_delete(struct fn_req *req, struct fn_res *res);
enum err auth_invite(struct fn_req *req, struct fn_res *res);
enum err auth_generate_link(struct fn_req *req, struct fn_res *res);
enum err auth_not_built(struct fn_req *req, struct fn_res *res);
enum err auth_settings(struct fn_req *req, struct fn_res *res);
enum err auth_health(struct fn_req *req, struct fn_res *res);
enum err auth_jwks(struct fn_req *req, struct fn_res *res);

#endif
