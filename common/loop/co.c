/*
 * The switch first, in two forms (x86-64 in assembly, ucontext elsewhere); both offer co_switch and
 * prepare_stack.  Then stacks: mapped, entered, left.  start_entry and start_arg hand the first
 * call over to a stack that has no caller yet.
 */
#include "loop/co.h"

#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define CO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CO_ASAN 1
#endif
#endif

#ifdef CO_ASAN
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

#define GUARD_BYTES ((size_t)4096)

static void *loop_sp; /* the loop's own stack while a coroutine runs */
static void (*start_entry)(void *);
static void *start_arg;

/* What AddressSanitizer has to know to follow us back to the loop's stack. */
#ifdef CO_ASAN
static void *loop_fake_stack;
static const void *loop_bottom;
static size_t loop_size;
#endif

#if defined(__x86_64__) && !defined(CO_UCONTEXT)

/* Save the callee-saved registers on the current stack, swap stacks, restore (System V ABI). */
void co_switch(void **save_sp, void *load_sp);
__asm__(".text\n"
        ".globl co_switch\n"
        ".hidden co_switch\n"
        ".type co_switch, @function\n"
        "co_switch:\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size co_switch, .-co_switch\n");

static void co_first(void);

static void
prepare_stack(struct co_stack *s)
{
    /* co_switch pops six registers and returns into co_first, which then finds the stack as
     * after a call: 16-byte aligned plus the (absent) return address. */
    void **top = (void **)(void *)(s->bottom + s->size - 64);
    top[7] = NULL;
    top[6] = (void *)(uintptr_t)co_first;
    for (int i = 0; i < 6; i++)
        top[i] = NULL;
    s->sp = top;
}

#else

#include <ucontext.h>

static void co_first(void);

static void
co_switch(void **save_sp, void *load_sp)
{
    ucontext_t self;

    /* Valid for as long as this stack is switched away: it waits right here. */
    /* cppcheck-suppress autoVariables */
    *save_sp = &self;
    MUST(swapcontext(&self, load_sp) == 0);
}

static void
prepare_stack(struct co_stack *s)
{
    ucontext_t *context = (ucontext_t *)(void *)s->bottom;

    MUST(getcontext(context) == 0);
    context->uc_stack.ss_sp = s->bottom + sizeof *context;
    context->uc_stack.ss_size = s->size - sizeof *context;
    context->uc_link = NULL;
    makecontext(context, co_first, 0);
    s->sp = context;
}

#endif

static void
co_first(void)
{
    void (*entry)(void *) = start_entry;
    void *arg = start_arg;

#ifdef CO_ASAN
    __sanitizer_finish_switch_fiber(NULL, &loop_bottom, &loop_size);
#endif
    entry(arg);
    die("coroutine returned");
}

void
co_stack_init(struct co_stack *s, size_t size)
{
    char *map = mmap(NULL, size + GUARD_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    if (map == MAP_FAILED || mprotect(map, GUARD_BYTES, PROT_NONE) != 0)
        die("no memory for a coroutine stack");
    s->bottom = map + GUARD_BYTES;
    s->size = size;
    s->sp = NULL;
    s->fake_stack = NULL;
#ifdef CO_ASAN
    /* A process may end while a coroutine waits; what that one holds is in use, not lost. */
    __lsan_register_root_region(s->bottom, s->size);
#endif
}

void
co_stack_release(struct co_stack *s)
{
#ifdef CO_ASAN
    __lsan_unregister_root_region(s->bottom, s->size);
#endif
    MUST(munmap(s->bottom - GUARD_BYTES, s->size + GUARD_BYTES) == 0);
    s->bottom = NULL;
}

void
co_stack_prepare(struct co_stack *s, void (*entry)(void *arg), void *arg)
{
    prepare_stack(s);
    s->fake_stack = NULL;
    start_entry = entry;
    start_arg = arg;
}

void
co_stack_enter(struct co_stack *s)
{
#ifdef CO_ASAN
    __sanitizer_start_switch_fiber(&loop_fake_stack, s->bottom, s->size);
#endif
    co_switch(&loop_sp, s->sp);
#ifdef CO_ASAN
    __sanitizer_finish_switch_fiber(loop_fake_stack, NULL, NULL);
#endif
}

void
co_stack_leave(struct co_stack *s, bool last)
{
#ifdef CO_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &s->fake_stack, loop_bottom, loop_size);
#else
    (void)last;
#endif
    co_switch(&s->sp, loop_sp);
#ifdef CO_ASAN
    __sanitizer_finish_switch_fiber(s->fake_stack, &loop_bottom, &loop_size);
#endif
}

size_t
co_stack_used(const struct co_stack *s)
{
    const uint64_t *word = (const uint64_t *)(const void *)s->bottom;
    const uint64_t *end = (const uint64_t *)(const void *)(s->bottom + s->size);

    while (word < end && *word == 0)
        word++;
    return (size_t)((const char *)end - (const char *)word);
}
