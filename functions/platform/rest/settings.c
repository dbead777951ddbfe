/* What an operator may set of the data API. */
#include "rest/run.h"

#include "base/text.h"
#include "crypto/sealed.h"

struct setting cfg_rest_max_rows = {
    .env = "REST_MAX_ROWS",
    .kind = SETTING_INT,
    .fallback = "1000",
    .meaning = "rows that an answer of the data API has at most, on each level; 0: all of them",
    .min = 0,
    .max = 1000000000,
};

struct setting cfg_rest_aggregates = {
    .env = "REST_AGGREGATES",
    .kind = SETTING_BOOL,
    .fallback = "false",
    .meaning = "true: sum(), avg(), count(), max() and min() in the select of the data API",
};

struct setting cfg_rest_openapi = {
    .env = "REST_OPENAPI",
    .kind = SETTING_BOOL,
    .fallback = "true",
    .meaning = "false: /rest/v1/ does not tell what tables and functions there are",
};

struct setting cfg_rest_plan = {
    .env = "REST_PLAN",
    .kind = SETTING_BOOL,
    .fallback = "false",
    .meaning = "true: the data API tells execution plans (Accept: application/vnd.pgrst.plan), and "
               "planned and estimated counts to those whom policies hide rows from",
};

struct setting cfg_rest_target_names = {
    .env = "REST_TARGET_NAMES",
    .kind = SETTING_BOOL,
    .fallback = "true",
    .meaning = "false: filters of what the data API embeds under an alias must use the alias",
};

/* It stands in a statement as it is. */
static const char *
check_function(const char *text)
{
    const char *dot = strchr(text, '.');
    bool good = dot != NULL && dot != text && dot[1] != '\0' && strchr(dot + 1, '.') == NULL;

    for (const char *p = text; good && *p != '\0'; p++)
        good = ascii_is_alnum(*p) || *p == '_' || p == dot;
    return good ? NULL : "must be schema.name, of letters, digits and _";
}

struct setting cfg_rest_pre_request = {
    .env = "REST_PRE_REQUEST",
    .kind = SETTING_WORD,
    .fallback = "",
    .meaning = "function (schema.name) that the data API calls first in each transaction",
    .check = check_function,
};

struct setting cfg_rest_tx = {
    .env = "REST_TX_END",
    .kind = SETTING_BOOL,
    .fallback = "false",
    .meaning = "true: Prefer: tx=rollback undoes what a request did (for tests)",
};

struct setting cfg_rest_slow = {
    .env = "REST_SLOW_MS",
    .kind = SETTING_INT,
    .fallback = "1000",
    .meaning = "statements of the data API that take so long are told in the log, with their plan; "
               "0: none is",
    .min = 0,
    .max = 3600000,
};

struct setting cfg_rest_rate = {
    .env = "REST_RATE_LIMIT",
    .kind = SETTING_INT,
    .fallback = "6000",
    .meaning = "calls of the data API in a minute: of one person, of one address without a person, "
               "with the service key; 0: no limit",
    .min = 0,
    .max = 1000000,
};

struct setting *const rest_own_settings[] = {
    &cfg_rest_schemas,
    &cfg_rest_extra_path,
    &cfg_rest_max_rows,
    &cfg_rest_aggregates,
    &cfg_rest_pre_request,
    &cfg_rest_tx,
    &cfg_credential_keys,
    &cfg_rest_openapi,
    &cfg_rest_plan,
    &cfg_rest_slow,
    &cfg_rest_rate,
    &cfg_rest_target_names,
    NULL,
};
