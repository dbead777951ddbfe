/*
 * buf: a growing byte buffer that states its largest size at birth (after curl's dynbuf).
 *
 * Two homes: in an arena (released with it) or on the heap (buf_release).  Going over the limit
 * or out of memory sets a sticky `overflow` flag, drops the data and makes every later append a
 * no-op, so that a builder is checked once, at its end.
 *
 * Thread rule: one buffer belongs to one thread at a time.
 */
#ifndef FFX_BASE_BUF_H
#define FFX_BASE_BUF_H

#include "base/arena.h"

struct buf {
    char *ptr; /* always NUL-terminated once something was appended */
    size_t len;
    size_t room;
    size_t max;
    struct arena *arena; /* NULL: heap */
    bool overflow;
};

/* `max_bytes` does not count the closing NUL. */
void buf_init_arena(struct buf *b, struct arena *a, size_t max_bytes);
void buf_init_heap(struct buf *b, size_t max_bytes);
void buf_release(struct buf *b); /* frees a heap buffer, forgets an arena one */
void buf_clear(struct buf *b);   /* empty again, keeps the room, clears overflow */

/* Room for `len` bytes in all at once, for who knows how much will come. */
void buf_reserve(struct buf *b, size_t len);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, struct str s);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_add_i64(struct buf *b, int64_t n);
/* Append `len` bytes that the caller writes at the returned place; NULL after an overflow. */
char *buf_extend(struct buf *b, size_t len);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

static inline struct str
buf_str(const struct buf *b)
{
    return (struct str){b->ptr, b->len};
}

#endif
