#include "crypto/key_file.h"

#include <fcntl.h>
#include <unistd.h>

static const char unreadable[] = "must be a file that this function can read";

static const char *
read_all(int fd, struct buf *ret)
{
    char part[4096];

    for (;;) {
        const ssize_t n = read(fd, part, sizeof part);

        if (n == 0)
            return NULL;
        if (n < 0)
            return unreadable;
        if (ret->len + (size_t)n > KEY_FILE_BYTES_MAX)
            return "must have 256 KB at most";
        buf_add(ret, part, (size_t)n);
    }
}

const char *
key_file_read(const char *path, struct buf *ret)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return unreadable;
    const char *why = read_all(fd, ret);
    (void)close(fd);
    return why;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool
key_file_changed(struct key_file *f, int64_t now_ms, int64_t every_ms, struct buf *ret,
                 const char **ret_why)
{
    struct stat at = {0}; /* of a file that is not there */

    if (f->looked_ms != 0 && now_ms - f->looked_ms < every_ms)
        return false;
    const bool is_first = f->looked_ms == 0;
    f->looked_ms = now_ms;
    (void)stat(f->path, &at);
    if (!is_first && is_same(&at, &f->seen))
        return false;
    f->seen = at;
    *ret_why = key_file_read(f->path, ret);
    return true;
}
