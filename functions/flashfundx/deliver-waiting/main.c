/*
 * deliver-waiting: paid orders that found no stock get their account when there is one again.
 * One order after the other, oldest payment first; each try is counted and committed before it
 * begins, so that an order whose delivery kills what works on it does not stop those behind it.
 * Then the stock is looked at, and who runs low is noted once per level.  No route, only a
 * schedule.
 */
#include "base/log.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/spec.h"

#define MOST_PER_RUN 500

static struct db_stmt claim_waiting = {.sql = "SELECT order_id FROM backend.claim_waiting()",
                                       .kind = DB_WRITE};

static struct db_stmt deliver_claimed = {.sql = "SELECT result FROM backend.deliver_waiting($1)",
                                         .kind = DB_WRITE};

static struct db_stmt check_stock = {
    .sql = "SELECT account_size, platform_type, level, available FROM backend.check_stock()",
    .kind = DB_WRITE};

static enum err
look_at_stock(struct task *task)
{
    struct db_result *result;

    TRY(db_query(task, &check_stock, DB_NO_PARAMS, &result));
    for (int i = 0; i < db_rows(result); i++) {
        const struct db_row row = db_row(result, i);

        log_event(LOG_WARN, "stock_low", task->id, NULL, LOG_TEXT("account_size", db_text(&row, 0)),
                  LOG_TEXT("platform_type", db_text(&row, 1)), LOG_TEXT("level", db_text(&row, 2)),
                  LOG_TEXT("available", db_text(&row, 3)));
    }
    return ERR_OK;
}

static enum err
deliver_waiting(struct task *task)
{
    for (int i = 0; i < MOST_PER_RUN; i++) {
        struct db_result *claimed;
        struct db_row row;

        TRY(db_query(task, &claim_waiting, DB_NO_PARAMS, &claimed));
        if (db_rows(claimed) == 0)
            break;
        const struct db_row order = db_row(claimed, 0);
        TRY(db_one(task, &deliver_claimed, DB_PARAMS(db_text(&order, 0)), &row));
        const bool done = strcmp(db_text(&row, 0), "delivered") == 0;
        log_event(done ? LOG_INFO : LOG_WARN, done ? "delivered" : "not_delivered", task->id,
                  done ? NULL : db_text(&row, 0), LOG_TEXT("order_id", db_text(&order, 0)));
    }
    return look_at_stock(task);
}

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "deliver-waiting",
    .summary = "Deliver paid orders that wait for stock, and note stock that runs low",
    .timeout_ms = 30000,
    .every_ms = 1000,
    .run = deliver_waiting,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
