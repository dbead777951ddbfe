/*
 * array: PostgreSQL's text form of a text[] (manual, 8.15.2 and 8.15.6).
 *
 * {a,"with \"quotes\"",NULL}: elements are separated by commas; quotes stand around an element
 * that could be taken for something else, and in them a backslash before what is meant as it is.
 *
 * Thread rule: any thread.
 */
#ifndef FFX_DB_ARRAY_H
#define FFX_DB_ARRAY_H

#include "base/arena.h"

/* Bytes that db_array_write needs at most, its NUL among them.  NULL is SQL's NULL. */
size_t db_array_size(const char *const *items, size_t count);
void db_array_write(char *out, const char *const *items, size_t count);

/* The elements of `text`, each NUL-terminated, in the arena; ptr NULL is SQL's NULL.  False when it
 * is not an array of one dimension. */
NODISCARD bool db_array_read(struct arena *a, struct str text, const struct str **ret,
                             size_t *ret_count);

#endif
