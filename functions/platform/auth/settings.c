/* What an operator may set of the auth service. */
#include "auth.h"

#include "crypto/sealed.h"
#include "fn/settings.h"
#include "redirect.h"

struct setting cfg_auth_secret = {
    .env = "AUTH_SECRET",
    .kind = SETTING_SECRET32,
    .meaning = "refresh tokens are made with it, 32 characters or more; another one signs "
               "everybody out",
    .secret = true,
};

struct setting cfg_jwt_expiry = {
    .env = "JWT_EXPIRY",
    .kind = SETTING_INT,
    .fallback = "3600",
    .meaning = "seconds for which an access token is good",
    .min = 60,
    .max = 86400,
};

struct setting cfg_jwt_signing_key = {
    .env = "JWT_SIGNING_KEY",
    .kind = SETTING_WORD,
    .fallback = "",
    .meaning = "private key of access tokens (ES256): an EC key of P-256, PKCS #8 in base64url; "
               "without one they are signed with JWT_SECRET",
    .secret = true,
    .check = auth_check_signing_key,
};

struct setting cfg_signing_key_file = {
    .env = "SIGNING_KEY_FILE",
    .kind = SETTING_FOLDER,
    .fallback = "",
    .meaning = "file with such a key in place of JWT_SIGNING_KEY, followed while the function runs "
               "(./deploy.sh keys writes it)",
    .check = auth_check_signing_file,
};

struct setting cfg_disable_signup = {
    .env = "DISABLE_SIGNUP",
    .kind = SETTING_BOOL,
    .fallback = "false",
    .meaning = "true: nobody signs up",
};

struct setting cfg_autoconfirm = {
    .env = "ENABLE_EMAIL_AUTOCONFIRM",
    .kind = SETTING_BOOL,
    .fallback = "false",
    .meaning = "true: an address is taken for its owner's without a code",
};

struct setting cfg_password_min = {
    .env = "PASSWORD_MIN_LENGTH",
    .kind = SETTING_INT,
    .fallback = "8",
    .meaning = "shortest new password, in bytes",
    .min = 6,
    .max = PASSWORD_BYTES_MAX,
};

static const char *
check_classes(const char *text)
{
    return strlen(text) > 500 || strchr(text, ':') == NULL
               ? "must be classes of characters with colons between: abc…z:ABC…Z:0123456789"
               : NULL;
}

struct setting cfg_password_classes = {
    .env = "PASSWORD_REQUIRED_CHARACTERS",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning =
        "classes of characters, with colons between, of each of which a new password has one",
    .check = check_classes,
};

struct setting cfg_password_cost = {
    .env = "PASSWORD_COST",
    .kind = SETTING_INT,
    .fallback = "10",
    .meaning = "2^cost rounds of bcrypt; other hashes are made anew at the next sign-in",
    .min = PASSWORD_COST_MIN,
    .max = PASSWORD_COST_MAX,
};

struct setting cfg_reuse_interval = {
    .env = "REFRESH_TOKEN_REUSE_INTERVAL",
    .kind = SETTING_INT,
    .fallback = "10",
    .meaning = "seconds in which an older refresh token is taken for a late one, not a stolen one",
};

struct setting cfg_session_lifetime = {
    .env = "SESSION_LIFETIME_S",
    .kind = SETTING_INT,
    .fallback = "0",
    .meaning = "seconds after which a session ends; 0: never",
};

struct setting cfg_session_inactivity = {
    .env = "SESSION_INACTIVITY_S",
    .kind = SETTING_INT,
    .fallback = "0",
    .meaning = "seconds without a refresh after which a session ends; 0: never",
};

struct setting cfg_otp_expiry = {
    .env = "OTP_EXPIRY_S",
    .kind = SETTING_INT,
    .fallback = "3600",
    .meaning = "seconds for which a mailed code is good",
    .min = 60,
    .max = 86400,
};

struct setting cfg_site_url = {
    .env = "SITE_URL",
    .kind = SETTING_URL,
    .meaning = "the front end: where links of mails lead",
};

static const char *
check_redirect_urls(const char *text)
{
    static const char wrong[] =
        "must be addresses, or patterns of them, with commas between: https://*.example.com/**";

    struct str patterns = str_of(text);

    while (patterns.len > 0) {
        const struct str one = redirect_next(&patterns);

        if (one.len == 0 || one.len > REDIRECT_PATTERN_MAX ||
            memmem(one.ptr, one.len, "://", 3) == NULL || memchr(one.ptr, ' ', one.len) != NULL)
            return wrong;
    }
    return NULL;
}

struct setting cfg_redirect_urls = {
    .env = "ADDITIONAL_REDIRECT_URLS",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "where else links may lead: patterns with commas between them, such as "
               "https://*.example.com/**",
    .check = check_redirect_urls,
};

struct setting cfg_password_needs_code = {
    .env = "PASSWORD_CHANGE_NEEDS_CODE",
    .kind = SETTING_BOOL,
    .fallback = "false",
    .meaning = "true: in a session of more than a day a new password needs a mailed code",
};

/* None is the default: the number is that of the mail provider, and a small one lets a stranger use
 * it up, so that nobody signs up in that hour. */
struct setting cfg_mails_hourly = {
    .env = "RATE_LIMIT_EMAIL_SENT",
    .kind = SETTING_INT,
    .fallback = "0",
    .meaning =
        "mails with codes and links that people may ask for in an hour, all of them together; "
        "0: as many as they like",
    .max = 1000000,
};

struct setting cfg_audit_days = {
    .env = "AUTH_AUDIT_DAYS",
    .kind = SETTING_INT,
    .fallback = "0",
    .meaning = "days for which it is known what happened to a user's login; 0: for ever",
    .max = 36500,
};

struct setting cfg_staff_mfa = {
    .env = "STAFF_MFA",
    .kind = SETTING_BOOL,
    .fallback = "false",
    .meaning = "true: staff act with a second factor only; false: those who have one do",
};

struct setting *const auth_own_settings[] = {
    &cfg_auth_secret,   &cfg_jwt_expiry,          &cfg_jwt_signing_key,  &cfg_disable_signup,
    &cfg_autoconfirm,   &cfg_password_min,        &cfg_audit_days,       &cfg_password_classes,
    &cfg_password_cost, &cfg_reuse_interval,      &cfg_session_lifetime, &cfg_session_inactivity,
    &cfg_otp_expiry,    &cfg_credential_keys,     &cfg_supabase_url,     &cfg_site_url,
    &cfg_redirect_urls, &cfg_password_needs_code, &cfg_captcha_secret,   &cfg_captcha_url,
    &cfg_mails_hourly,  &cfg_signing_key_file,    &cfg_staff_mfa,        NULL};
