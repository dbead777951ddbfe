/*
 * disk: the files of the spool: written, listed, read, removed; on threads where a disk may be
 * slow. Thread rule: inside coroutines of the loop's thread, but for disk_open.
 */
#ifndef FFX_DISK_H
#define FFX_DISK_H

#include <dirent.h>

#include "base/task.h"

/* Use STATE_DIR/callbacks, which is made when it is absent; false when that cannot be. */
bool disk_open(const char *state_dir);

/* On the disk, whatever happens to the machine then: NULL; or why not. */
const char *disk_keep(struct arena *a, const char *source, struct str body, int64_t deadline_ms);

/* All files, oldest first; release with disk_list_release.  disk_list is false, and the list empty,
 * when it cannot be read now. */
struct disk_list {
    struct dirent **names;
    int count;
};
bool disk_list(struct disk_list *ret);
void disk_list_release(struct disk_list *list);

/* One process at a time applies; -1 when it is another one. */
int disk_lock(void);
void disk_unlock(int lock);

/* ERR_INVALID: it is not what disk_keep wrote, and was put aside. */
NODISCARD enum err disk_read(struct task *task, const char *name, const char **ret_source,
                             struct str *ret_body);
void disk_remove(const char *name);

#endif
