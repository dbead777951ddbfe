/*
 * client: the calls of the NOWPayments API about invoices and payments.
 *
 * Source: NOWPayments API reference (Postman collection) and captured traffic; see docs.
 *
 * A refusal by the provider (4xx, 5xx with its error envelope) is ERR_PROVIDER with the client
 * text "NowPayments error: <their message>".  ERR_UPSTREAM and ERR_UNKNOWN_OUTCOME as in
 * net/call.h: after ERR_UNKNOWN_OUTCOME of a create call the thing may exist at the provider.
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_NOWPAYMENTS_CLIENT_H
#define FFX_NOWPAYMENTS_CLIENT_H

#include "base/setting.h"
#include "base/task.h"
#include "nowpayments/payment.h"

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

/* POST /invoice-payment; never repeated by itself. `pay_currency` is NOWPayments' code. */
NODISCARD enum err np_create_invoice_payment(struct task *task, const char *invoice_id,
                                             const char *pay_currency,
                                             const char *order_description, struct np_payment *ret);

/* GET /payment/{id}; retried inside its budget.  ERR_NOT_FOUND when the provider does not know it;
 * ERR_UPSTREAM for every passing fault, a rate limit included. */
NODISCARD enum err np_get_payment(struct task *task, const char *payment_id,
                                  struct np_payment *ret);

/* GET /status: ERR_OK when it answers {"message":"OK"}. */
NODISCARD enum err np_status(struct task *task);

/* Front-end code ("usdt_bsc") to NOWPayments' code ("usdtbsc"); NULL when unknown. */
const char *np_currency(const char *frontend_code);
/* "usdt_bsc, usdt_polygon, …" for error texts. */
extern const char np_currency_list[];

/* ---- settings: np_settings is for specs ---- */

extern struct setting *const np_settings[];
extern struct setting cfg_nowpayments_api_key, cfg_nowpayments_sandbox_api_key,
    cfg_nowpayments_sandbox_mode, cfg_nowpayments_api_url, cfg_nowpayments_sandbox_api_url,
    cfg_nowpayments_timeout_ms;

#endif
