/*
 * A statement that failed: which error that is for us and its words for the log (db_describe), and
 * what the caller's task is told of it (db_tell, db_tell_statement).
 */
#include "db/failure.h"

#include <stdlib.h>

#include "db/internal.h"

#define RETRY_AFTER_S 1

/* SQLSTATE classes: PostgreSQL manual, appendix A. */
static enum err
err_of_sqlstate(const char *state)
{
    static const struct {
        const char *prefix;
        enum err err;
    } table[] = {
        {"08", ERR_UNAVAILABLE},    /* connection */
        {"53", ERR_UNAVAILABLE},    /* out of resources: disk, memory, connections */
        {"55P03", ERR_UNAVAILABLE}, /* lock_timeout */
        {"57014", ERR_TIMEOUT},     /* statement_timeout */
        {"57P", ERR_UNAVAILABLE},   /* shutdown, crash, cannot connect now */
        {"25006", ERR_UNAVAILABLE}, /* read-only: a standby */
        {"58", ERR_UNAVAILABLE},    /* system error: I/O */
        {"23505", ERR_CONFLICT},    {"40001", ERR_CONFLICT}, {"40P01", ERR_CONFLICT},
    };

    for (size_t i = 0; state != NULL && i < ARRAY_LEN(table); i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].err;
    return state == NULL ? ERR_UNAVAILABLE : ERR_INTERNAL;
}

void
db_describe(struct op *op, const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *where = PQresultErrorField(r, PG_DIAG_CONTEXT);

    op->err = err_of_sqlstate(state);
    (void)snprintf(op->sqlstate, sizeof op->sqlstate, "%s", state == NULL ? "" : state);
    (void)snprintf(op->detail, sizeof op->detail, "SQLSTATE %s: %s%s%.200s",
                   state == NULL ? "none" : state, text == NULL ? PQresultErrorMessage(r) : text,
                   where == NULL ? "" : " | ", where == NULL ? "" : where);
}

enum err
db_tell(struct task *task, const struct op *op)
{
    (void)fail_detail(&task->fail, op->err, "%s", op->detail);
    memcpy(task->fail.sqlstate, op->sqlstate, sizeof task->fail.sqlstate);
    task->fail.statement = NULL;
    if (op->err == ERR_UNAVAILABLE)
        task->fail.retry_after_s = RETRY_AFTER_S;
    return op->err;
}

void
db_tell_statement(struct task *task, const PGresult *r, int step)
{
    const char *state = r == NULL ? NULL : PQresultErrorField(r, PG_DIAG_SQLSTATE);

    if (state == NULL)
        return;

    struct db_failure *f = ARENA_NEW(task->arena, struct db_failure);
    const char *position = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);

    *f = (struct db_failure){
        .sqlstate = state,
        .message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY),
        .detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL),
        .hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT),
        .schema = PQresultErrorField(r, PG_DIAG_SCHEMA_NAME),
        .table = PQresultErrorField(r, PG_DIAG_TABLE_NAME),
        .column = PQresultErrorField(r, PG_DIAG_COLUMN_NAME),
        .constraint = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME),
        .position = position == NULL ? 0 : (int)strtol(position, NULL, 10),
        .step = step,
    };
    task->fail.statement = f;
}
