/* POST /auth: the token (HS256, five minutes) that the payment list asks for. */
#include "base/clock.h"
#include "base/encode.h"
#include "base/number.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "fn/answer.h"
#include "json/tree.h"
#include "json/write.h"
#include "nowpayments/ipn.h"
#include "sandbox.h"

#define TOKEN_S 300

/* {"alg":"HS256","typ":"JWT"} */
static const char header[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

static void
sign(struct str text, uint8_t ret[SHA256_BYTES])
{
    /* No token of the shop's own is made with this key, and the other way round. */
    crypto_hmac_sha256(setting_str(&cfg_nowpayments_ipn_secret), text, ret);
}

static const char *
make_token(struct arena *a)
{
    const long long now = (long long)(wall_us() / 1000000);
    const char *payload =
        arena_printf(a, "{\"id\":\"4620184275\",\"iat\":%lld,\"exp\":%lld}", now, now + TOKEN_S);
    char *encoded = arena_alloc(a, BASE64_SIZE(strlen(payload)));
    uint8_t mac[SHA256_BYTES];
    char mac_text[BASE64_SIZE(SHA256_BYTES)];

    base64url_encode(payload, strlen(payload), encoded);
    const char *signed_part = arena_printf(a, "%s.%s", header, encoded);
    sign(str_of(signed_part), mac);
    base64url_encode(mac, sizeof(mac), mac_text);
    return arena_printf(a, "%s.%s", signed_part, mac_text);
}

enum err
post_auth(struct call *c)
{
    struct inputs in = {c, false};
    const char *email = input_text(&in, "email", 320);
    const char *password = input_text(&in, "password", 1024);

    input_required(&in, "email", email);
    input_required(&in, "password", password);
    if (in.failed)
        return ERR_OK;
    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_text_at(w, "token", make_token(c->req->task->arena));
    jw_close(w);
    return ERR_OK;
}

/* The part of `token` up to `dot`, decoded and parsed, has an exp that lies ahead. */
static bool
not_expired(struct call *c, struct str payload)
{
    uint8_t *text = arena_alloc(c->req->task->arena, payload.len + 1);
    struct fail fail = {0};
    const struct json *claims = NULL;
    size_t len;
    int64_t exp;

    if (!base64url_decode(payload, text, payload.len, &len) ||
        json_parse(c->req->task->arena, &fail, (struct str){(const char *)text, len}, &claims) !=
            ERR_OK)
        return false;
    return number_i64(json_text(json_get(claims, "exp")), &exp) && exp > wall_us() / 1000000;
}

bool
token_ok(struct call *c)
{
    const struct str value = fn_header(c->req, "authorization");
    if (value.len < 7 || !str_ieq((struct str){value.ptr, 7}, STR("bearer ")))
        return false;
    const struct str token = {value.ptr + 7, value.len - 7};
    const size_t head_len = sizeof(header) - 1;
    const char *dot = token.len == 0 ? NULL : memrchr(token.ptr, '.', token.len);
    if (dot == NULL || token.len <= head_len || memcmp(token.ptr, header, head_len) != 0 ||
        token.ptr[head_len] != '.' || dot <= token.ptr + head_len)
        return false;

    const struct str signed_part = {token.ptr, (size_t)(dot - token.ptr)};
    const struct str given = {dot + 1, (size_t)(token.ptr + token.len - dot - 1)};
    uint8_t mac[SHA256_BYTES];
    uint8_t given_mac[SHA256_BYTES];
    size_t given_len;
    sign(signed_part, mac);
    if (!base64url_decode(given, given_mac, sizeof(given_mac), &given_len) ||
        !crypto_equal(mac, sizeof(mac), given_mac, given_len))
        return false;
    return not_expired(c, (struct str){token.ptr + head_len + 1, signed_part.len - head_len - 1});
}
