#include "base/shared.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct setting cfg_run_dir = {
    .env = "RUN_DIR",
    .kind = SETTING_FOLDER,
    .fallback = "/run/ffx",
    .meaning = "folder of sockets, metrics and rate-limit tables",
};

#define PATH_SIZE 512
#define TRIES     16

void
shared_head_init(struct shared_head *ret, const char *magic, uint32_t version, size_t size)
{
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    *ret = (struct shared_head){.version = version, .size = (uint32_t)size};
    MUST(strlen(magic) < sizeof(ret->magic) && size <= UINT32_MAX);
    memcpy(ret->magic, magic, strlen(magic));
    if (fd < 0)
        return;
    if (read(fd, ret->boot_id, sizeof(ret->boot_id) - 1) < 0)
        ret->boot_id[0] = '\0';
    (void)close(fd);
}

bool
shared_head_ok(int fd, const struct shared_head *right)
{
    struct shared_head head;
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_size == (off_t)right->size &&
           pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
           memcmp(&head, right, sizeof(head)) == 0;
}

/* Is `path` still the file behind fd? */
static bool
is_current(int fd, const char *path)
{
    struct stat of_fd;
    struct stat of_path;

    return fstat(fd, &of_fd) == 0 && stat(path, &of_path) == 0 && of_fd.st_ino == of_path.st_ino &&
           of_fd.st_dev == of_path.st_dev;
}

/* All of a fresh file, written out: a full disk shows here, and not as SIGBUS in a request. */
static bool
write_fresh(int fd, const struct shared_head *right, void (*fill)(void *fresh))
{
    char *fresh = calloc(1, right->size);
    bool ok;

    if (fresh == NULL)
        return false;
    memcpy(fresh, right, sizeof(*right));
    if (fill != NULL)
        fill(fresh);
    ok = fchmod(fd, 0640) == 0 && /* whatever the umask */
         write(fd, fresh, right->size) == (ssize_t)right->size;
    free(fresh);
    return ok;
}

/* Put a fresh file in the place of `path`.  Made aside and renamed: processes of the previous
 * version still have the old one mapped, and would get SIGBUS if it shrank. */
static bool
replace(const char *path, const struct shared_head *right, void (*fill)(void *fresh))
{
    char aside[PATH_SIZE + 16];
    const int n = snprintf(aside, sizeof(aside), "%s.%ld", path, (long)getpid());

    if (n < 0 || (size_t)n >= sizeof(aside))
        return false;
    (void)unlink(aside); /* a process of the same id may have died here */
    const int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return false;
    const bool written = write_fresh(fd, right, fill);
    const bool closed = close(fd) == 0;
    if (written && closed && rename(aside, path) == 0)
        return true;
    (void)unlink(aside);
    return false;
}

/* An open file with the right head, or -1.  Whoever replaces the file holds the lock of the one
 * it replaces, so that two workers that start together end up on the same file. */
static int
open_right(const char *path, const struct shared_head *right, void (*fill)(void *fresh))
{
    for (int i = 0; i < TRIES; i++) {
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

        if (fd < 0 || flock(fd, LOCK_EX) != 0) {
            if (fd >= 0)
                (void)close(fd);
            return -1;
        }
        const bool current = is_current(fd, path);
        if (current && shared_head_ok(fd, right)) {
            (void)flock(fd, LOCK_UN);
            return fd;
        }
        const bool go_on = !current || replace(path, right, fill);
        (void)close(fd);
        if (!go_on)
            return -1;
    }
    return -1;
}

void *
shared_map(const char *folder, const char *name, const char *suffix,
           const struct shared_head *right, void (*fill)(void *fresh))
{
    char path[PATH_SIZE];
    const int len = snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
    const int fd = len > 0 && len < PATH_SIZE ? open_right(path, right, fill) : -1;

    if (fd < 0)
        return NULL;
    void *map = mmap(NULL, right->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    return map == MAP_FAILED ? NULL : map;
}

void
shared_unmap(void *map, const struct shared_head *right)
{
    MUST(munmap(map, right->size) == 0);
}
