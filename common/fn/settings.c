/* The settings of the runtime itself, and which ones a function has. */
#include "fn/settings.h"

#include "base/log.h"
#include "base/shared.h"
#include "db/query.h"
#include "fn/caller.h"
#include "fn/internal.h"
#include "fn/keys.h"
#include "fn/limit.h"

struct setting cfg_supabase_url = {
    .env = "SUPABASE_URL",
    .kind = SETTING_URL,
    .meaning = "public base URL of this system, without a trailing slash",
};

struct setting cfg_frontend_url = {
    .env = "FRONTEND_URL",
    .kind = SETTING_URL,
    .meaning = "base URL of the front end",
};

struct setting cfg_workers = {
    .env = "WORKERS",
    .kind = SETTING_INT,
    .fallback = "1",
    .meaning = "worker processes of this function, 1 to 64",
    .min = 1,
    .max = FN_WORKERS_MAX,
};

static const char *
check_level(const char *text)
{
    enum log_level level;

    return log_level_read(text, &level) ? NULL : "must be debug, info, warn or error";
}

struct setting cfg_log_level = {
    .env = "LOG_LEVEL",
    .kind = SETTING_TEXT,
    .fallback = "info",
    .meaning = "lowest level that is logged: debug, info, warn, error",
    .check = check_level,
};

static bool
lists(const struct fn_spec *spec, struct setting *const *list)
{
    for (size_t i = 0; spec->settings != NULL && spec->settings[i] != NULL; i++)
        if (spec->settings[i] == list)
            return true;
    return false;
}

bool
fn_uses_db(const struct fn_spec *spec)
{
    return spec->run != NULL || lists(spec, db_settings);
}

static void
add(struct setting **to, size_t *count, struct setting *s)
{
    for (size_t i = 0; i < *count; i++)
        if (to[i] == s)
            return;
    MUST(*count < FN_SETTINGS_MAX);
    to[(*count)++] = s;
}

static void
add_list(struct setting **to, size_t *count, struct setting *const *list)
{
    for (; *list != NULL; list++)
        add(to, count, *list);
}

size_t
fn_settings_of(const struct fn_spec *spec, struct setting *ret[FN_SETTINGS_MAX])
{
    static struct setting *const always[] = {&cfg_workers, &cfg_run_dir, &cfg_rate_limit,
                                             &cfg_log_level, NULL};
    size_t count = 0;

    if (fn_takes_token(spec))
        add_list(ret, &count, fn_keys_settings);
    if (spec->foreign != NULL)
        add_list(ret, &count, spec->foreign->settings);
    if (spec->db_connections != NULL)
        cfg_db_connections.fallback = spec->db_connections;
    if (fn_uses_db(spec))
        add_list(ret, &count, db_settings);
    for (size_t i = 0; spec->settings != NULL && spec->settings[i] != NULL; i++)
        add_list(ret, &count, spec->settings[i]);
    add_list(ret, &count, always);
    return count;
}
