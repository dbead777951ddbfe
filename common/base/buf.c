#include "base/buf.h"

#include <stdarg.h>

#include "base/number.h"

#define FIRST_ROOM ((size_t)256)

void
buf_init_arena(struct buf *b, struct arena *a, size_t max_bytes)
{
    MUST(a != NULL); /* or it would be a heap buffer that nobody releases */
    *b = (struct buf){.max = MIN(max_bytes, SIZE_MAX / 4), .arena = a};
}

void
buf_init_heap(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = MIN(max_bytes, SIZE_MAX / 4)};
}

void
buf_release(struct buf *b)
{
    if (b->arena == NULL)
        free(b->ptr);
    *b = (struct buf){.max = b->max, .arena = b->arena};
}

void
buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->ptr != NULL)
        b->ptr[0] = '\0';
}

static void
give_up(struct buf *b)
{
    buf_clear(b);
    b->overflow = true;
}

/* Make room for `more` bytes and a NUL; false after an overflow. */
static bool
reserve(struct buf *b, size_t more)
{
    if (b->overflow)
        return false;
    if (more > b->max - b->len) {
        give_up(b);
        return false;
    }
    const size_t need = b->len + more + 1;
    if (need <= b->room)
        return true;

    const size_t room = MIN(MAX(need, MAX(2 * b->room, FIRST_ROOM)), b->max + 1);
    if (b->arena != NULL && b->ptr != NULL && arena_extend(b->arena, b->ptr, b->room, room)) {
        b->room = room;
        return true;
    }
    char *ptr = b->arena != NULL ? arena_bytes(b->arena, room) : realloc(b->ptr, room);
    if (ptr == NULL) {
        give_up(b);
        return false;
    }
    if (b->arena != NULL && b->len > 0)
        memcpy(ptr, b->ptr, b->len);
    b->ptr = ptr;
    b->room = room;
    return true;
}

void
buf_reserve(struct buf *b, size_t len)
{
    if (len > b->len)
        (void)reserve(b, len - b->len);
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
    if (!reserve(b, len))
        return;
    if (len > 0)
        memcpy(b->ptr + b->len, data, len);
    b->len += len;
    b->ptr[b->len] = '\0';
}

void
buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.ptr, s.len);
}

void
buf_add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void
buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void
buf_add_i64(struct buf *b, int64_t n)
{
    char digits[INT64_SIZE];

    buf_add(b, digits, int64_format(n, digits));
}

char *
buf_extend(struct buf *b, size_t len)
{
    if (!reserve(b, len))
        return NULL;
    char *place = b->ptr + b->len;
    b->len += len;
    b->ptr[b->len] = '\0';
    return place;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list va;

    if (!reserve(b, 0))
        return;
    va_start(va, fmt);
    const int n = vsnprintf(b->ptr + b->len, b->room - b->len, fmt, va);
    va_end(va);
    MUST(n >= 0);
    if ((size_t)n >= b->room - b->len) {
        if (!reserve(b, (size_t)n))
            return;
        va_start(va, fmt);
        (void)vsnprintf(b->ptr + b->len, b->room - b->len, fmt, va);
        va_end(va);
    }
    b->len += (size_t)n;
}
