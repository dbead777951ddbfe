/*
 * spool: genuine callbacks that wait on disk while the database is away.
 *
 * A callback is one file in STATE_DIR/callbacks, with a checksum; it is on the disk, its name too,
 * before spool_keep says so.  Files are applied in the order in which they came, once a second, by
 * one worker at a time, and removed afterwards: whoever dies in between leaves one that is applied
 * again, which the database answers as a repeat.  Their number is bounded by CALLBACK_SPOOL.
 * Thread rule: inside coroutines of the loop's thread.
 */
#ifndef FFX_SPOOL_H
#define FFX_SPOOL_H

#include "base/setting.h"
#include "base/task.h"

/* Does what the callback says: ERR_OK when the database has it, ERR_UNAVAILABLE or ERR_TIMEOUT when
 * it is still away; after any other failure the next ones are tried all the same. */
typedef enum err (*spool_apply_fn)(struct task *task, const char *source, struct str body);

/* Each worker calls this before it serves: what lies there from before is applied. */
void spool_start(spool_apply_fn apply);

/* Keep a callback (`source`: by which secret it was signed).  ERR_UNAVAILABLE: it is not kept: the
 * setting is off, the disk or the spool is full, or it took too long. */
NODISCARD enum err spool_keep(struct task *task, const char *source, struct str body);

/* For specs: CALLBACK_SPOOL and STATE_DIR. */
extern struct setting *const spool_settings[];

#endif
