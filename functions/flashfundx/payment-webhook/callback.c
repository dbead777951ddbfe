#include "callback.h"

#include "json/tree.h"

#define NAME_MAX_BYTES 200

/* What names something, as it stands there; NULL when there is no such text. */
static const char *
name_in(struct task *task, const struct json *doc, const char *field)
{
    const struct str text = json_text(json_get(doc, field));

    return text.len == 0 || text.len > NAME_MAX_BYTES ? NULL : arena_copy(task->arena, text);
}

/* Those of payouts and subscriptions have other fields altogether. */
static bool
is_foreign(const struct json *doc)
{
    static const char *const of_payment[] = {"payment_id", "payment_status", "pay_amount",
                                             "actually_paid"};

    if (json_type(doc) != JSON_OBJECT)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(of_payment); i++)
        if (json_get(doc, of_payment[i]) != NULL)
            return false;
    return true;
}

/* Why it failed; it is no failure of the task. */
static const char *
take_reason(struct task *task, enum err e)
{
    const char *reason = arena_copy(task->arena, str_of(fail_reason(&task->fail, e)));

    task->fail = (struct fail){0};
    return reason;
}

static const char *
why_unreadable(struct task *task, const struct json *doc, struct np_payment *ret)
{
    const enum err e = np_payment_read(task, doc, ret);

    if (e != ERR_OK)
        return take_reason(task, e);
    if (ret->payment_id == NULL)
        return "payment field payment_id is missing";
    return ret->status == NULL ? "payment field payment_status is missing" : NULL;
}

void
callback_read_parsed(struct task *task, struct callback *c, const struct json *doc)
{
    c->foreign = is_foreign(doc);
    c->unreadable = c->foreign ? "it is of no payment" : why_unreadable(task, doc, &c->payment);
    if (c->unreadable == NULL) {
        c->payment_id = c->payment.payment_id;
        c->order_id = c->payment.order_id;
    } else {
        c->payment_id = name_in(task, doc, "payment_id");
        c->order_id = name_in(task, doc, "order_id");
    }
}

void
callback_read(struct task *task, struct callback *c)
{
    const struct json *doc;
    const enum err e = json_parse_foreign(task->arena, &task->fail, json_without_bom(c->body),
                                          SIZE_MAX, &doc);

    if (e == ERR_OK)
        callback_read_parsed(task, c, doc);
    else
        c->unreadable = take_reason(task, e);
}
