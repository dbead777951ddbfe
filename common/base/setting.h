/*
 * config: every setting in one table (name, default, secret, needed by, meaning).
 *
 * A setting comes from the environment, or from a file in $CREDENTIALS_DIRECTORY of the same
 * name (systemd's LoadCredential).  config_load reads what the function needs and stops the
 * process with one message that names every missing or malformed variable.
 * After config_load the values never change; any thread may read.
 */
#ifndef FFX_CONFIG_H
#define FFX_CONFIG_H

#include "base/prelude.h"
#include "base/buf.h"

/* clang-format off */
/* id, environment name, kind, default (NULL: required), secret, meaning */
#define CONFIG_TABLE(X)                                                                               \
    X(CFG_SUPABASE_URL,     "SUPABASE_URL",     CFG_URL,    NULL, false, "public base URL of this system, without a trailing slash") \
    X(CFG_FRONTEND_URL,     "FRONTEND_URL",     CFG_URL,    NULL, false, "base URL of the shop's front end")         \
    X(CFG_JWT_SECRET,       "JWT_SECRET",       CFG_SECRET32, NULL, true,  "HS256 secret of all tokens, 32 characters or more") \
    X(CFG_DATABASE_URL,     "DATABASE_URL",     CFG_TEXT,   NULL, true,  "libpq connection string of this function's own role") \
    X(CFG_DB_CONNECTIONS,   "DB_CONNECTIONS",   CFG_INT,    "4",  false, "most database connections of one worker, 2 to 64") \
    X(CFG_DB_PREPARE,       "DB_PREPARE",       CFG_INT,    "1",  false, "1: prepared statements; 0: behind a transaction pooler without support for them") \
    X(CFG_DB_IDLE_S,        "DB_IDLE_S",        CFG_INT,    "60", false, "seconds after which an unused database connection is closed") \
    X(CFG_SERVICE_ROLE_KEY, "SUPABASE_SERVICE_ROLE_KEY", CFG_TEXT, NULL, true, "token of role service_role") \
    X(CFG_NOWPAYMENTS_API_KEY, "NOWPAYMENTS_API_KEY", CFG_TEXT, NULL, true, "API key of the NOWPayments account") \
    X(CFG_NOWPAYMENTS_SANDBOX_API_KEY, "NOWPAYMENTS_SANDBOX_API_KEY", CFG_TEXT, "", true, "API key used instead in sandbox mode") \
    X(CFG_NOWPAYMENTS_SANDBOX_MODE, "NOWPAYMENTS_SANDBOX_MODE", CFG_BOOL, "false", false, "true: use the sandbox URL and key") \
    X(CFG_NOWPAYMENTS_API_URL, "NOWPAYMENTS_API_URL", CFG_URL, "https://api.nowpayments.io/v1", false, "base URL of the provider's API") \
    X(CFG_NOWPAYMENTS_SANDBOX_API_URL, "NOWPAYMENTS_SANDBOX_API_URL", CFG_URL, "https://api-sandbox.nowpayments.io/v1", false, "base URL in sandbox mode") \
    X(CFG_NOWPAYMENTS_TIMEOUT_MS, "NOWPAYMENTS_TIMEOUT_MS", CFG_INT, "10000", false, "longest wait for one call to the provider") \
    X(CFG_NOWPAYMENTS_EMAIL, "NOWPAYMENTS_EMAIL", CFG_TEXT, "", false, "login of the NOWPayments account; with it the reconciliation also finds payments the books never heard of") \
    X(CFG_NOWPAYMENTS_PASSWORD, "NOWPAYMENTS_PASSWORD", CFG_TEXT, "", true, "password of that login") \
    X(CFG_NOWPAYMENTS_IPN_SECRET, "NOWPAYMENTS_IPN_SECRET", CFG_TEXT, NULL, true, "secret that signs callbacks") \
    X(CFG_NOWPAYMENTS_IPN_SECRET_PREVIOUS, "NOWPAYMENTS_IPN_SECRET_PREVIOUS", CFG_TEXT, "", true, "secret before the last change, still accepted") \
    X(CFG_PAYMENT_SUCCESS_URL, "PAYMENT_SUCCESS_URL", CFG_TEXT, "", false, "where the checkout sends a paying customer; default FRONTEND_URL/dashboard/payment/success?order=<id>") \
    X(CFG_PAYMENT_CANCEL_URL, "PAYMENT_CANCEL_URL", CFG_TEXT, "", false, "where the checkout sends a customer who gives up; default FRONTEND_URL/dashboard/payment/cancelled?order=<id>") \
    X(CFG_STATUS_FRESH_S,   "STATUS_FRESH_S",   CFG_INT,    "5",  false, "seconds for which a provider's answer is reused") \
    X(CFG_RECONCILE_AFTER_S, "RECONCILE_AFTER_S", CFG_INT, "60", false, "seconds an open payment may be silent before the provider is asked about it") \
    X(CFG_SANDBOX_TICK_MS,  "SANDBOX_TICK_MS",  CFG_INT,    "1000", false, "sandbox: time between two steps of a payment") \
    X(CFG_SANDBOX_RETRY_MS, "SANDBOX_RETRY_MS", CFG_INT,    "2000", false, "sandbox: time between two tries of a callback") \
    X(CFG_SANDBOX_RETRIES,  "SANDBOX_RETRIES",  CFG_INT,    "10",  false, "sandbox: tries of a callback after the first") \
    X(CFG_MAIL_DOMAIN,      "MAIL_DOMAIN",      CFG_TEXT,   "",   false, "domain in Message-IDs and in the default sender; default: the host of SUPABASE_URL") \
    X(CFG_SMTP_HOST,        "SMTP_HOST",        CFG_TEXT,   "",   false, "mail server, also as smtp://… or smtps://…; empty (and no RESEND_API_KEY): mails only go to the log") \
    X(CFG_SMTP_PORT,        "SMTP_PORT",        CFG_INT,    "587", false, "port of the mail server; 465 means TLS from the start, others STARTTLS") \
    X(CFG_SMTP_USER,        "SMTP_USER",        CFG_TEXT,   "",   false, "login at the mail server; empty: none")     \
    X(CFG_SMTP_PASS,        "SMTP_PASS",        CFG_TEXT,   "",   true,  "password at the mail server")              \
    X(CFG_SMTP_FROM,        "SMTP_FROM",        CFG_TEXT,   "",   false, "sender of all mails: address, or Name <address>; default no-reply@MAIL_DOMAIN") \
    X(CFG_RESEND_API_KEY,   "RESEND_API_KEY",   CFG_TEXT,   "",   true,  "key of resend.com; when set, mails go there and not to SMTP_HOST") \
    X(CFG_RESEND_API_URL,   "RESEND_API_URL",   CFG_URL,    "https://api.resend.com", false, "base URL of Resend's API") \
    X(CFG_CREDENTIAL_KEYS,  "CREDENTIAL_KEYS",  CFG_KEYS,   NULL, true,  "keys of the stored trading passwords: id:64 hex digits[,id:…], the current one first") \
    X(CFG_WORKERS,          "WORKERS",          CFG_INT,    "1",  false, "worker processes of this function, 1 to 64") \
    X(CFG_RUN_DIR,          "RUN_DIR",          CFG_TEXT,   "/run/flashfundx", false, "folder of sockets, metrics and rate-limit tables") \
    X(CFG_RATE_LIMIT,       "RATE_LIMIT",       CFG_BOOL,   "true", false, "false: no rate limits (load tests)") \
    X(CFG_LOG_LEVEL,        "LOG_LEVEL",        CFG_TEXT,   "info", false, "lowest level that is logged: debug, info, warn, error")
/* clang-format on */

enum config_id {
#define X(id, env, kind, fallback, secret, meaning) id,
    CONFIG_TABLE(X)
#undef X
        CFG_MAX,
};

enum config_kind { CFG_TEXT, CFG_URL, CFG_INT, CFG_BOOL, CFG_SECRET32, CFG_KEYS };

struct config_entry {
    const char *env;
    enum config_kind kind;
    const char *fallback;
    bool secret;
    const char *meaning;
};

const struct config_entry *config_entry(enum config_id id);

/* Read and check the `count` settings in `ids`.  On any fault nothing is stored, `problems` (a
 * heap or arena buf) gets one line per fault, and false comes back. */
NODISCARD bool config_load(const enum config_id *ids, size_t count, struct buf *problems);

/* Values; asking for a setting that was not loaded ends the process (a missing entry in the
 * function's spec is a bug). */
const char *config_text(enum config_id id);
struct str config_str(enum config_id id);
int64_t config_int(enum config_id id);
bool config_bool(enum config_id id);

#endif
