/*
 * script: several statements as one: one flush, one sync, one transaction.
 *
 * Statements may be made at run time; the last 32 texts stay prepared on each connection.  A script
 * owns its connection until its sync: it commits or fails as a whole, and what is set for its
 * transaction (a role, claims) is gone with it.  None of its answers is seen before all are there,
 * so a script that has to undo itself raises an error, or ends with the statement ROLLBACK.
 *
 * Thread rule: inside a coroutine, loop's thread.
 */
#ifndef FFX_DB_SCRIPT_H
#define FFX_DB_SCRIPT_H

#include "db/query.h"

#define DB_STEPS_MAX 16

struct db_step {
    struct db_stmt *stmt; /* a constant, or NULL for one made at run time: */
    const char *sql;      /* as a db_stmt's */
    const char *const *params;
    size_t param_count; /* at most 65535 */
};

struct db_script {
    const struct db_step *steps; /* they, their texts and parameters stay until it is done */
    size_t count;                /* 1 to DB_STEPS_MAX */
    struct db_pool *pool;        /* as a db_stmt's: that of all its constants, and of texts too */
    /* Ended when who asked leaves (ERR_HUP): for what changes nothing. */
    bool until_gone;
    /* Who asks, if that is somebody of many: when what is slow has all connections but one, that
     * one is for who has none of them. */
    struct str asker;
    /* NULL, or how long the server had it, to its answer (a stream's first row) or until it was
     * given up; 0: it never went there. */
    int64_t *ret_took_ms;
};

/* The first step of what is done on somebody's behalf: from here to the end of the script the role
 * is `role` (one that ours is a member of), request.jwt.claims is `claims`, and when `read_only`
 * nothing can be changed.  Lives in the task's arena. */
struct db_step db_step_as(struct task *task, const char *role, const char *claims, bool read_only);

/* Run it.  ret[i] is what step i returned.  Failures are those of db_query, and ERR_HUP; which step
 * failed is in task->fail.statement. */
NODISCARD enum err db_script(struct task *task, const struct db_script *script,
                             struct db_result *ret[]);

#endif
