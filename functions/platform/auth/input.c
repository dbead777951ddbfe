/* What comes in: bodies, members, addresses; and refusals in the original's words. */
#include "auth.h"

#include "base/clock.h"
#include "base/text.h"
#include "loop/wait.h"
#include "net/query.h"

#define EMAIL_MAX 255

bool
auth_refuse(struct fn_req *req, struct fn_res *res, int status, const char *code, const char *text)
{
    fn_refuse_auth(req, res, status, code, text, NULL);
    return false;
}

bool
auth_refused_by(struct fn_req *req, struct fn_res *res, const struct auth_refusal *table,
                size_t count, const char *outcome)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].outcome, outcome) == 0)
            return !auth_refuse(req, res, table[i].status, table[i].code, table[i].text);
    return false;
}

bool
auth_refuse_wait(struct fn_req *req, struct fn_res *res, const char *wait_s)
{
    fn_header_set(req, res, "Retry-After", wait_s);
    return auth_refuse(
        req, res, 429, "over_email_send_rate_limit",
        arena_printf(req->task->arena,
                     "For security purposes, you can only request this after %s seconds.", wait_s));
}

#define EVEN_MS 250 /* since the request came; a hash and a commit take less */

void
auth_even(const struct fn_req *req)
{
    const int64_t left_ms = req->started_us / 1000 + EVEN_MS - clock_ms();

    if (left_ms > 0)
        co_sleep_ms(left_ms);
}

bool
auth_body(struct fn_req *req, struct fn_res *res, const struct json **ret)
{
    struct fail why = {0};
    const char *problem = "unexpected end of JSON input";

    if (req->http->body.len > 0) {
        if (json_parse(req->task->arena, &why, json_without_bom(req->http->body), ret) == ERR_OK &&
            json_type(*ret) == JSON_OBJECT)
            return true;
        problem = why.text[0] == '\0' ? "it is no object" : why.text;
    }
    return auth_refuse(
        req, res, 400, "bad_json",
        arena_printf(req->task->arena, "Could not parse request body as JSON: %s", problem));
}

const char *
auth_text(struct fn_req *req, const struct json *body, const char *name)
{
    const struct json *v = json_get(body, name);

    return v == NULL || json_type(v) != JSON_STRING ? ""
                                                    : arena_copy(req->task->arena, json_text(v));
}

bool
auth_object(struct fn_req *req, struct fn_res *res, const struct json *body, const char *name,
            const char **ret)
{
    const struct json *v = json_get(body, name);
    struct json_writer w;
    struct buf out;

    *ret = "{}";
    if (v == NULL || json_type(v) != JSON_OBJECT)
        return true;
    buf_init_arena(&out, req->task->arena, AUTH_OBJECT_MAX + 1);
    jw_init(&w, &out);
    jw_value(&w, v);
    *ret = out.ptr;
    return !out.overflow ||
           auth_refuse(req, res, 400, "validation_failed",
                       arena_printf(req->task->arena, "%s can have %d bytes at most", name,
                                    AUTH_OBJECT_MAX));
}

/* HTML's pattern of type=email (WHATWG HTML, 4.10.5.1.5). */
static bool
is_email(const char *email)
{
    static const char local[] = ".!#$%&'*+/=?^_`{|}~-";
    const char *at = strrchr(email, '@');

    if (at == NULL || at == email)
        return false;
    for (const char *p = email; p < at; p++)
        if (!ascii_is_alnum(*p) && strchr(local, *p) == NULL)
            return false;
    for (const char *label = at + 1;; label++) { /* letters, digits and inner hyphens, to 63 */
        const size_t len = strcspn(label, ".");

        if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-')
            return false;
        for (size_t i = 0; i < len; i++)
            if (!ascii_is_alnum(label[i]) && label[i] != '-')
                return false;
        label += len;
        if (*label == '\0')
            return true;
    }
}

const char *
auth_lower(struct fn_req *req, const char *text)
{
    char *lower = arena_copy(req->task->arena, str_of(text));

    for (char *p = lower; *p != '\0'; p++)
        *p = ascii_lower(*p);
    return lower;
}

const char *
auth_number(struct fn_req *req, const struct setting *s)
{
    return arena_printf(req->task->arena, "%lld", (long long)setting_int(s));
}

bool
auth_email(struct fn_req *req, struct fn_res *res, const char **email)
{
    const char *lower = auth_lower(req, *email);

    *email = lower;
    if (lower[0] == '\0')
        return auth_refuse(req, res, 400, "validation_failed", "An email address is required");
    if (strlen(lower) > EMAIL_MAX)
        return auth_refuse(req, res, 400, "validation_failed", "An email address is too long");
    if (!is_email(lower))
        return auth_refuse(req, res, 400, "validation_failed",
                           "Unable to validate email address: invalid format");
    return true;
}

const char *
auth_query(struct fn_req *req, const char *name)
{
    struct str value;

    if (!query_get(req->task->arena, req->http->query, name, &value))
        return "";
    return arena_copy(req->task->arena, value);
}

const char *
auth_user_agent(struct fn_req *req)
{
    const struct str agent = fn_header(req, "user-agent");

    return agent.ptr == NULL ? "" : arena_copy(req->task->arena, agent);
}

const char *
auth_ip(struct fn_req *req)
{
    return arena_copy(req->task->arena, req->http->remote_addr);
}
