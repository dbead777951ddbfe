/* Whether a person asks: hCaptcha (https://docs.hcaptcha.com, "Verify the User Response Server
 * Side") or Turnstile (https://developers.cloudflare.com/turnstile, "Server-side validation"),
 * which are asked alike. */
#include "auth.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/log.h"
#include "net/call.h"

#define TIMEOUT_MS 5000
#define ANSWER_MAX ((size_t)16 * 1024)
#define VALUES_MAX 100
#define TOKEN_MAX  8192

struct setting cfg_captcha_secret = {
    .env = "CAPTCHA_SECRET",
    .kind = SETTING_WORD,
    .fallback = "",
    .meaning = "secret of hCaptcha or Turnstile; when set, who signs up or in, or asks for a mail, "
               "solves one",
    .secret = true,
};

struct setting cfg_captcha_url = {
    .env = "CAPTCHA_URL",
    .kind = SETTING_SERVICE,
    .fallback = "https://api.hcaptcha.com/siteverify",
    .meaning = "where captchas are checked; Turnstile: "
               "https://challenges.cloudflare.com/turnstile/v0/siteverify",
};

static bool
disallow(struct fn_req *req, struct fn_res *res, const char *why)
{
    return auth_refuse(
        req, res, 400, "captcha_failed",
        arena_printf(req->task->arena, "captcha protection: request disallowed (%s)", why));
}

static void
add_field(struct buf *out, const char *name, const char *value)
{
    buf_add_text(out, name);
    buf_add_char(out, '=');
    percent_encode(out, str_of(value));
}

/* ERR_OK: there is an answer, whatever it says. */
static enum err
ask(struct fn_req *req, const char *token, const struct json **ret)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct http_answer answer;
    struct buf form;

    buf_init_arena(&form, req->task->arena, (size_t)64 * 1024);
    add_field(&form, "secret", setting_text(&cfg_captcha_secret));
    add_field(&form, "&response", token);
    add_field(&form, "&remoteip", auth_ip(req));
    const struct http_request call = {
        .method = "POST",
        .url = setting_text(&cfg_captcha_url),
        .headers = headers,
        .body = buf_str(&form),
        .timeout_ms = TIMEOUT_MS,
        .answer_max = ANSWER_MAX,
    };

    TRY(http_call(req->task, &call, &answer));
    if (answer.status >= 500)
        return fail_detail(&req->task->fail, ERR_UPSTREAM, "captcha: %d", answer.status);
    return json_parse_foreign(req->task->arena, &req->task->fail, answer.body, VALUES_MAX, ret);
}

/* The codes of a refusal, as one text. */
static const char *
codes_of(struct arena *a, const struct json *answer)
{
    const struct json *codes = json_get(answer, "error-codes");
    const char *all = "";

    for (const struct json *code = json_first(codes); code != NULL; code = json_next(code)) {
        const struct str text = json_text(code);

        all = arena_printf(a, "%s%s%.*s", all, all[0] == '\0' ? "" : ", ",
                           (int)MIN(text.len, (size_t)100), text.len > 0 ? text.ptr : "");
    }
    return all;
}

bool
auth_captcha(struct fn_req *req, struct fn_res *res, const struct json *body)
{
    const struct json *answer;
    struct caller caller;

    if (setting_text(&cfg_captcha_secret)[0] == '\0')
        return true;
    if (fn_bearer(req, &caller) == ERR_OK && strcmp(caller.role, "service_role") == 0)
        return true;
    const char *token = auth_text(req, json_get(body, "gotrue_meta_security"), "captcha_token");
    if (token[0] == '\0')
        return disallow(req, res, "no captcha_token found");
    if (strlen(token) > TOKEN_MAX)
        return disallow(req, res, "invalid-input-response");
    if (ask(req, token, &answer) != ERR_OK) {
        log_write(LOG_WARN, "captcha_unreachable", req->task->id, req->task->fail.detail, NULL, 0);
        return auth_refuse(req, res, 500, "unexpected_failure",
                           "captcha verification process failed");
    }
    return json_is_true(json_get(answer, "success")) ||
           disallow(req, res, codes_of(req->task->arena, answer));
}
