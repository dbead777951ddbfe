/*
 * A text[] that can be read is the same after it was written and read again.
 */
#include "db/array.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 * 1024 * 1024);
    const struct str text = {(const char *)data, size};
    const struct str *items, *again;
    size_t count, count_again;

    if (memchr(data, '\0', size) == NULL && db_array_read(a, text, &items, &count)) {
        const char **list = ARENA_ARRAY(a, const char *, count + 1);

        for (size_t i = 0; i < count; i++)
            list[i] = items[i].ptr;
        char *out = arena_alloc(a, db_array_size(list, count));
        db_array_write(out, list, count);
        MUST(db_array_read(a, (struct str){out, strlen(out)}, &again, &count_again));
        MUST(count_again == count);
        for (size_t i = 0; i < count; i++)
            MUST((items[i].ptr == NULL) == (again[i].ptr == NULL) &&
                 (items[i].ptr == NULL || strcmp(items[i].ptr, again[i].ptr) == 0));
    }
    arena_free(a);
    return 0;
}
