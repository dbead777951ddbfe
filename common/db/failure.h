/*
 * failure: what the server said of a statement that failed, as data.
 *
 * After a failed db_query, db_one, db_script or db_stream_… it is in the task's failure:
 * task->fail.statement, NULL when the server said nothing (no connection, no time left).  It lives
 * in the task's arena, and all texts are UTF-8 and NULL where the server gave none.
 *
 * Thread rule: the coroutine of the task.
 */
#ifndef FFX_DB_FAILURE_H
#define FFX_DB_FAILURE_H

#include "base/prelude.h"

struct db_failure {
    const char *sqlstate; /* never NULL */
    const char *message;
    const char *detail;
    const char *hint;
    const char *schema, *table, *column, *constraint; /* of what it is about */
    int position; /* in the statement, in characters from 1; 0: not known */
    int step;     /* of a script, from 0; a stream has one of its own before the last */
};

#endif
