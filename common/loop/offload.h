/*
 * offload: slow work on a few threads, away from the loop.
 *
 * Each class has threads of its own, so that what waits for mail servers does not hold up who waits
 * for a name.  They start when there is work and end when there has been none for a while.
 *
 * Thread rule: inside a coroutine; `fn` itself runs on a thread of its class.
 */
#ifndef FFX_LOOP_OFFLOAD_H
#define FFX_LOOP_OFFLOAD_H

#include "base/prelude.h"

enum offload_class {
    OFFLOAD_HASH,      /* of passwords: takes a processor, after all others that want it */
    OFFLOAD_LOOKUP,    /* of names */
    OFFLOAD_DB_LOOKUP, /* of the database's, which has to be found while others are not */
    OFFLOAD_CANCEL,    /* of statements at the database */
    OFFLOAD_MAIL,      /* to a mail server */
    OFFLOAD_DISK,      /* what has to be on it */
    OFFLOAD_CLASSES,
};

/* Runs fn(arg) on a thread while the calling coroutine waits for its end, at most until
 * `deadline_ms`.  fn calls nothing of this library that is bound to the loop's thread or to
 * another's arena.
 *
 * False: it was not done in time.  What had not begun never will.  What had begun goes on alone,
 * and so `arg` is not the caller's any more: it lives outside of its stack, and drop(arg) is called
 * on the loop's thread when nobody uses it.  `drop` NULL: `arg` stays the caller's, for what has
 * begun is waited for, however long; fn has to keep to the deadline itself. */
NODISCARD bool offload(enum offload_class which, void (*fn)(void *arg), void *arg,
                       void (*drop)(void *arg), int64_t deadline_ms);

#endif
