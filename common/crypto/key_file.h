/*
 * key_file: a small file with keys that is read again when another one has taken its place
 * (rename(2)), so that what it says counts without a restart.
 *
 * Nothing watches: whoever needs what it says asks, and at most every `every_ms` the file is looked
 * at.  Thread rule: one thread per file.
 */
#ifndef FFX_CRYPTO_KEY_FILE_H
#define FFX_CRYPTO_KEY_FILE_H

#include <sys/stat.h>

#include "base/buf.h"

#define KEY_FILE_BYTES_MAX ((size_t)256 * 1024)

struct key_file {
    const char *path;
    int64_t looked_ms; /* when last; 0: never */
    struct stat seen;
};

/* NULL: `ret` (a heap buf) has all of the file; else what it must be, a literal. */
const char *key_file_read(const char *path, struct buf *ret);

/* Whether the file is another one than when it was last read with this, or was never.  Then `ret`
 * has all of it, or `*ret_why` says why not; it is not told again until it changes again. */
bool key_file_changed(struct key_file *f, int64_t now_ms, int64_t every_ms, struct buf *ret,
                      const char **ret_why);

#endif
