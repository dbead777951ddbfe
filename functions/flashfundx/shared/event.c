#include "db/query.h"
#include "shared/event.h"

static struct db_stmt record_event = {
    .sql = "SELECT backend.apply_payment_event(" EVENT_SQL ")",
    .kind = DB_WRITE,
    .packed = true};

/* An amount to pay that is none (0, or less) is not known.  It is plain decimal text. */
static const char *
amount_to_pay(const char *amount)
{
    const bool none = amount != NULL && (amount[0] == '-' || amount[strspn(amount, "0.")] == '\0');

    return none ? NULL : amount;
}

void
event_params(const char *source, const char *raw, const struct np_payment *p,
             const char *ret[EVENT_PARAMS])
{
    const char *const params[EVENT_PARAMS] = {source,
                                              raw,
                                              p->payment_id,
                                              p->parent_payment_id,
                                              p->invoice_id,
                                              p->purchase_id,
                                              [EVENT_ORDER_ID - 1] = p->order_id,
                                              [EVENT_STATUS - 1] = p->status,
                                              p->pay_address,
                                              p->pay_currency,
                                              amount_to_pay(p->pay_amount),
                                              p->actually_paid,
                                              p->price_amount,
                                              p->price_currency,
                                              p->outcome_amount,
                                              p->outcome_currency,
                                              p->updated_at};

    memcpy(ret, params, sizeof(params));
}

enum err
event_record_poll(struct task *task, const struct np_payment *p, const char **ret_outcome,
                  const char **ret_order_id)
{
    const char *params[EVENT_PARAMS];
    struct db_row row;

    event_params("poll", p->raw.ptr, p, params);
    TRY(db_one(task, &record_event, params, EVENT_PARAMS, &row));
    *ret_outcome = db_text(&row, 0);
    *ret_order_id = db_text(&row, 1);
    return ERR_OK;
}
