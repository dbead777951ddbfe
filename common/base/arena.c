/*
 * Blocks in a list, filled from the start; the first is kept over resets.  Read take first: the cap
 * is checked there, block_with finds the room, and every public function comes down to it.
 */
#include "base/arena.h"

#include <stdarg.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define RED_ZONE 16 /* poisoned bytes between two allocations */
#else
#define RED_ZONE 0
#endif

#define ALIGNMENT       ((size_t)16)
#define FIRST_BLOCK     ((size_t)8 * 1024)
#define LARGEST_BLOCK   ((size_t)64 * 1024)
#define ROUND_UP(bytes) (((bytes) + ALIGNMENT - 1) & ~(ALIGNMENT - 1))
/* what an allocation takes of its block */
#define SPAN(size) (ROUND_UP(MAX((size), 1)) + RED_ZONE)

struct block {
    struct block *next; /* older block */
    size_t room;
    size_t taken;
    size_t unused_; /* keeps data aligned */
    char data[];
};

_Static_assert(offsetof(struct block, data) % 16 == 0, "blocks start aligned");

struct deferred {
    struct deferred *next;
    void (*fn)(void *);
    void *ptr;
};

/* `used` is the end of an imaginary single block: what was asked for, plus the alignment between.
 * The cap is compared with it, so that it does not depend on how blocks happen to be filled. */
struct arena {
    struct block *first;   /* FIRST_BLOCK, kept over resets; NULL until the first allocation */
    struct block *current; /* small allocations come from here; head of the list */
    struct deferred *deferred;
    size_t next_block;
    size_t used;
    size_t cap;
    arena_overflow_fn on_overflow;
    void *overflow_context;
};

/* AddressSanitizer's view of memory nobody has taken; nothing in other builds.  Not inlined: gcc
 * would call the fresh block an uninitialised argument. */
static void __attribute__((noinline)) poison(void *ptr, size_t size)
{
#ifdef ARENA_ASAN
    __asan_poison_memory_region(ptr, size);
#else
    (void)ptr;
    (void)size;
#endif
}

static void
unpoison(void *ptr, size_t size)
{
#ifdef ARENA_ASAN
    __asan_unpoison_memory_region(ptr, size);
#else
    (void)ptr;
    (void)size;
#endif
}

struct arena *
arena_new(size_t cap_bytes)
{
    struct arena *a = calloc(1, sizeof(*a));

    if (a == NULL)
        die("out of memory");
    a->cap = cap_bytes;
    a->next_block = FIRST_BLOCK;
    return a;
}

void
arena_reset(struct arena *a)
{
    while (a->deferred != NULL) {
        struct deferred *d = a->deferred;

        a->deferred = d->next;
        d->fn(d->ptr);
    }
    for (struct block *b = a->current; b != NULL;) {
        struct block *older = b->next;

        if (b != a->first)
            free(b);
        b = older;
    }
    a->current = a->first;
    a->used = 0;
    if (a->first != NULL) {
        a->first->next = NULL;
        a->first->taken = 0;
        a->next_block = FIRST_BLOCK;
        poison(a->first->data, a->first->room);
    }
}

void
arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    arena_reset(a);
    if (a->first != NULL)
        unpoison(a->first->data, a->first->room);
    free(a->first);
    free(a);
}

void
arena_on_overflow(struct arena *a, arena_overflow_fn fn, void *context)
{
    a->on_overflow = fn;
    a->overflow_context = context;
}

static void NORETURN
overflow(struct arena *a)
{
    if (a->on_overflow != NULL)
        a->on_overflow(a->overflow_context);
    die("arena: more than %zu bytes needed", a->cap);
}

static struct block *
block_new(size_t room)
{
    struct block *b = malloc(sizeof(*b) + room);

    if (b == NULL)
        die("out of memory");
    *b = (struct block){.room = room};
    poison(b->data, room);
    return b;
}

/* A block with `size` free bytes.  Big requests get a block of their own behind the current one,
 * so that the rest of the current block is not lost. */
static struct block *
block_with(struct arena *a, size_t size)
{
    if (a->first == NULL) {
        a->first = a->current = block_new(FIRST_BLOCK - sizeof(struct block));
        a->next_block = FIRST_BLOCK;
    }
    if (a->current->room - a->current->taken >= size)
        return a->current;
    if (size > a->next_block / 2) {
        struct block *own = block_new(size);

        own->next = a->current->next;
        a->current->next = own;
        return own;
    }
    struct block *b = block_new(a->next_block - sizeof(struct block));
    b->next = a->current;
    a->current = b;
    a->next_block = MIN(2 * a->next_block, LARGEST_BLOCK);
    return b;
}

/* NULL when the cap would be exceeded. */
static void *
take(struct arena *a, size_t size)
{
    const size_t start = ROUND_UP(a->used);

    if (start > a->cap || size > a->cap - start || size > SIZE_MAX / 2)
        return NULL;
    a->used = start + size;

    const size_t span = SPAN(size);
    struct block *b = block_with(a, span);
    char *ptr = b->data + b->taken;
    b->taken += span;
    unpoison(ptr, size);
    return ptr;
}

char *
arena_bytes(struct arena *a, size_t size)
{
    char *ptr = take(a, size);

    if (ptr == NULL)
        overflow(a);
    return ptr;
}

void *
arena_alloc(struct arena *a, size_t size)
{
    return memset(arena_bytes(a, size), 0, size);
}

/* Does `ptr`, `size` bytes long, end where the next small allocation would begin? */
static bool
is_last(const struct arena *a, const void *ptr, size_t size)
{
    const struct block *b = a->current;

    return b != NULL && (const char *)ptr + SPAN(size) == b->data + b->taken;
}

bool
arena_extend(struct arena *a, void *ptr, size_t size, size_t wanted)
{
    MUST(wanted >= size);
    if (!is_last(a, ptr, size) || wanted - size > a->cap - a->used)
        return false;

    struct block *b = a->current;
    const size_t more = SPAN(wanted) - SPAN(size);
    if (more > b->room - b->taken)
        return false;
    b->taken += more;
    a->used += wanted - size;
    unpoison(ptr, wanted);
    return true;
}

void *
arena_alloc_array(struct arena *a, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        overflow(a);
    return arena_alloc(a, bytes);
}

char *
arena_copy(struct arena *a, struct str text)
{
    char *copy = arena_bytes(a, text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

char *
arena_join(struct arena *a, const char *first, const char *second)
{
    const size_t len = strlen(first);
    const size_t size = strlen(second) + 1;
    char *text = arena_bytes(a, len + size);

    memcpy(text, first, len);
    memcpy(text + len, second, size);
    return text;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list va;

    va_start(va, fmt);
    const int len = vsnprintf(NULL, 0, fmt, va);
    va_end(va);
    MUST(len >= 0);
    const size_t size = (size_t)len + 1;
    char *text = arena_bytes(a, size);
    va_start(va, fmt);
    (void)vsnprintf(text, size, fmt, va);
    va_end(va);
    return text;
}

void
arena_defer(struct arena *a, void (*fn)(void *), void *ptr)
{
    MUST(fn != NULL);
    struct deferred *d = take(a, sizeof(*d));

    if (d == NULL) {
        fn(ptr); /* nobody else could release it once the request is unwound */
        overflow(a);
    }
    *d = (struct deferred){a->deferred, fn, ptr};
    a->deferred = d;
}

size_t
arena_used(const struct arena *a)
{
    return a->used;
}
