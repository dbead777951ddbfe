/*
 * Tokens.  The access token says who somebody is until it expires, signed with ES256 where there is
 * a private key, else with HS256.
 *
 * A refresh token is base64url of: a byte 0, the session's id, the counter as a varint, and the
 * first 16 bytes of an HMAC-SHA-256 over these, under a key made of AUTH_SECRET.  The database has
 * the counter and no token, so that who reads it can refresh nothing.
 */
#include "auth.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/number.h"
#include "crypto/digest.h"
#include "fn/settings.h"

#define ID_BYTES      16
#define VARINT_MAX    10
#define MAC_BYTES     16
#define TOKEN_MAX     (1 + ID_BYTES + VARINT_MAX + MAC_BYTES)
#define SHORTEST_TEXT 12 /* of any token the original ever made */

/* ---- refresh tokens ---- */

static void
make_mac(const uint8_t *bytes, size_t len, uint8_t ret[MAC_BYTES])
{
    static uint8_t key[SHA256_BYTES];
    static bool has_key;
    uint8_t mac[SHA256_BYTES];

    if (!has_key)
        crypto_hmac_sha256_once(setting_str(&cfg_auth_secret), STR("refresh token"), key);
    has_key = true;
    crypto_hmac_sha256((struct str){(const char *)key, sizeof key},
                       (struct str){(const char *)bytes, len}, mac);
    memcpy(ret, mac, MAC_BYTES);
}

char *
auth_refresh_token(struct arena *a, const char *session_id, int64_t counter)
{
    uint8_t bytes[TOKEN_MAX] = {0};
    char hex[2 * ID_BYTES + 1];
    size_t len = 0;

    for (const char *p = session_id; *p != '\0' && len < 2 * ID_BYTES; p++)
        if (*p != '-')
            hex[len++] = *p;
    MUST(len == 2 * ID_BYTES && hex_decode((struct str){hex, len}, bytes + 1, ID_BYTES));
    len = 1 + ID_BYTES;
    for (uint64_t n = (uint64_t)counter;; n >>= 7) {
        bytes[len++] = (uint8_t)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
        if (n <= 0x7f)
            break;
    }
    make_mac(bytes, len, bytes + len);
    len += MAC_BYTES;
    char *text = arena_alloc(a, BASE64_SIZE(len));
    (void)base64url_encode(bytes, len, text);
    return text;
}

enum auth_token
auth_read_refresh_token(struct str token, char session_id[AUTH_SESSION_ID_SIZE], int64_t *counter)
{
    uint8_t bytes[TOKEN_MAX], mac[MAC_BYTES];
    char hex[2 * ID_BYTES + 1];
    uint64_t n = 0;
    size_t len, at = 1 + ID_BYTES;

    if (token.len < SHORTEST_TEXT)
        return AUTH_TOKEN_MALFORMED;
    if (!base64url_decode(token, bytes, sizeof bytes, &len) || bytes[0] != 0 ||
        len < 1 + ID_BYTES + 1 + MAC_BYTES)
        return AUTH_TOKEN_FOREIGN;
    make_mac(bytes, len - MAC_BYTES, mac);
    if (!crypto_equal(mac, sizeof mac, bytes + len - MAC_BYTES, MAC_BYTES))
        return AUTH_TOKEN_FOREIGN;
    for (int shift = 0; at < len - MAC_BYTES && shift < 63; at++, shift += 7)
        n |= (uint64_t)(bytes[at] & 0x7f) << shift;
    *counter = (int64_t)(n & INT64_MAX);
    hex_encode(bytes + 1, ID_BYTES, hex);
    (void)snprintf(session_id, AUTH_SESSION_ID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
                   hex + 12, hex + 16, hex + 20);
    return AUTH_TOKEN_OK;
}

/* ---- access tokens ---- */

static const char *
access_token(struct fn_req *req, struct str user_object, struct str claims, int64_t now_s)
{
    struct arena *a = req->task->arena;
    const struct json *user;
    char expiry[64];

    MUST(json_parse(a, NULL, user_object, &user) == ERR_OK);
    (void)snprintf(expiry, sizeof expiry, "%lld,\"iat\":%lld",
                   (long long)(now_s + setting_int(&cfg_jwt_expiry)), (long long)now_s);
    const char *payload =
        arena_printf(a, "{\"iss\":\"%s/auth/v1\",\"sub\":\"%s\",\"aud\":\"%s\",\"exp\":%s,%s}",
                     setting_text(&cfg_supabase_url), json_text(json_get(user, "id")).ptr,
                     json_text(json_get(user, "aud")).ptr, expiry, claims.ptr);
    return auth_sign(a, str_of(payload));
}

void
auth_make_session(struct fn_req *req, const char *session_id, int64_t counter,
                  struct str user_object, struct str claims, struct auth_session *ret)
{
    const int64_t now_s = wall_us() / 1000000;

    ret->access_token = access_token(req, user_object, claims, now_s);
    ret->refresh_token = auth_refresh_token(req->task->arena, session_id, counter);
    ret->expires_at = now_s + setting_int(&cfg_jwt_expiry);
}

enum err
auth_answer_session(struct fn_req *req, struct fn_res *res, const char *session_id, int64_t counter,
                    struct str user_object, struct str claims, bool with_weak_password)
{
    struct auth_session session;
    struct json_writer *w = fn_json(res, 200);

    auth_make_session(req, session_id, counter, user_object, claims, &session);
    jw_open(w);
    jw_text_at(w, "access_token", session.access_token);
    jw_text_at(w, "token_type", "bearer");
    jw_i64_at(w, "expires_in", setting_int(&cfg_jwt_expiry));
    jw_i64_at(w, "expires_at", session.expires_at);
    jw_text_at(w, "refresh_token", session.refresh_token);
    jw_key(w, "user");
    jw_raw(w, user_object);
    if (with_weak_password) {
        jw_key(w, "weak_password");
        jw_null(w);
    }
    jw_close(w);
    return ERR_OK;
}
