/* A few threads and two lists: what they shall do, and what they have done; an eventfd tells the
 * loop of the second. */
#include "loop/offload.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/wait.h"

#define THREADS 2

struct job {
    void (*fn)(void *);
    void *arg;
    struct co *co;
    struct job *next;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *todo, **todo_tail;
    struct job *done;
    struct loop_watch finished; /* an eventfd the threads ring */
    bool started;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static void *
worker(void *unused UNUSED)
{
    const uint64_t one = 1;

    (void)pthread_mutex_lock(&pool.lock);
    for (;;) {
        struct job *j = pool.todo;

        if (j == NULL) {
            (void)pthread_cond_wait(&pool.work, &pool.lock);
            continue;
        }
        pool.todo = j->next;
        if (pool.todo == NULL)
            pool.todo_tail = &pool.todo;
        (void)pthread_mutex_unlock(&pool.lock);
        j->fn(j->arg);
        (void)pthread_mutex_lock(&pool.lock);
        j->next = pool.done;
        pool.done = j;
        MUST(write(pool.finished.fd, &one, sizeof one) == sizeof one);
    }
    return NULL;
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
        struct job *next = j->next; /* j lives on the stack of the coroutine we wake */

        co_wake(j->co);
        j = next;
    }
}

static void
start(void)
{
    pool.todo_tail = &pool.todo;
    pool.finished.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool.finished.ready = collect;
    MUST(pool.finished.fd >= 0);
    loop_watch(&pool.finished, EPOLLIN);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, worker, NULL) != 0)
            die("cannot start a thread");
        (void)pthread_detach(thread);
    }
    pool.started = true;
}

void
offload(void (*fn)(void *arg), void *arg)
{
    struct job j = {.fn = fn, .arg = arg, .co = co_self()};

    MUST(fn != NULL && j.co != NULL);
    if (!pool.started)
        start();
    (void)pthread_mutex_lock(&pool.lock);
    *pool.todo_tail = &j;
    pool.todo_tail = &j.next;
    (void)pthread_cond_signal(&pool.work);
    (void)pthread_mutex_unlock(&pool.lock);
    co_wait();
}
