/*
 * nowpayments: typed client of the NOWPayments API, and verification of its callbacks (IPN).
 *
 * Source: NOWPayments API reference (Postman collection) and captured traffic; see docs.
 * Amounts and ids are text with the provider's own digits.  Fields arrive as numbers or strings
 * ("All-Strings" accounts): both are read.
 * Thread rule: the calls inside a coroutine; np_ipn_verify in the loop's thread.
 */
#ifndef FFX_NOWPAYMENTS_H
#define FFX_NOWPAYMENTS_H

#include "base/buf.h"
#include "base/task.h"
#include "base/setting.h"

/* ---- calls ----
 * A refusal by the provider (4xx, 5xx with its error envelope) is ERR_PROVIDER with the client
 * text "NowPayments error: <their message>".  ERR_UPSTREAM and ERR_UNKNOWN_OUTCOME as in
 * net/call.h: after ERR_UNKNOWN_OUTCOME of a create call the thing may exist at the provider. */

struct json;

struct np_invoice_order {
    const char *price_amount; /* decimal text, USD */
    const char *order_id;
    const char *order_description;
    const char *ipn_callback_url;
    const char *success_url;
    const char *cancel_url;
};

struct np_invoice {
    const char *id;
    const char *invoice_url;
};

/* POST /invoice; never repeated by itself. */
NODISCARD enum err np_create_invoice(struct task *task, const struct np_invoice_order *order,
                                     struct np_invoice *ret);

struct np_payment {
    const char *payment_id;
    const char *status;
    const char *pay_address;
    const char *payin_extra_id; /* memo or tag, or NULL */
    const char *pay_amount;
    const char *pay_currency;
    const char *price_amount;
    const char *price_currency;
    const char *actually_paid; /* GET and callbacks; NULL on create */
    const char *order_id;
    const char *purchase_id;
    const char *invoice_id;
    const char *parent_payment_id;
    const char *outcome_amount;
    const char *outcome_currency;
    const char *created_at;
    const char *updated_at;
    const char *time_limit; /* ISO time or NULL */
    const char *expires_at; /* expiration_estimate_date */
    const char *valid_until;
    struct str raw; /* the answer's body */
};

/* POST /invoice-payment; never repeated by itself. `pay_currency` is NOWPayments' code. */
NODISCARD enum err np_create_invoice_payment(struct task *task, const char *invoice_id,
                                             const char *pay_currency,
                                             const char *order_description, struct np_payment *ret);

/* GET /payment/{id}; retried inside its budget.  ERR_NOT_FOUND when the provider does not know it;
 * ERR_UPSTREAM for every passing fault, a rate limit included. */
NODISCARD enum err np_get_payment(struct task *task, const char *payment_id,
                                  struct np_payment *ret);

/* The list of all payments needs the account's login beside the key (NOWPAYMENTS_EMAIL,
 * NOWPAYMENTS_PASSWORD).  A token is good for five minutes. */
bool np_has_login(void);
NODISCARD enum err np_login(struct task *task, const char **ret_token);

/* GET /payment/: a page (from 0) of the payments made since `date_from` (ISO), oldest first.
 * *ret_ids is a JSON array of their ids; fewer than NP_PAGE_SIZE: the last page. */
#define NP_PAGE_SIZE 25
NODISCARD enum err np_list_payments(struct task *task, const char *token, const char *date_from,
                                    int page, const char **ret_ids, size_t *ret_count);

/* GET /status: ERR_OK when it answers {"message":"OK"}. */
NODISCARD enum err np_status(struct task *task);

/* Front-end code ("usdt_bsc") to NOWPayments' code ("usdtbsc"); NULL when unknown. */
const char *np_currency(const char *frontend_code);
/* "usdt_bsc, usdt_polygon, …" for error texts. */
extern const char np_currency_list[];

/* Read a payment object (answer or callback).  ERR_INVALID "Invalid payload" when a field has
 * the wrong form; missing fields are NULL. */
NODISCARD enum err np_payment_read(struct task *task, const struct json *object,
                                   struct np_payment *ret);

/* ---- callbacks ----
 * True when `signature` (128 hex digits, header x-nowpayments-sig) is HMAC-SHA512 of one of the
 * texts the real sender signs, with the current or the previous secret (an empty one is ignored):
 *   1. the body as received;
 *   2. keys sorted at every level, every token kept as received;
 *   3. as 2, numbers and strings printed as JavaScript's JSON.stringify prints them;
 *   4. as 3, arrays turned into objects with the keys "0", "1", … (documentation's sample).
 * `body` must be what json_parse accepted as `doc`.  All four texts are derived from the received
 * body, so a match proves knowledge of the secret.  Comparison is constant time. */
bool np_ipn_verify(struct arena *a, struct str body, const struct json *doc, struct str signature,
                   struct str secret, struct str previous_secret);

/* The texts of cases 2 to 4, for tests and for the sandbox's own signing (case 3). */
enum np_form { NP_SORTED_TOKENS, NP_SORTED_JS, NP_SORTED_JS_ARRAYS_AS_OBJECTS };
void np_canonical(struct buf *out, const struct json *doc, enum np_form form);

/* A JSON number token as JavaScript's Number.prototype.toString prints it (ECMA-262, 6.1.6.1.20):
 * "13.0" -> "13", "0.0000001" -> "1e-7".  The one place where a double is right: the sender's
 * numbers are doubles. */
void np_js_number(struct str token, char ret[32]);

/* ---- settings, for specs ----
 * Calls need np_settings, callbacks np_ipn_settings, the list of payments np_login_settings too. */
extern struct setting *const np_settings[], *const np_ipn_settings[], *const np_login_settings[];
extern struct setting cfg_nowpayments_api_key, cfg_nowpayments_sandbox_api_key,
    cfg_nowpayments_sandbox_mode, cfg_nowpayments_api_url, cfg_nowpayments_sandbox_api_url,
    cfg_nowpayments_timeout_ms;
extern struct setting cfg_nowpayments_ipn_secret, cfg_nowpayments_ipn_secret_previous;
extern struct setting cfg_nowpayments_email, cfg_nowpayments_password;

#endif
