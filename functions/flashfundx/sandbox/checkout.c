/*
 * The page on which a customer pays, and what its script asks for.  The page shows the buttons
 * that stand for a wallet: it is for development only.
 *
 * Everything that is not constant goes through html() or the JSON writer; the script writes text
 * nodes and attributes only.  The Content-Security-Policy allows nothing but the page's own parts.
 */
#include "base/encode.h"
#include "base/number.h"
#include "crypto/digest.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "json/write.h"
#include "qr/code.h"
#include "sandbox.h"

#define PAGE_MAX (64 * 1024)

static struct db_stmt checkout = {
    .sql = "SELECT (f.invoice).*, (f.payment).* FROM sandbox.checkout($1::bigint) AS f",
    .kind = DB_READ};

static struct db_stmt list_coins = {.sql = "SELECT code, name FROM sandbox.list_currencies()",
                                    .kind = DB_READ};

/* Text for an element or a quoted attribute. */
static void
html(struct buf *out, const char *text)
{
    for (const char *p = text == NULL ? "" : text; *p != '\0'; p++) {
        switch (*p) {
        case '&':
            buf_add_text(out, "&amp;");
            break;
        case '<':
            buf_add_text(out, "&lt;");
            break;
        case '>':
            buf_add_text(out, "&gt;");
            break;
        case '"':
            buf_add_text(out, "&quot;");
            break;
        case '\'':
            buf_add_text(out, "&#39;");
            break;
        default:
            buf_add_char(out, *p);
            break;
        }
    }
}

/* The invoice asked for; false after answering. */
static enum err
find_invoice(struct call *c, struct db_result **ret, bool *ret_found)
{
    const char *iid = query_text(c, "iid");
    int64_t id;

    *ret_found = false;
    if (iid == NULL || !number_i64(str_of(iid), &id) || id <= 0)
        return answer_error(c, 400, "INVALID_REQUEST_PARAMS", "iid must be a number");
    TRY(db_query(c->req->task, &checkout, DB_PARAMS(iid), ret));
    if (db_rows(*ret) == 0)
        return answer_error(c, 404, "NOT_FOUND", "Invoice not found");
    *ret_found = true;
    return ERR_OK;
}

/* ---- the page ---- */

static void
set_policy(struct call *c, const char *nonce)
{
    fn_header_set(c->req, c->res, "Content-Security-Policy",
                  arena_printf(c->req->task->arena,
                               "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; "
                               "img-src data:; connect-src 'self'; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'",
                               nonce, nonce));
    fn_header_set(c->req, c->res, "Referrer-Policy", "no-referrer");
}

static enum err
write_coins(struct call *c, struct buf *out)
{
    struct db_result *coins;

    TRY(db_query(c->req->task, &list_coins, DB_NO_PARAMS, &coins));
    for (int i = 0; i < db_rows(coins); i++) {
        const struct db_row row = db_row(coins, i);
        buf_add_text(out, "<option value=\"");
        html(out, db_text(&row, 0));
        buf_add_text(out, "\">");
        html(out, db_text(&row, 1));
        buf_add_text(out, "</option>");
    }
    return ERR_OK;
}

enum err
checkout_page(struct call *c)
{
    struct db_result *rows;
    struct buf out;
    bool found;
    uint8_t random[16];
    char nonce[2 * sizeof(random) + 1];

    TRY(find_invoice(c, &rows, &found));
    if (!found)
        return ERR_OK;
    const struct db_row row = db_row(rows, 0);
    crypto_random(random, sizeof(random));
    hex_encode(random, sizeof(random), nonce);
    buf_init_arena(&out, c->req->task->arena, PAGE_MAX);
    buf_add_text(&out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                       "<title>Pay ");
    html(&out, db_text(&row, I_ORDER_ID));
    buf_printf(&out, "</title><style nonce=\"%s\">", nonce);
    buf_add_text(&out, page_style);
    buf_add_text(&out, "</style></head><body data-iid=\"");
    html(&out, db_text(&row, I_ID));
    buf_add_text(&out, "\"><main><header><p class=\"tag\">Sandbox: no money moves</p><h1>");
    html(&out, db_text(&row, I_ORDER_DESCRIPTION));
    buf_add_text(&out, "</h1><p class=\"order\">Order <b>");
    html(&out, db_text(&row, I_ORDER_ID));
    buf_add_text(&out, "</b></p><p class=\"price\">");
    html(&out, db_text(&row, I_PRICE_AMOUNT));
    buf_add_char(&out, ' ');
    html(&out, upper_case(c->req->task->arena, db_text(&row, I_PRICE_CURRENCY)));
    buf_add_text(&out, "</p></header>"
                       "<section><label for=\"coin\">Pay with</label> <select id=\"coin\">"
                       "<option value=\"\">choose a coin</option>");
    TRY(write_coins(c, &out));
    buf_add_text(&out, "</select></section>");
    buf_add_text(&out, page_body);
    buf_printf(&out, "</main><script nonce=\"%s\">", nonce);
    buf_add_text(&out, page_script_show);
    buf_add_text(&out, page_script_act);
    buf_add_text(&out, "</script></body></html>\n");
    if (out.overflow)
        return fail_detail(&c->req->task->fail, ERR_INTERNAL, "page over %d bytes", PAGE_MAX);
    set_policy(c, nonce);
    fn_body(c->res, 200, "text/html; charset=utf-8", buf_str(&out));
    return ERR_OK;
}

/* ---- what the script asks for every second ---- */

static void
write_shown_payment(struct call *c, struct json_writer *w, const struct db_row *row)
{
    const int first = I_COLUMNS;
    const char *address = db_text(row, first + P_PAY_ADDRESS);

    jw_open(w);
    jw_text_at(w, "payment_id", db_text(row, first + P_PAYMENT_ID));
    jw_text_at(w, "payment_status", db_text(row, first + P_STATUS));
    jw_text_at(w, "pay_address", address);
    jw_text_at(w, "payin_extra_id", db_text(row, first + P_PAYIN_EXTRA_ID));
    jw_text_at(w, "pay_amount", db_text(row, first + P_PAY_AMOUNT));
    jw_text_at(w, "pay_currency", db_text(row, first + P_PAY_CURRENCY));
    jw_text_at(w, "network", db_text(row, first + P_NETWORK));
    jw_text_at(w, "actually_paid", db_text(row, first + P_ACTUALLY_PAID));
    jw_text_at(w, "expires_at", db_text(row, first + P_EXPIRES_AT));
    jw_text_at(w, "qr_code", qr_data_url(c->req->task->arena, str_of(address)));
    jw_close(w);
}

enum err
checkout_state(struct call *c)
{
    struct db_result *rows;
    bool found;

    TRY(find_invoice(c, &rows, &found));
    if (!found)
        return ERR_OK;
    const struct db_row head = db_row(rows, 0);
    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_text_at(w, "success_url", db_text(&head, I_SUCCESS_URL));
    jw_text_at(w, "cancel_url", db_text(&head, I_CANCEL_URL));
    jw_key(w, "payments");
    jw_open_array(w);
    for (int i = 0; i < db_rows(rows); i++) {
        const struct db_row row = db_row(rows, i);
        if (db_text(&row, I_COLUMNS + P_PAYMENT_ID) != NULL)
            write_shown_payment(c, w, &row);
    }
    jw_close_array(w);
    jw_close(w);
    return ERR_OK;
}

/* The customer wants another coin: a payment of it behind the same invoice. */
enum err
checkout_choose(struct call *c)
{
    return post_invoice_payment(c);
}
