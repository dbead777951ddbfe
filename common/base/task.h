/*
 * task: a piece of work that somebody waits for or that runs by itself: a request, a turn of a
 * schedule, something sent in the background.  What works for it (db, net, mail, …) takes its
 * memory, tells its failure, and ends by its deadline.
 *
 * Thread rule: a task belongs to one coroutine at a time.
 */
#ifndef FFX_BASE_TASK_H
#define FFX_BASE_TASK_H

#include "base/arena.h"
#include "base/err.h"

#define TASK_ID_SIZE 33

struct co;

struct task {
    struct arena *arena;
    struct fail fail;
    int64_t deadline_ms;   /* monotonic; every wait ends here at the latest */
    char id[TASK_ID_SIZE]; /* in every log line: nginx's $request_id, or made here */
    bool gone;             /* who asked has left: nobody will read the answer */
    struct co *until_gone; /* the coroutine to wake then, while it waits for what can be left */
};

/* work(t, arg), inside the scope in which the arena may overflow: ERR_MEMORY when it did, and the
 * rest of the work was left out.  Whoever starts a task calls this once around all of it. */
NODISCARD enum err task_run(struct task *t, enum err (*work)(struct task *t, void *arg), void *arg);

#endif
