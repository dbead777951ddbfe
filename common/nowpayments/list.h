/*
 * list: the list of all payments, which asks for a login beside the key.
 * Errors as in client.h.
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_NOWPAYMENTS_LIST_H
#define FFX_NOWPAYMENTS_LIST_H

#include "base/setting.h"
#include "base/task.h"

/* NOWPAYMENTS_EMAIL and NOWPAYMENTS_PASSWORD are set.  A token is good for five minutes. */
bool np_has_login(void);
NODISCARD enum err np_login(struct task *task, const char **ret_token);

/* GET /payment/: a page (from 0) of the payments made since `date_from` (ISO), oldest first.
 * *ret_ids is a JSON array of their ids; fewer than NP_PAGE_SIZE: the last page. */
#define NP_PAGE_SIZE 25
NODISCARD enum err np_list_payments(struct task *task, const char *token, const char *date_from,
                                    int page, const char **ret_ids, size_t *ret_count);

/* For specs, beside client.h's np_settings. */
extern struct setting *const np_login_settings[];
extern struct setting cfg_nowpayments_email, cfg_nowpayments_password;

#endif
