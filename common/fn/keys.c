/* The keys as they are set, or as the followed file has them. */
#include "fn/keys.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "crypto/key_file.h"
#include "json/tree.h"

#define KEY_MIN      ((size_t)32)
#define API_KEYS_MAX 64
#define FILE_ARENA   (KEY_FILE_BYTES_MAX * 64)

struct api_key {
    const char *role;
    uint8_t hash[SHA256_BYTES];
};

struct keys_file {
    struct key_set *tokens;
    struct api_key api[API_KEYS_MAX];
    size_t api_count;
};

static const char *
check_key(const char *text)
{
    return strncmp(text, "sb_", 3) == 0 && strlen(text) >= KEY_MIN
               ? NULL
               : "must begin with sb_ and have 32 characters or more";
}

static const char *
check_jwt_keys(const char *text)
{
    const char *why;

    key_set_free(key_set_read(str_of(text), &why));
    return why;
}

/* ---- the file ---- */

static const char *
role_of(struct str text)
{
    static const char *const roles[] = {"anon", "service_role"};

    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (str_is(text, roles[i]))
            return roles[i];
    return NULL;
}

/* NULL, or what the file must have. */
static const char *
read_api_keys(const struct json *list, struct keys_file *ret)
{
    if (list == NULL)
        return NULL;
    if (json_type(list) != JSON_ARRAY || json_count(list) > API_KEYS_MAX)
        return "must have a list of 64 api_keys at most";
    for (const struct json *k = json_first(list); k != NULL; k = json_next(k)) {
        struct api_key *key = &ret->api[ret->api_count];
        const struct str hash = json_text(json_get(k, "sha256"));

        key->role = role_of(json_text(json_get(k, "role")));
        if (key->role == NULL || hash.len != 2 * sizeof key->hash ||
            !hex_decode(hash, key->hash, sizeof key->hash))
            return "must have role (anon or service_role) and sha256 (in hex) of each of its "
                   "api_keys";
        ret->api_count++;
    }
    return NULL;
}

static const char *
read_file(struct str text, struct keys_file *ret)
{
    const char *why;
    const struct json *doc;

    *ret = (struct keys_file){.tokens = key_set_read(text, &why)};
    if (why != NULL)
        return why;
    struct arena *a = arena_new(FILE_ARENA);
    why = json_parse(a, NULL, text, &doc) == ERR_OK ? read_api_keys(json_get(doc, "api_keys"), ret)
                                                    : "must be JSON";
    arena_free(a);
    if (why != NULL)
        key_set_free(ret->tokens);
    return why;
}

static const char *
check_file(const char *path)
{
    struct keys_file file;
    struct buf text;

    buf_init_heap(&text, KEY_FILE_BYTES_MAX);
    const char *why = key_file_read(path, &text);
    if (why == NULL)
        why = read_file(buf_str(&text), &file);
    buf_release(&text);
    if (why == NULL)
        key_set_free(file.tokens);
    return why;
}

/* ---- the settings ---- */

struct setting cfg_jwt_secret = {
    .env = "JWT_SECRET",
    .kind = SETTING_SECRET32,
    .fallback = "",
    .meaning = "secret of tokens with HS256 (the legacy keys are such), 32 characters or more",
    .secret = true,
};

struct setting cfg_jwt_keys = {
    .env = "JWT_KEYS",
    .kind = SETTING_TEXT,
    .fallback = "",
    .meaning = "public keys of tokens with ES256 or RS256: a JWK set",
    .check = check_jwt_keys,
};

struct setting cfg_publishable_key = {
    .env = "SUPABASE_PUBLISHABLE_KEY",
    .kind = SETTING_WORD,
    .fallback = "",
    .meaning = "key of the new form (sb_publishable_…) that stands for the anonymous one",
    .check = check_key,
};

struct setting cfg_secret_key = {
    .env = "SUPABASE_SECRET_KEY",
    .kind = SETTING_WORD,
    .fallback = "",
    .meaning = "key of the new form (sb_secret_…) that stands for the service-role key",
    .secret = true,
    .check = check_key,
};

struct setting cfg_keys_file = {
    .env = "KEYS_FILE",
    .kind = SETTING_FOLDER,
    .fallback = "",
    .meaning = "file that has the public keys of tokens in place of JWT_KEYS, and API keys; "
               "followed while the function runs (./deploy.sh keys writes it)",
    .check = check_file,
};

struct setting *const fn_keys_settings[] = {&cfg_jwt_secret, &cfg_jwt_keys,  &cfg_publishable_key,
                                            &cfg_secret_key, &cfg_keys_file, NULL};

const char *
fn_keys_problem(void)
{
    return setting_str(&cfg_jwt_secret).len + setting_str(&cfg_jwt_keys).len +
                       setting_str(&cfg_keys_file).len >
                   0
               ? NULL
               : "JWT_KEYS: must be set, or KEYS_FILE, or JWT_SECRET: no token would be good";
}

/* ---- the present ones ---- */

static struct jws_keys keys;
static struct keys_file file;

/* A file that is not good is told once, and what was there before it counts. */
static void
follow(void)
{
    static struct key_file followed;
    struct keys_file next;
    struct buf text;
    const char *why = NULL;

    followed.path = setting_text(&cfg_keys_file);
    buf_init_heap(&text, KEY_FILE_BYTES_MAX);
    const bool changed = key_file_changed(&followed, clock_ms(), FN_KEYS_LOOK_MS, &text, &why);
    if (changed && why == NULL)
        why = read_file(buf_str(&text), &next);
    buf_release(&text);
    if (!changed)
        return;
    if (why != NULL) {
        log_event(LOG_ERROR, "keys_file", NULL, why,
                  LOG_TEXT("path", setting_text(&cfg_keys_file)));
        return;
    }
    key_set_free(file.tokens);
    file = next;
    keys.set = file.tokens;
    keys.turn++;
}

const struct jws_keys *
fn_keys(void)
{
    const char *why;

    keys.secret = setting_str(&cfg_jwt_secret);
    if (setting_str(&cfg_keys_file).len > 0)
        follow();
    else if (keys.set == NULL && setting_str(&cfg_jwt_keys).len > 0)
        keys.set = key_set_read(setting_str(&cfg_jwt_keys), &why); /* as it was checked */
    return &keys;
}

static bool
equals_key(struct str given, const struct setting *key)
{
    const struct str right = setting_str(key);

    return crypto_equal(given.ptr, given.len, right.ptr, right.len) && right.len > 0;
}

/* All are compared, whichever it is. */
static const char *
role_in_file(struct str key)
{
    const char *role = NULL;
    uint8_t hash[SHA256_BYTES];

    crypto_sha256(key, hash);
    for (size_t i = 0; i < file.api_count; i++)
        if (crypto_equal(hash, sizeof hash, file.api[i].hash, sizeof hash))
            role = file.api[i].role;
    return role;
}

const char *
fn_key_role(struct str key)
{
    const bool is_secret = equals_key(key, &cfg_secret_key);
    const bool is_publishable = equals_key(key, &cfg_publishable_key);

    (void)fn_keys();
    const char *in_file = role_in_file(key);
    return is_secret ? "service_role" : is_publishable ? "anon" : in_file;
}
