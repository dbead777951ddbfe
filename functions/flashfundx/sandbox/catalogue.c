/* What may be read without an effect: service status, currencies, estimates. */
#include "base/number.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "json/write.h"
#include "sandbox.h"

static struct db_stmt list_currencies = {
    .sql = "SELECT code, name, network, ticker, contract, network_precision, extra_id, stable, "
           "decimals, priority FROM sandbox.list_currencies()",
    .kind = DB_READ};

enum currency_column {
    C_CODE,
    C_NAME,
    C_NETWORK,
    C_TICKER,
    C_CONTRACT,
    C_NETWORK_PRECISION,
    C_EXTRA_ID,
    C_STABLE,
    C_DECIMALS,
    C_PRIORITY,
};

enum err
get_status(struct call *c)
{
    struct json_writer *w = fn_json(c->res, 200);

    jw_open(w);
    jw_text_at(w, "message", "OK");
    jw_close(w);
    return ERR_OK;
}

static enum err
answer_codes(struct call *c, const char *key, bool upper)
{
    struct db_result *coins;

    TRY(db_query(c->req->task, &list_currencies, DB_NO_PARAMS, &coins));
    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_key(w, key);
    jw_open_array(w);
    for (int i = 0; i < db_rows(coins); i++) {
        const struct db_row row = db_row(coins, i);
        const char *code = db_text(&row, C_CODE);
        jw_text(w, upper ? upper_case(c->req->task->arena, code) : code);
    }
    jw_close_array(w);
    jw_close(w);
    return ERR_OK;
}

enum err
get_currencies(struct call *c)
{
    return answer_codes(c, "currencies", false);
}

/* The documentation says "currencies"; the live service says this, in upper case. */
enum err
get_merchant_coins(struct call *c)
{
    return answer_codes(c, "selectedCurrencies", true);
}

static void
write_full_currency(struct call *c, struct json_writer *w, const struct db_row *row)
{
    const char *code = db_text(row, C_CODE);

    jw_open(w);
    jw_number_at(w, "id", db_text(row, C_PRIORITY));
    jw_text_at(w, "code", upper_case(c->req->task->arena, code));
    jw_text_at(w, "name", db_text(row, C_NAME));
    jw_bool_at(w, "enable", true);
    jw_text_at(w, "wallet_regex", "^[0-9A-Za-z]{25,95}$");
    jw_number_at(w, "priority", db_text(row, C_PRIORITY));
    jw_bool_at(w, "extra_id_exists", db_true(row, C_EXTRA_ID));
    jw_text_at(w, "extra_id_regex", db_true(row, C_EXTRA_ID) ? "^[0-9]{1,10}$" : NULL);
    jw_text_at(w, "logo_url", arena_printf(c->req->task->arena, "/images/coins/%s.svg", code));
    jw_bool_at(w, "track", true);
    jw_text_at(w, "cg_id", db_text(row, C_TICKER));
    jw_bool_at(w, "is_maxlimit", false);
    jw_text_at(w, "network", db_text(row, C_NETWORK));
    jw_text_at(w, "smart_contract", db_text(row, C_CONTRACT));
    jw_text_at(w, "network_precision", db_text(row, C_NETWORK_PRECISION));
    jw_text_at(w, "explorer_link_hash", NULL);
    jw_number_at(w, "precision", db_text(row, C_DECIMALS));
    jw_text_at(w, "ticker", db_text(row, C_TICKER));
    jw_bool_at(w, "is_defi", false);
    jw_bool_at(w, "is_popular", true);
    jw_bool_at(w, "is_stable", db_true(row, C_STABLE));
    jw_bool_at(w, "available_for_to_conversion", true);
    jw_text_at(w, "trust_wallet_id", NULL);
    jw_bool_at(w, "available_for_payment", true);
    jw_bool_at(w, "available_for_payout", true);
    jw_bool_at(w, "extra_id_optional", false);
    jw_close(w);
}

enum err
get_full_currencies(struct call *c)
{
    struct db_result *coins;

    TRY(db_query(c->req->task, &list_currencies, DB_NO_PARAMS, &coins));
    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_key(w, "currencies");
    jw_open_array(w);
    for (int i = 0; i < db_rows(coins); i++) {
        const struct db_row row = db_row(coins, i);
        write_full_currency(c, w, &row);
    }
    jw_close_array(w);
    jw_close(w);
    return ERR_OK;
}

static struct db_stmt minimum = {
    .sql = "SELECT outcome, detail, min_amount, fiat_equivalent FROM sandbox.minimum($1, $2, $3)",
    .kind = DB_READ};

enum err
get_min_amount(struct call *c)
{
    const char *from = query_text(c, "currency_from");
    const char *to = query_text(c, "currency_to");
    struct db_row row;

    if (from == NULL)
        return answer_error(c, 400, "INVALID_REQUEST_PARAMS", "currency_from is required");
    if (to == NULL)
        to = "usdtbsc"; /* the account's settlement coin */
    TRY(db_one(c->req->task, &minimum, DB_PARAMS(from, to, query_text(c, "fiat_equivalent")),
               &row));
    if (strcmp(db_text(&row, 0), "ok") != 0)
        return answer_outcome(c, db_text(&row, 0), db_text(&row, 1));

    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_text_at(w, "currency_from", from);
    jw_text_at(w, "currency_to", to);
    write_number_at(w, "min_amount", db_text(&row, 2));
    if (db_text(&row, 3) != NULL)
        write_number_at(w, "fiat_equivalent", db_text(&row, 3));
    jw_close(w);
    return ERR_OK;
}

static struct db_stmt estimate = {.sql = "SELECT outcome, detail, amount_from, estimated_amount "
                                         "FROM sandbox.estimate($1::numeric, $2, $3)",
                                  .kind = DB_READ};

enum err
get_estimate(struct call *c)
{
    const char *from = query_text(c, "currency_from");
    const char *to = query_text(c, "currency_to");
    const char *amount_text = query_text(c, "amount");
    struct decimal amount;
    struct db_row row;

    if (from == NULL || to == NULL)
        return answer_error(c, 400, "INVALID_REQUEST_PARAMS",
                            from == NULL ? "currency_from is required" : "currency_to is required");
    if (amount_text == NULL || !decimal_read(str_of(amount_text), &amount))
        return answer_error(c, 400, "INVALID_REQUEST_PARAMS", "amount must be a number");
    TRY(db_one(c->req->task, &estimate, DB_PARAMS(amount.text, from, to), &row));
    if (strcmp(db_text(&row, 0), "ok") != 0)
        return answer_outcome(c, db_text(&row, 0), db_text(&row, 1));

    struct json_writer *w = fn_json(c->res, 200);
    jw_open(w);
    jw_text_at(w, "currency_from", from);
    write_number_at(w, "amount_from", db_text(&row, 2));
    jw_text_at(w, "currency_to", to);
    jw_text_at(w, "estimated_amount", db_text(&row, 3)); /* a string, as live */
    jw_close(w);
    return ERR_OK;
}
