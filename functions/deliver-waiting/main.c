/*
 * deliver-waiting: paid orders that found no stock get their account when there is one again.
 * One order per transaction, oldest payment first; no route, only a schedule.
 */
#include "db.h"
#include "fn.h"
#include "log.h"

#define MOST_PER_RUN 500

static struct db_stmt deliver_next = {
    .sql = "SELECT order_id FROM backend.deliver_next_waiting()", .kind = DB_WRITE};

static enum err
deliver_waiting(struct fn_req *req)
{
    for (int i = 0; i < MOST_PER_RUN; i++) {
        struct db_result *result;

        TRY(db_query(req, &deliver_next, DB_NO_PARAMS, &result));
        if (db_rows(result) == 0)
            return ERR_OK;

        const struct db_row row = db_row(result, 0);
        if (db_text(&row, 0) == NULL)
            return ERR_OK;
        log_event(LOG_INFO, "delivered", req->id, NULL, LOG_TEXT("order_id", db_text(&row, 0)));
    }
    return ERR_OK;
}

static const struct fn_spec spec = {
    .name = "deliver-waiting",
    .summary = "Deliver paid orders that wait for stock",
    .timeout_ms = 30000,
    .every_ms = 1000,
    .run = deliver_waiting,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
