/*
 * A file is "ffx-callback 1 SHA256 SOURCE\nBODY"; the checksum is over what stands behind it.  Its
 * name begins with the time: by name they are in the order in which they came.  Half a file has
 * another name, and is nobody's promise.
 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/killpoint.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "loop/offload.h"

#define SUFFIX    ".callback"
#define MAGIC     "ffx-callback 1 "
#define MAGIC_LEN (sizeof MAGIC - 1)
#define SUM_LEN   ((size_t)2 * SHA256_BYTES)
#define FILE_MAX  ((size_t)128 * 1024)
#define LIST_MS   10000

static char folder[512];

/* ---- writing, on a thread ---- */

struct keeping {
    char name[96];
    int error; /* errno; 0: kept */
    size_t len;
    char data[];
};

static bool
write_whole(int fd, const char *data, size_t len)
{
    while (len > 0) {
        const ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* The content is on the disk under a name that does not count. */
static bool
write_aside(int dir, const char *aside, const struct keeping *k)
{
    const int fd = openat(dir, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return false;
    bool ok = write_whole(fd, k->data, k->len);
    KILL_POINT("spool", "callback", "written");
    ok = ok && fsync(fd) == 0;
    KILL_POINT("spool", "callback", "synced");
    const int error = errno;
    ok = close(fd) == 0 && ok;
    if (!ok && error != 0)
        errno = error;
    return ok;
}

static void
keep(void *arg)
{
    struct keeping *k = arg;
    char aside[sizeof k->name + 8];
    const int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    errno = dir < 0 ? errno : 0;
    (void)snprintf(aside, sizeof aside, ".%s.new", k->name);
    bool ok = dir >= 0 && write_aside(dir, aside, k) && renameat(dir, aside, dir, k->name) == 0;
    KILL_POINT("spool", "callback", "renamed");
    ok = ok && fsync(dir) == 0;
    KILL_POINT("spool", "callback", "kept");
    k->error = ok ? 0 : errno != 0 ? errno : EIO;
    if (dir < 0)
        return;
    if (!ok) {
        (void)unlinkat(dir, aside, 0);
        (void)unlinkat(dir, k->name, 0);
    }
    (void)close(dir);
}

const char *
disk_keep(struct arena *a, const char *source, struct str body, int64_t deadline_ms)
{
    static unsigned count;
    const size_t source_len = strlen(source);
    const size_t signed_len = source_len + 1 + body.len;
    struct keeping *k = malloc(sizeof *k + MAGIC_LEN + SUM_LEN + 1 + signed_len + 1);
    uint8_t sum[SHA256_BYTES];

    if (k == NULL)
        return "no memory";
    k->error = EIO;
    (void)snprintf(k->name, sizeof k->name, "%018lld-%d-%06u" SUFFIX, (long long)wall_us(),
                   (int)getpid(), count++ % 1000000);
    char *text = k->data + MAGIC_LEN + SUM_LEN + 1;
    memcpy(text, source, source_len);
    text[source_len] = '\n';
    memcpy(text + source_len + 1, body.ptr, body.len);
    crypto_sha256((struct str){text, signed_len}, sum);
    memcpy(k->data, MAGIC, MAGIC_LEN);
    hex_encode(sum, sizeof sum, k->data + MAGIC_LEN);
    k->data[MAGIC_LEN + SUM_LEN] = ' ';
    k->len = MAGIC_LEN + SUM_LEN + 1 + signed_len;
    if (!offload(OFFLOAD_DISK, keep, k, free, deadline_ms))
        return "the disk is slow"; /* it may be kept all the same: then it is a repeat */
    const int error = k->error;
    free(k); /* before the arena may overflow */
    return error == 0 ? NULL : arena_copy(a, str_of(strerror(error)));
}

/* ---- reading ---- */

static int
is_kept(const struct dirent *e)
{
    const size_t len = strlen(e->d_name), suffix = sizeof SUFFIX - 1;

    return e->d_name[0] != '.' && len > suffix && strcmp(e->d_name + len - suffix, SUFFIX) == 0;
}

static void
list_files(void *arg)
{
    struct disk_list *list = arg;

    list->count = scandir(folder, &list->names, is_kept, alphasort);
}

bool
disk_list(struct disk_list *ret)
{
    *ret = (struct disk_list){0};
    const bool ok =
        offload(OFFLOAD_DISK, list_files, ret, NULL, clock_ms() + LIST_MS) && ret->count >= 0;
    if (!ok)
        *ret = (struct disk_list){0};
    return ok;
}

void
disk_list_release(struct disk_list *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
}

int
disk_lock(void)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

void
disk_unlock(int lock)
{
    (void)close(lock);
}

static void
path_of(const char *name, const char *suffix, char ret[1024])
{
    (void)snprintf(ret, 1024, "%s/%s%s", folder, name, suffix);
}

struct reading {
    char path[1024];
    char *data;
    size_t len;
    int error;
};

static void
read_file(void *arg)
{
    struct reading *r = arg;
    const int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    r->error = fd < 0 ? errno : 0;
    if (fd < 0)
        return;
    for (;;) {
        const ssize_t n = read(fd, r->data + r->len, FILE_MAX - r->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r->error = errno;
        if (n <= 0)
            break;
        r->len += (size_t)n;
    }
    (void)close(fd);
}

/* Its parts, when it is whole. */
static bool
take_apart(struct arena *a, struct str file, const char **ret_source, struct str *ret_body)
{
    uint8_t written[SHA256_BYTES], sum[SHA256_BYTES];
    const size_t head = MAGIC_LEN + SUM_LEN + 1;

    if (file.len <= head || file.len >= FILE_MAX || memcmp(file.ptr, MAGIC, MAGIC_LEN) != 0 ||
        !hex_decode((struct str){file.ptr + MAGIC_LEN, SUM_LEN}, written, sizeof written))
        return false;
    const struct str text = {file.ptr + head, file.len - head};
    crypto_sha256(text, sum);
    const char *line_end = memchr(text.ptr, '\n', text.len);
    if (line_end == NULL || !crypto_equal(sum, sizeof sum, written, sizeof written))
        return false;
    *ret_source = arena_copy(a, (struct str){text.ptr, (size_t)(line_end - text.ptr)});
    const struct str body = {line_end + 1, (size_t)(text.ptr + text.len - line_end - 1)};
    *ret_body = (struct str){arena_copy(a, body), body.len};
    return true;
}

enum err
disk_read(struct task *task, const char *name, const char **ret_source, struct str *ret_body)
{
    struct reading *r = ARENA_NEW(task->arena, struct reading);
    char aside[1024];

    path_of(name, "", r->path);
    r->data = arena_bytes(task->arena, FILE_MAX);
    if (!offload(OFFLOAD_DISK, read_file, r, NULL, task->deadline_ms))
        return fail_detail(&task->fail, ERR_TIMEOUT, "the disk is slow");
    if (r->error != 0)
        return fail_detail(&task->fail, ERR_INTERNAL, "%s: %s", name, strerror(r->error));
    if (take_apart(task->arena, (struct str){r->data, r->len}, ret_source, ret_body))
        return ERR_OK;
    path_of(name, ".broken", aside);
    (void)rename(r->path, aside);
    log_event(LOG_ERROR, "callback_broken", task->id, "its checksum is wrong: put aside",
              LOG_TEXT("file", aside));
    return fail_detail(&task->fail, ERR_INVALID, "%s is broken", name);
}

void
disk_remove(const char *name)
{
    char path[1024];

    path_of(name, "", path);
    (void)unlink(path);
}

/* ---- at the start ---- */

/* What a process that died left half written, and promised to nobody. */
static void
remove_halves(void)
{
    const int64_t old_s = wall_us() / 1000000 - 60;
    DIR *dir = opendir(folder);

    for (const struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL; e = readdir(dir)) {
        struct stat st;

        if (e->d_name[0] == '.' && strstr(e->d_name, SUFFIX ".new") != NULL &&
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtim.tv_sec < old_s)
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

bool
disk_open(const char *state_dir)
{
    const int len = snprintf(folder, sizeof folder, "%s/callbacks", state_dir);

    if (len < 0 || (size_t)len >= sizeof folder)
        return false;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return false;
    if (access(folder, R_OK | W_OK | X_OK) != 0)
        return false;
    const int parent = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = parent >= 0 && fsync(parent) == 0; /* or a crash takes the folder away */
    if (parent >= 0)
        (void)close(parent);
    if (synced)
        remove_halves();
    return synced;
}
