/*
 * shared: a small file of fixed layout that all workers of a function, and the next deploy's, map
 * and change atomically.
 *
 * A file begins with a struct shared_head.  One with another head (another version or size, or
 * from before the machine started) is replaced, never read.
 * Any thread may call.
 */
#ifndef FFX_BASE_SHARED_H
#define FFX_BASE_SHARED_H

#include "base/setting.h"

struct shared_head {
    char magic[8];
    uint32_t version;
    uint32_t size;
    char boot_id[40]; /* contents do not outlive the machine: clocks start again with it */
};

/* The right head of a file.  Add 1 to `version` when the meaning of a place changes. */
void shared_head_init(struct shared_head *ret, const char *magic, uint32_t version, size_t size);

/* Does the file behind `fd` have this head, and its size? */
bool shared_head_ok(int fd, const struct shared_head *right);

/* Map the file FOLDER/NAME SUFFIX for reading and writing, making it when it is absent or has
 * another head.  A fresh one is zero but for its head; `fill` (or NULL) completes it before anybody
 * else sees it.  NULL when the file cannot be used.  Release with shared_unmap. */
void *shared_map(const char *folder, const char *name, const char *suffix,
                 const struct shared_head *right, void (*fill)(void *fresh));
void shared_unmap(void *map, const struct shared_head *right);

/* RUN_DIR: the folder of such files, and of sockets. */
extern struct setting cfg_run_dir;

#endif
