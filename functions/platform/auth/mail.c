/*
 * Codes and links.  Six digits; the database has their hash (SHA-224 of address and code, as on
 * Supabase), the mail has the code and a link with the hash, sealed under the mail's own id.
 */
#include "auth.h"

#include "base/encode.h"
#include "base/metric.h"
#include "base/number.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/sealed.h"
#include "fn/settings.h"

void
auth_code_hash(struct arena *a, const char *email, const char *code, char *ret)
{
    uint8_t hash[SHA224_BYTES];

    crypto_sha224(str_of(arena_join(a, email, code)), hash);
    hex_encode(hash, sizeof hash, ret);
}

/* 000000 to 999999, each as often as any other. */
static void
new_code(char ret[7])
{
    uint32_t n;

    do
        crypto_random(&n, sizeof n);
    while (n >= 4294000000U); /* 4294 millions: the rest would be drawn more often */
    (void)snprintf(ret, 7, "%06u", n % 1000000U);
}

void
auth_new_id(char ret[UUID_SIZE])
{
    uint8_t b[16];
    char hex[33];

    crypto_random(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    hex_encode(b, sizeof b, hex);
    (void)snprintf(ret, UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
}

bool
auth_challenge(struct fn_req *req, struct fn_res *res, const struct json *body,
               struct auth_challenge *ret)
{
    static const char wrong_length[] = "code challenge has to be between 43 and 128 characters";
    const char *method = auth_text(req, body, "code_challenge_method");

    ret->challenge = auth_text(req, body, "code_challenge");
    ret->method = str_ieq(str_of(method), STR("s256"))    ? "s256"
                  : str_ieq(str_of(method), STR("plain")) ? "plain"
                                                          : "";
    if (method[0] == '\0' && ret->challenge[0] == '\0')
        return true;
    if (method[0] == '\0' || ret->challenge[0] == '\0')
        return auth_refuse(req, res, 400, "validation_failed",
                           "PKCE flow requires code_challenge_method and code_challenge");
    const size_t len = strlen(ret->challenge);
    if (len < 43 || len > 128)
        return auth_refuse(req, res, 400, "validation_failed", wrong_length);
    for (const char *p = ret->challenge; *p != '\0'; p++)
        if (!ascii_is_alnum(*p) && strchr("._~-", *p) == NULL)
            return auth_refuse(req, res, 400, "validation_failed",
                               "code challenge can only have letters, digits and ._~-");
    if (ret->method[0] == '\0')
        return auth_refuse(req, res, 400, "validation_failed",
                           "code_challenge_method must be s256 or plain");
    return true;
}

static void
write_secret(struct json_writer *w, struct arena *a, const char *id, const char *name,
             const char *plain)
{
    jw_text_at(w, name, sealed_seal(a, str_of(plain), id, name));
}

const char *
auth_link_of(struct fn_req *req, const char *hash, const char *type)
{
    struct buf to;

    buf_init_arena(&to, req->task->arena, (size_t)8 * 1024);
    percent_encode(&to, str_of(auth_redirect(req)));
    return arena_printf(req->task->arena, "%s/auth/v1/verify?token=%s&type=%s&redirect_to=%s",
                        setting_text(&cfg_supabase_url), hash, type, to.ptr);
}

void
auth_new_link(struct fn_req *req, const char *email, struct auth_link *ret)
{
    new_code(ret->code);
    auth_code_hash(req->task->arena, email, ret->code, ret->hash);
}

const char *
auth_new_code(struct fn_req *req, const char *email, const char *type, const char *change_to,
              const struct auth_challenge *challenge)
{
    struct arena *a = req->task->arena;
    const bool pkce = challenge != NULL && challenge->method[0] != '\0';
    struct auth_link link;
    char id[UUID_SIZE];
    struct json_writer w;
    struct buf out;

    auth_new_link(req, email, &link);
    auth_new_id(id);
    const char *stored = arena_join(a, pkce ? "pkce_" : "", link.hash);
    buf_init_arena(&out, a, (size_t)32 * 1024);
    jw_init(&w, &out);
    jw_open(&w);
    jw_text_at(&w, "id", id);
    jw_text_at(&w, "to", email);
    jw_text_at(&w, "hash", stored);
    if (pkce) {
        jw_key(&w, "challenge");
        jw_open(&w);
        jw_text_at(&w, "method", challenge->method);
        jw_text_at(&w, "challenge", challenge->challenge);
        jw_close(&w);
    }
    jw_key(&w, "variables");
    jw_open(&w);
    jw_text_at(&w, "Email", email);
    if (change_to != NULL)
        jw_text_at(&w, "NewEmail", change_to);
    jw_text_at(&w, "SiteURL", setting_text(&cfg_site_url));
    jw_text_at(&w, "RedirectTo", auth_redirect(req));
    jw_close(&w);
    jw_key(&w, "secrets");
    jw_open(&w);
    write_secret(&w, a, id, "Token", link.code);
    write_secret(&w, a, id, "TokenHash", stored);
    write_secret(&w, a, id, "ConfirmationURL", auth_link_of(req, stored, type));
    jw_close(&w);
    jw_close(&w);
    return out.ptr;
}

static struct db_stmt count_mail = {.sql = "SELECT wait_s FROM platform.auth_count_mail($1::int)",
                                    .kind = DB_WRITE};

enum err
auth_count_mail(struct fn_req *req)
{
    struct fail *fail = &req->task->fail;
    struct db_row row;
    int64_t wait_s;

    if (setting_int(&cfg_mails_hourly) == 0)
        return ERR_OK;
    TRY(db_one(req->task, &count_mail, DB_PARAMS(auth_number(req, &cfg_mails_hourly)), &row));
    if (db_text(&row, 0) == NULL)
        return ERR_OK;
    MUST(number_i64(db_str(&row, 0), &wait_s));
    metric_add(METRIC_RATE_LIMITED, 1);
    const enum err e = fail_code(fail, ERR_RATE_LIMITED, "over_email_send_rate_limit",
                                 "email rate limit exceeded");
    fail->retry_after_s = (int)wait_s; /* fail_code cleared it */
    return e;
}
