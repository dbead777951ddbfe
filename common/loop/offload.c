/*
 * For each class a list of what its threads shall do; one list of what has been done, of which an
 * eventfd tells the loop.  Read offload first; a job is freed by the loop's thread alone.
 */
#include "loop/offload.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/wait.h"

#define IDLE_S 30 /* a thread without work ends after this */

struct job {
    void (*fn)(void *);
    void *arg;
    void (*drop)(void *);
    struct co *co; /* NULL: the caller is gone */
    struct job *next;
    bool begun;
    bool done;
};

/* Threads of a class at most.  One hash at a time in a process: two would have both processors of a
 * small machine, and others' calls wait in spite of their niceness. */
static const int most_threads[OFFLOAD_CLASSES] = {
    [OFFLOAD_HASH] = 1,   [OFFLOAD_LOOKUP] = 2, [OFFLOAD_DB_LOOKUP] = 2,
    [OFFLOAD_CANCEL] = 2, [OFFLOAD_MAIL] = 4,   [OFFLOAD_DISK] = 2};

/* How much its threads stand back for all others, 0 to 19; what takes a processor for long does. */
static const int niceness[OFFLOAD_CLASSES] = {[OFFLOAD_HASH] = 10};

struct crew {
    pthread_cond_t work;
    struct job *todo, **todo_tail;
    int threads;
    int idle;
    int waiting; /* jobs in todo */
};

static struct {
    pthread_mutex_t lock;
    struct crew crews[OFFLOAD_CLASSES];
    struct job *done;
    struct loop_watch finished; /* an eventfd the threads ring */
    bool started;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- on the threads; the lock is held ---- */

static struct job *
take(struct crew *c)
{
    struct job *j = c->todo;

    if (j != NULL) {
        c->todo = j->next;
        if (c->todo == NULL)
            c->todo_tail = &c->todo;
        j->begun = true;
        c->waiting--;
    }
    return j;
}

/* The next job, or NULL when none has come for a while. */
static struct job *
wait_for_job(struct crew *c)
{
    struct timespec until;
    struct job *j;
    int waited = 0;

    MUST(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += IDLE_S;
    c->idle++;
    while ((j = take(c)) == NULL && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&c->work, &pool.lock, &until);
    c->idle--;
    return j;
}

/* This thread, of which Linux knows each by itself.  Where it is refused all stand alike. */
static void
stand_back(int by)
{
    const id_t self = (id_t)gettid();

    (void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + by);
}

static void *
worker(void *crew)
{
    const uint64_t one = 1;
    struct crew *c = crew;
    struct job *j;

    stand_back(niceness[c - pool.crews]);
    (void)pthread_mutex_lock(&pool.lock);
    while ((j = wait_for_job(c)) != NULL) {
        (void)pthread_mutex_unlock(&pool.lock);
        j->fn(j->arg);
        (void)pthread_mutex_lock(&pool.lock);
        j->next = pool.done;
        pool.done = j;
        MUST(write(pool.finished.fd, &one, sizeof one) == sizeof one);
    }
    c->threads--;
    (void)pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* ---- on the loop's thread ---- */

static void
drop(struct job *j)
{
    if (j->drop != NULL)
        j->drop(j->arg);
    free(j);
}

static void
collect(struct loop_watch *w, uint32_t events UNUSED)
{
    uint64_t n;

    MUST(read(w->fd, &n, sizeof n) == sizeof n);
    (void)pthread_mutex_lock(&pool.lock);
    struct job *j = pool.done;
    pool.done = NULL;
    (void)pthread_mutex_unlock(&pool.lock);
    while (j != NULL) {
        struct job *next = j->next;

        j->done = true;
        if (j->co == NULL)
            drop(j);
        else
            co_wake(j->co);
        j = next;
    }
}

static void
start(void)
{
    pthread_condattr_t monotonic;

    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    for (size_t i = 0; i < OFFLOAD_CLASSES; i++) {
        pool.crews[i].todo_tail = &pool.crews[i].todo;
        (void)pthread_cond_init(&pool.crews[i].work, &monotonic);
    }
    (void)pthread_condattr_destroy(&monotonic);
    pool.finished.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool.finished.ready = collect;
    MUST(pool.finished.fd >= 0);
    loop_watch(&pool.finished, EPOLLIN);
    pool.started = true;
}

/* One more thread where all have work.  Without any the job waits for its deadline. */
static void
add_thread(enum offload_class which)
{
    struct crew *c = &pool.crews[which];
    pthread_t thread;

    if (c->idle >= c->waiting || c->threads == most_threads[which] ||
        pthread_create(&thread, NULL, worker, c) != 0)
        return;
    (void)pthread_detach(thread);
    c->threads++;
}

/* The deadline passed.  True: `j` had not begun and is out of the list. */
static bool
withdraw(struct crew *c, struct job *j)
{
    (void)pthread_mutex_lock(&pool.lock);
    const bool begun = j->begun;
    for (struct job **p = &c->todo; !begun && *p != NULL; p = &(*p)->next) {
        if (*p != j)
            continue;
        *p = j->next;
        c->waiting--;
        if (j->next == NULL)
            c->todo_tail = p;
        break;
    }
    (void)pthread_mutex_unlock(&pool.lock);
    return !begun;
}

bool
offload(enum offload_class which, void (*fn)(void *arg), void *arg, void (*drop_arg)(void *arg),
        int64_t deadline_ms)
{
    struct crew *c = &pool.crews[which];
    struct job *j = calloc(1, sizeof *j);

    MUST(fn != NULL && co_self() != NULL && which < OFFLOAD_CLASSES);
    if (j == NULL)
        die("no memory for a job");
    *j = (struct job){.fn = fn, .arg = arg, .drop = drop_arg, .co = co_self()};
    if (!pool.started)
        start();
    (void)pthread_mutex_lock(&pool.lock);
    *c->todo_tail = j;
    c->todo_tail = &j->next;
    c->waiting++;
    add_thread(which);
    (void)pthread_cond_signal(&c->work);
    (void)pthread_mutex_unlock(&pool.lock);

    while (!j->done && co_wait_until(deadline_ms))
        continue;
    if (!j->done && withdraw(c, j)) {
        drop(j);
        return false;
    }
    if (!j->done && drop_arg != NULL) {
        j->co = NULL;
        return false;
    }
    while (!j->done)
        co_wait();
    free(j);
    return true;
}
