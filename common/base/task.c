#include "base/task.h"

#include <setjmp.h>

static void NORETURN
unwind(void *where)
{
    longjmp(*(jmp_buf *)where, 1);
}

enum err
task_run(struct task *t, enum err (*work)(struct task *t, void *arg), void *arg)
{
    jmp_buf overflow;
    enum err e;

    MUST(t->arena != NULL && work != NULL);
    if (setjmp(overflow) == 0) {
        arena_on_overflow(t->arena, unwind, &overflow);
        e = work(t, arg);
    } else {
        e = fail_set(&t->fail, ERR_MEMORY, "%s", err_info(ERR_MEMORY)->text);
    }
    arena_on_overflow(t->arena, NULL, NULL);
    return e;
}
