/* GET /settings, /health, /.well-known/jwks.json: what this service is. */
#include "auth.h"

#include "fn/keys.h"

enum err
auth_settings(struct fn_req *req UNUSED, struct fn_res *res)
{
    /* In the original's order. */
    static const char *const providers[] = {
        "anonymous_users", "apple",      "azure",    "bitbucket",     "discord", "facebook",
        "snapchat",        "figma",      "fly",      "github",        "gitlab",  "google",
        "keycloak",        "kakao",      "linkedin", "linkedin_oidc", "notion",  "spotify",
        "slack",           "slack_oidc", "workos",   "twitch",        "twitter", "email",
        "phone",           "zoom"};
    struct json_writer *w = fn_json(res, 200);

    jw_open(w);
    jw_key(w, "external");
    jw_open(w);
    for (size_t i = 0; i < ARRAY_LEN(providers); i++)
        jw_bool_at(w, providers[i], strcmp(providers[i], "email") == 0);
    jw_close(w);
    jw_bool_at(w, "disable_signup", setting_bool(&cfg_disable_signup));
    jw_bool_at(w, "mailer_autoconfirm", setting_bool(&cfg_autoconfirm));
    jw_bool_at(w, "phone_autoconfirm", false);
    jw_text_at(w, "sms_provider", "");
    jw_bool_at(w, "saml_enabled", false);
    jw_bool_at(w, "saml_private_key_next_configured", false);
    jw_bool_at(w, "passkeys_enabled", false);
    jw_close(w);
    return ERR_OK;
}

enum err
auth_health(struct fn_req *req UNUSED, struct fn_res *res)
{
    struct json_writer *w = fn_json(res, 200);

    jw_open(w);
    jw_text_at(w, "version", "v2.196.0"); /* of the API that is spoken */
    jw_text_at(w, "name", "GoTrue");
    jw_text_at(w, "description", "GoTrue is a user registration and authentication API");
    jw_close(w);
    return ERR_OK;
}

enum err
auth_jwks(struct fn_req *req, struct fn_res *res)
{
    struct json_writer *w = fn_json(res, 200);
    const struct key_set *set = fn_keys()->set;

    jw_open(w);
    jw_key(w, "keys");
    jw_open_array(w);
    for (size_t i = 0; set != NULL && key_set_at(set, i) != NULL; i++)
        jw_raw(w, str_of(key_public_jwk(req->task->arena, key_set_at(set, i))));
    jw_close_array(w);
    jw_close(w);
    return ERR_OK;
}

/* What the original has and this service has not, in its words for "not enabled". */
static const struct {
    const char *path; /* its beginning */
    int status;
    const char *code, *text;
} disabled[] = {
    {"/callback", 400, "bad_oauth_callback", "OAuth state parameter missing"},
    {"/sso", 404, "saml_provider_disabled", "SAML 2.0 is disabled"},
    {"/passkeys", 404, "passkey_disabled", "Passkeys are disabled"},
    {"/user/identities", 404, "manual_linking_disabled", "Manual linking is disabled"},
    {"/oauth", 404, "feature_disabled", "OAuth server is disabled"},
    {"/admin/oauth", 404, "feature_disabled", "OAuth server is disabled"},
};

enum err
auth_not_built(struct fn_req *req, struct fn_res *res)
{
    const struct str path = req->http->path;

    if (str_is(path, "/authorize")) {
        (void)auth_refuse(req, res, 400, "validation_failed",
                          arena_printf(req->task->arena,
                                       "Unsupported provider: Provider %.40s could not be found",
                                       auth_query(req, "provider")));
        return ERR_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(disabled); i++) {
        const size_t len = strlen(disabled[i].path);

        if (path.len < len || memcmp(path.ptr, disabled[i].path, len) != 0)
            continue;
        (void)auth_refuse(req, res, disabled[i].status, disabled[i].code, disabled[i].text);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}
