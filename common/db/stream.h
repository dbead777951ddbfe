/*
 * stream: what a statement returns, row by row, however much it is.
 *
 * A stream is a script whose last step's rows are taken one at a time.  It has a connection of its
 * own, from which nothing is read while nobody asks for the next row: so the server waits for who
 * is slow, and neither side keeps more than a socket holds.  It only reads: its last step runs in a
 * transaction that cannot write, and without statement_timeout, for that counts a slow client's
 * time too; instead each row has to come by the task's deadline, which whoever sends rows on moves
 * (fn/stream.h).  It is ended when who asked leaves, and with its task.
 *
 * Thread rule: inside a coroutine, loop's thread.
 */
#ifndef FFX_DB_STREAM_H
#define FFX_DB_STREAM_H

#include "db/script.h"

struct db_stream;

/* Run the script (of at most DB_STEPS_MAX - 1 steps) to its last step's first row or end; what the
 * other steps returned is not kept.  Failures as of db_script.  What it needs lives in the task's
 * arena, and so does what ends it. */
NODISCARD enum err db_stream_open(struct task *task, const struct db_script *script,
                                  struct db_stream **ret);

/* The next row, which is there until the next call; ret->result is NULL when there are no more.
 * ERR_HUP, ERR_TIMEOUT, or a failure of the statement. */
NODISCARD enum err db_stream_next(struct db_stream *s, struct db_row *ret);

#endif
