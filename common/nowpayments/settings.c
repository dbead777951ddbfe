/* The settings of nowpayments.  Apart from what uses them: a function that only names one of them
 * loads no HTTP client. */
#include "base/setting.h"
#include "base/url.h"
#include "nowpayments/client.h"
#include "nowpayments/ipn.h"
#include "nowpayments/list.h"

struct setting cfg_nowpayments_api_key = {
    .env = "NOWPAYMENTS_API_KEY",
    .kind = SETTING_WORD,
    .meaning = "API key of the NOWPayments account",
    .secret = true,
};

struct setting cfg_nowpayments_sandbox_api_key = {
    .env = "NOWPAYMENTS_SANDBOX_API_KEY",
    .kind = SETTING_WORD,
    .fallback = "",
    .meaning = "API key used instead in sandbox mode",
    .secret = true,
};

struct setting cfg_nowpayments_sandbox_mode = {
    .env = "NOWPAYMENTS_SANDBOX_MODE",
    .kind = SETTING_BOOL,
    .fallback = "false",
    .meaning = "true: use the sandbox URL and key",
    .with = &cfg_nowpayments_sandbox_api_key,
};

struct setting cfg_nowpayments_api_url = {
    .env = "NOWPAYMENTS_API_URL",
    .kind = SETTING_SERVICE,
    .fallback = "https://api.nowpayments.io/v1",
    .meaning = "base URL of the provider's API",
};

struct setting cfg_nowpayments_sandbox_api_url = {
    .env = "NOWPAYMENTS_SANDBOX_API_URL",
    .kind = SETTING_SERVICE,
    .fallback = "https://api-sandbox.nowpayments.io/v1",
    .meaning = "base URL in sandbox mode",
};

struct setting cfg_nowpayments_timeout_ms = {
    .env = "NOWPAYMENTS_TIMEOUT_MS",
    .kind = SETTING_INT,
    .fallback = "10000",
    .meaning = "longest wait for one call to the provider",
    .min = 1,
    .max = INT32_MAX,
};

struct setting *const np_settings[] = {&cfg_nowpayments_api_key,
                                       &cfg_nowpayments_sandbox_api_key,
                                       &cfg_nowpayments_sandbox_mode,
                                       &cfg_nowpayments_api_url,
                                       &cfg_nowpayments_sandbox_api_url,
                                       &cfg_nowpayments_timeout_ms,
                                       NULL};

/* Blanks around it are none of it (ipn.c): a browser's clipboard brings them. */
static const char *
check_secret(const char *text)
{
    return text[strspn(text, " \t")] != '\0' && strlen(text) <= NP_IPN_SECRET_MAX
               ? NULL
               : "must have 1 to 1024 characters, and not only blanks";
}

struct setting cfg_nowpayments_ipn_secret = {
    .env = "NOWPAYMENTS_IPN_SECRET",
    .kind = SETTING_TEXT,
    .meaning = "secret that signs callbacks",
    .secret = true,
    .check = check_secret,
};

struct setting cfg_nowpayments_ipn_secret_previous = {
    .env = "NOWPAYMENTS_IPN_SECRET_PREVIOUS",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "secret before the last change, still accepted",
    .secret = true,
    .check = check_secret,
};

struct setting *const np_ipn_settings[] = {&cfg_nowpayments_ipn_secret,
                                           &cfg_nowpayments_ipn_secret_previous, NULL};

static const char *
check_login(const char *text)
{
    const char *at = strchr(text, '@');

    return at != NULL && at > text && host_name_ok(str_of(at + 1)) &&
                   strpbrk(text, " <>,;:\"\\") == NULL
               ? NULL
               : "must be an e-mail address";
}

struct setting cfg_nowpayments_email = {
    .env = "NOWPAYMENTS_EMAIL",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "login of the NOWPayments account; with it the reconciliation also finds payments "
               "the books never heard of",
    .check = check_login,
    .with = &cfg_nowpayments_password,
};

struct setting cfg_nowpayments_password = {
    .env = "NOWPAYMENTS_PASSWORD",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "password of that login",
    .secret = true,
    .with = &cfg_nowpayments_email,
};

struct setting *const np_login_settings[] = {&cfg_nowpayments_email, &cfg_nowpayments_password,
                                             NULL};
