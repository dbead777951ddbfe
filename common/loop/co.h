/*
 * co: stacks and the switch between them; used by loop only.
 *
 * x86-64 switches with a dozen instructions; other machines use ucontext (so does CO_UCONTEXT, for
 * testing that way here).  AddressSanitizer is told about each switch.
 */
#ifndef FFX_LOOP_CO_H
#define FFX_LOOP_CO_H

#include "base/prelude.h"

struct co_stack {
    char *bottom; /* lowest usable byte, above the guard page */
    size_t size;
    void *sp;         /* saved stack pointer (or ucontext) while switched away */
    void *fake_stack; /* AddressSanitizer's */
};

/* Map a stack of `size` bytes, and give it back. */
void co_stack_init(struct co_stack *s, size_t size);
void co_stack_release(struct co_stack *s);
/* The next co_stack_enter runs entry(arg), which must end with co_stack_leave(…, true). */
void co_stack_prepare(struct co_stack *s, void (*entry)(void *arg), void *arg);

/* From the loop's own stack into `s`, until it leaves. */
void co_stack_enter(struct co_stack *s);
/* From inside `s` back to the loop; `last` when it will never be entered again. */
void co_stack_leave(struct co_stack *s, bool last);

/* Bytes from the top down to the deepest byte ever written. */
size_t co_stack_used(const struct co_stack *s);

#endif
