/*
 * reconcile: asks NOWPayments on our own account, so that a lost callback costs minutes and not the
 * sale.  Every few seconds it looks at payments that are open or silent for too long and ends
 * attempts whose caller died; once a day, and when asked to, it compares all payments that changed
 * lately with the provider's and the books with each other.  No route, only a schedule.
 *
 * What the provider answers goes through the same SQL function as a callback.
 */
#include "base/setting.h"
#include "fn/spec.h"
#include "nowpayments/client.h"
#include "nowpayments/list.h"
#include "reconcile.h"

static enum err
reconcile(struct task *task)
{
    TRY(end_attempts(task));
    TRY(check_open_payments(task));
    return compare_books(task);
}

static struct setting *const own[] = {&cfg_reconcile_after_s, NULL};
static struct setting *const *const settings[] = {np_settings, np_login_settings, own, NULL};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "reconcile",
    .summary = "Ask NOWPayments about open and silent payments; compare provider and books daily",
    .memory_max = 16 * 1024 * 1024,
    .timeout_ms = BUDGET_MS,
    .settings = settings,
    .every_ms = 2000,
    .run = reconcile,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
