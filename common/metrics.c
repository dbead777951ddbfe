#include "metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX       ".metrics"
#define NAME_MAX_LEN 64 /* of a service */
#define FILES_MAX    64 /* rendered at once */
#define PATH_SIZE    512
#define TRIES        16

/* Bounds of the duration histogram; le is the bound's text in seconds. */
static const struct {
    int64_t us;
    const char *le;
} buckets[] = {
    {500, "0.0005"}, {1000, "0.001"},  {2000, "0.002"},  {5000, "0.005"},
    {10000, "0.01"}, {20000, "0.02"},  {50000, "0.05"},  {100000, "0.1"},
    {200000, "0.2"}, {500000, "0.5"},  {1000000, "1"},   {2000000, "2"},
    {5000000, "5"},  {10000000, "10"}, {30000000, "30"}, {INT64_MAX, "+Inf"},
};

static const struct {
    const char *name;
    const char *type;
    const char *help;
} table[METRIC_MAX] = {
#define X(id, name, type, help) [id] = {name, type, help},
    METRICS_TABLE(X)
#undef X
};

/* The layout of a file.  One with another head is replaced, never read: add 1 to VERSION when
 * the meaning of a place changes; a change of size is seen by itself. */
#define VERSION 1
struct head {
    char magic[8];
    uint32_t version;
    uint32_t size;
};

struct file {
    struct head head;
    int64_t values[METRIC_MAX];
    int64_t bucket[ARRAY_LEN(buckets)]; /* not cumulative */
    int64_t duration_us;
};

static const struct head right_head = {"ffxmetr", VERSION, sizeof(struct file)};

/* Until a file is mapped, and when none can be, the process counts for itself. */
static struct file private_file;
static struct file *file = &private_file;

/* ---- the file ---- */

static bool
head_ok(int fd)
{
    struct head head;
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_size == (off_t)sizeof(struct file) &&
           pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
           memcmp(&head, &right_head, sizeof(head)) == 0;
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

/* Put a fresh file in the place of `path`.  Made aside and renamed: processes of the previous
 * version still have the old one mapped, and would get SIGBUS if it shrank. */
static bool
replace(const char *path)
{
    const struct file fresh = {.head = right_head};
    char aside[PATH_SIZE + 16];
    const int n = snprintf(aside, sizeof(aside), "%s.%ld", path, (long)getpid());

    if (n < 0 || (size_t)n >= sizeof(aside))
        return false;
    (void)unlink(aside); /* a process of the same id may have died here */
    const int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (fd < 0)
        return false;
    const bool written = fchmod(fd, 0660) == 0 && /* whatever the umask */
                         write(fd, &fresh, sizeof(fresh)) == (ssize_t)sizeof(fresh);
    const bool closed = close(fd) == 0;
    if (written && closed && rename(aside, path) == 0)
        return true;
    (void)unlink(aside);
    return false;
}

/* An open file with the right head, or -1.  Whoever replaces the file holds the lock of the one
 * it replaces, so that two workers that start together end up on the same file. */
static int
open_shared(const char *path)
{
    for (int i = 0; i < TRIES; i++) {
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);

        if (fd < 0 || flock(fd, LOCK_EX) != 0) {
            if (fd >= 0)
                (void)close(fd);
            return -1;
        }
        const bool current = is_current(fd, path);
        if (current && head_ok(fd)) {
            (void)flock(fd, LOCK_UN);
            return fd;
        }
        const bool go_on = !current || replace(path);
        (void)close(fd);
        if (!go_on)
            return -1;
    }
    return -1;
}

bool
metrics_open(const char *run_dir, const char *service)
{
    char path[PATH_SIZE];
    const int n = snprintf(path, sizeof(path), "%s/%s" SUFFIX, run_dir, service);

    if (n < 0 || (size_t)n >= sizeof(path))
        return false;
    const int fd = open_shared(path);
    if (fd < 0)
        return false;
    void *map = mmap(NULL, sizeof(struct file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map == MAP_FAILED)
        return false;
    if (file != &private_file)
        (void)munmap(file, sizeof(*file));
    file = map;
    return true;
}

/* ---- counting ---- */

void
metrics_add(enum metric id, int64_t n)
{
    MUST((unsigned)id < METRIC_MAX);
    __atomic_fetch_add(&file->values[id], n, __ATOMIC_RELAXED);
}

void
metrics_set_max(enum metric id, int64_t n)
{
    MUST((unsigned)id < METRIC_MAX);
    int64_t seen = __atomic_load_n(&file->values[id], __ATOMIC_RELAXED);
    while (n > seen && !__atomic_compare_exchange_n(&file->values[id], &seen, n, true,
                                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

void
metrics_observe_us(int64_t duration_us)
{
    const int64_t us = MAX(duration_us, 0);
    size_t i = 0;

    while (us > buckets[i].us)
        i++;
    __atomic_fetch_add(&file->bucket[i], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&file->duration_us, us, __ATOMIC_RELAXED);
}

/* ---- printing ---- */

struct service {
    char name[NAME_MAX_LEN + 1];
    struct file file;
};

/* NAME of "NAME.metrics"; false for other files. */
static bool
service_name(const char *file_name, char ret[NAME_MAX_LEN + 1])
{
    const size_t len = strlen(file_name);
    const size_t suffix = sizeof(SUFFIX) - 1;

    if (len <= suffix || len - suffix > NAME_MAX_LEN ||
        strcmp(file_name + len - suffix, SUFFIX) != 0)
        return false;
    for (size_t i = 0; i < len - suffix; i++) {
        const char c = file_name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    memcpy(ret, file_name, len - suffix);
    ret[len - suffix] = '\0';
    return true;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct service *)a)->name, ((const struct service *)b)->name);
}

/* Read the files of run_dir, in the order of their names. */
static size_t
read_services(const char *run_dir, struct service *ret)
{
    DIR *dir = opendir(run_dir);
    size_t count = 0;

    if (dir == NULL)
        return 0;
    for (const struct dirent *e = readdir(dir); e != NULL && count < FILES_MAX; e = readdir(dir)) {
        struct service *s = &ret[count];

        if (!service_name(e->d_name, s->name))
            continue;
        const int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            continue;
        if (head_ok(fd) && pread(fd, &s->file, sizeof(s->file), 0) == (ssize_t)sizeof(s->file))
            count++;
        (void)close(fd);
    }
    (void)closedir(dir);
    qsort(ret, count, sizeof(ret[0]), by_name);
    return count;
}

/* Do two rows of the table belong to one metric (equal up to the labels)? */
static bool
same_metric(const char *a, const char *b)
{
    const size_t len = strcspn(a, "{");

    return strncmp(a, b, len) == 0 && b[len] == '{';
}

static void
render_table(const struct service *services, size_t count, struct buf *out)
{
    for (size_t id = 0; id < METRIC_MAX; id++) {
        const char *name = table[id].name;
        const int plain = (int)strcspn(name, "{");
        const char *comma = name[strlen(name) - 1] == '{' ? "" : ",";

        if (id == 0 || !same_metric(table[id - 1].name, name))
            buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", plain, name, table[id].help, plain,
                       name, table[id].type);
        for (size_t i = 0; i < count; i++)
            buf_printf(out, "%s%sfunction=\"%s\"} %lld\n", name, comma, services[i].name,
                       (long long)services[i].file.values[id]);
    }
}

static void
render_histogram(const struct service *services, size_t count, struct buf *out)
{
#define HISTOGRAM "ffx_request_duration_seconds"
    buf_add_text(out, "# HELP " HISTOGRAM " Time to serve a request\n"
                      "# TYPE " HISTOGRAM " histogram\n");
    for (size_t i = 0; i < count; i++) {
        const struct service *s = &services[i];
        int64_t below = 0;

        for (size_t k = 0; k < ARRAY_LEN(buckets); k++) {
            below += s->file.bucket[k];
            buf_printf(out, HISTOGRAM "_bucket{function=\"%s\",le=\"%s\"} %lld\n", s->name,
                       buckets[k].le, (long long)below);
        }
        buf_printf(out, HISTOGRAM "_sum{function=\"%s\"} %lld.%06lld\n", s->name,
                   (long long)(s->file.duration_us / 1000000),
                   (long long)(s->file.duration_us % 1000000));
        buf_printf(out, HISTOGRAM "_count{function=\"%s\"} %lld\n", s->name, (long long)below);
    }
#undef HISTOGRAM
}

void
metrics_render(const char *run_dir, struct buf *out)
{
    /* on the heap: a coroutine's stack is too small for it, and `out` need not have an arena */
    struct service *services = calloc(FILES_MAX, sizeof(*services));

    if (services == NULL)
        die("out of memory");
    const size_t count = read_services(run_dir, services);
    if (count > 0) {
        render_table(services, count, out);
        render_histogram(services, count, out);
    }
    free(services);
}
