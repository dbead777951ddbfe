/*
 * schema: which schema this program was built for, and whether the database has it.
 *
 * The build takes the checksum of each application's migrations (migrations/checksum), the
 * migration leaves the same in the database. Thread rule: inside a coroutine.
 */
#ifndef FFX_FN_SCHEMA_H
#define FFX_FN_SCHEMA_H

#include "base/task.h"

/* *ret_problem: NULL when they agree, else a text for people.  Failures as of db_query. */
NODISCARD enum err fn_schema_check(struct task *task, const char **ret_problem);

#endif
