/*
 * process-events: finishes events that were stored but could not be applied when they came, those
 * due longest first.  Each try is counted and committed before it begins, so that an event which
 * kills what works on it is dead after its last try, like one that fails.  No route, only a
 * schedule.
 */
#include "base/log.h"
#include "db/query.h"
#include "db/rows.h"
#include "fn/spec.h"

#define MOST_PER_RUN 500

static struct db_stmt claim_next = {
    .sql = "SELECT event_id, attempt FROM backend.claim_next_event()", .kind = DB_WRITE};

static struct db_stmt process_event = {
    .sql = "SELECT event_id, payment_id, status, result, error FROM "
           "backend.process_event($1::bigint, $2::int)",
    .kind = DB_WRITE};

static void
log_processed(const struct task *task, const struct db_row *row)
{
    const char *error = db_text(row, 4);

    log_event(error == NULL ? LOG_INFO : LOG_WARN, "event_processed", task->id, error,
              LOG_TEXT("event", db_text(row, 0)), LOG_TEXT("payment_id", db_text(row, 1)),
              LOG_TEXT("payment_status", db_text(row, 2)), LOG_TEXT("outcome", db_text(row, 3)));
}

static enum err
process_events(struct task *task)
{
    for (int i = 0; i < MOST_PER_RUN; i++) {
        struct db_result *claimed;
        struct db_row row;

        TRY(db_query(task, &claim_next, DB_NO_PARAMS, &claimed));
        if (db_rows(claimed) == 0)
            return ERR_OK;
        const struct db_row event = db_row(claimed, 0);
        TRY(db_one(task, &process_event, DB_PARAMS(db_text(&event, 0), db_text(&event, 1)), &row));
        log_processed(task, &row);
    }
    return ERR_OK;
}

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "process-events",
    .summary = "Finish payment events that could not be applied when they came",
    .timeout_ms = 30000,
    .every_ms = 1000,
    .run = process_events,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
