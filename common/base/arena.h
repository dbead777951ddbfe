/*
 * arena: the memory of one request.
 *
 * Everything a request needs is taken from its arena and given back at once when the request
 * ends.  Foreign objects (PGresult, QRcode) are tied to it with arena_defer and
 * released in reverse order.
 *
 * Bound: each arena has a hard cap.  A request that goes over it does not see NULL: arena_alloc
 * calls the arena's overflow handler, which does not return (the runtime unwinds the request's
 * coroutine and answers 500; without a handler the process ends).  For that reason arena_alloc
 * must not be called from inside a foreign library's callback that runs on the event loop.
 *
 * Thread rule: one arena belongs to one coroutine (or test) at a time.
 */
#ifndef FFX_BASE_ARENA_H
#define FFX_BASE_ARENA_H

#include "base/prelude.h"

struct arena;

/* Called when the cap would be exceeded; must not return. */
typedef void (*arena_overflow_fn)(void *context);

/* A new arena that never holds more than `cap_bytes`.  Ends the process when memory is out. */
struct arena *arena_new(size_t cap_bytes);

/* Release everything taken so far (deferred calls first, newest first); the arena can be used
 * again and keeps its first block.  In AddressSanitizer builds released memory is poisoned. */
void arena_reset(struct arena *a);

/* arena_reset and give the arena itself back.  NULL is allowed. */
void arena_free(struct arena *a);

void arena_on_overflow(struct arena *a, arena_overflow_fn fn, void *context);

/* `size` bytes, zeroed, aligned for any type; never NULL. */
void *arena_alloc(struct arena *a, size_t size);
#define ARENA_NEW(a, type)          ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_alloc_array((a), (count), sizeof(type)))
void *arena_alloc_array(struct arena *a, size_t count, size_t size);

/* `size` bytes that hold anything, for who writes them all. */
char *arena_bytes(struct arena *a, size_t size);

/* Make `ptr`, which is `size` bytes long, `wanted` bytes long in its place; false when something
 * stands behind it, or the cap is in the way. The new bytes hold anything. */
NODISCARD bool arena_extend(struct arena *a, void *ptr, size_t size, size_t wanted);

/* A NUL-terminated copy. */
char *arena_copy(struct arena *a, struct str text);
/* Both texts, one behind the other; for those who wait: arena_printf takes nearly
 * two kilobytes of their stack. */
char *arena_join(struct arena *a, const char *first, const char *second);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

/* Call fn(ptr) when the arena is reset or freed. */
void arena_defer(struct arena *a, void (*fn)(void *), void *ptr);

/* Bytes taken since the last reset. */
size_t arena_used(const struct arena *a);

#endif
