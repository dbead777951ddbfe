#include "ratelimit.h"
#include "crypto.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE    512
#define TRIES        16
#define WAYS         8 /* places a key may be in */
#define BOOT_ID_SIZE 40

/* Clocks of two processors may differ a little. */
#define CLOCK_SLACK_US 1000000

/* A key (its keyed hash; 0: free) and its theoretical arrival time: until then it has used up
 * calls; at or before now it is as good as free. */
struct slot {
    uint64_t key;
    int64_t arrival_us; /* CLOCK_BOOTTIME, the same clock in all processes */
};

/* The layout of a file.  One with another head is replaced, never read.  The boot id is part of
 * the head, because the clock starts again with the machine. */
#define VERSION 1
struct head {
    char magic[8];
    uint32_t version;
    uint32_t size;
    char boot_id[BOOT_ID_SIZE];
};

struct file {
    struct head head;
    uint64_t seed[2]; /* random: nobody can choose keys that share a place */
    struct slot slots[RATELIMIT_SLOTS];
};

/* Until a file is mapped, and when none can be, the process counts for itself. */
static struct file private_file;
static struct file *file = &private_file;

/* ---- the file ---- */

static struct head
right_head(void)
{
    struct head head = {"ffxrate", VERSION, sizeof(struct file), {0}};
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (read(fd, head.boot_id, BOOT_ID_SIZE - 1) < 0)
            head.boot_id[0] = '\0'; /* then arrival times are only checked for being sane */
        (void)close(fd);
    }
    return head;
}

static bool
head_ok(int fd, const struct head *right)
{
    struct head head;
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_size == (off_t)sizeof(struct file) &&
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

/* Put a fresh file in the place of `path`, made aside and renamed: other processes may have the
 * old one mapped. */
static bool
replace(const char *path, const struct head *head)
{
    char aside[PATH_SIZE + 16];
    uint64_t seed[2];
    const int n = snprintf(aside, sizeof(aside), "%s.%ld", path, (long)getpid());

    if (n < 0 || (size_t)n >= sizeof(aside))
        return false;
    (void)unlink(aside); /* a process of the same id may have died here */
    const int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (fd < 0)
        return false;
    crypto_random(seed, sizeof(seed));
    /* posix_fallocate: a full disk shows here, and not as SIGBUS in the middle of a request */
    const bool written =
        fchmod(fd, 0660) == 0 && posix_fallocate(fd, 0, sizeof(struct file)) == 0 &&
        pwrite(fd, head, sizeof(*head), 0) == (ssize_t)sizeof(*head) &&
        pwrite(fd, seed, sizeof(seed), offsetof(struct file, seed)) == (ssize_t)sizeof(seed);
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
    const struct head right = right_head();

    for (int i = 0; i < TRIES; i++) {
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);

        if (fd < 0 || flock(fd, LOCK_EX) != 0) {
            if (fd >= 0)
                (void)close(fd);
            return -1;
        }
        const bool current = is_current(fd, path);
        if (current && head_ok(fd, &right)) {
            (void)flock(fd, LOCK_UN);
            return fd;
        }
        const bool go_on = !current || replace(path, &right);
        (void)close(fd);
        if (!go_on)
            return -1;
    }
    return -1;
}

bool
ratelimit_open(const char *run_dir, const char *service)
{
    char path[PATH_SIZE];
    const int n = snprintf(path, sizeof(path), "%s/%s.limits", run_dir, service);

    crypto_random(private_file.seed, sizeof(private_file.seed));
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

/* ---- the table ---- */

/* FNV-1a from a secret start, and a secret finish, so that places cannot be chosen from outside. */
static uint64_t
hash(struct str key)
{
    uint64_t h = 0xcbf29ce484222325 ^ file->seed[0];

    for (size_t i = 0; i < key.len; i++) {
        h ^= (unsigned char)key.ptr[i];
        h *= 0x100000001b3;
    }
    h ^= file->seed[1];
    h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53;
    h ^= h >> 33;
    return h != 0 ? h : 1;
}

/* The slot of `key`.  A key that has none takes a free or run-down place, else that of the key
 * that is closest to run down.  A lost race starts again from the first place, so that two
 * processes with the same key do not end up with two places. */
static struct slot *
find_slot(uint64_t key, int64_t now_us)
{
    struct slot *set = &file->slots[key % (RATELIMIT_SLOTS / WAYS) * WAYS];

    for (;;) {
        struct slot *oldest = NULL;
        uint64_t oldest_key = 0;
        int64_t oldest_us = INT64_MAX;

        for (size_t i = 0; i < WAYS; i++) {
            const uint64_t there = __atomic_load_n(&set[i].key, __ATOMIC_ACQUIRE);
            const int64_t arrival_us = __atomic_load_n(&set[i].arrival_us, __ATOMIC_ACQUIRE);

            if (there == key)
                return &set[i];
            /* run-down places are all alike: the first of them, for every process */
            const int64_t rank = there == 0 || arrival_us <= now_us ? 0 : arrival_us;
            if (oldest == NULL || rank < oldest_us) {
                oldest = &set[i];
                oldest_key = there;
                oldest_us = rank;
            }
        }
        if (!__atomic_compare_exchange_n(&oldest->key, &oldest_key, key, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE))
            continue;
        /* a live key's time is not the new key's; one that ran down means "nothing used" anyway */
        if (oldest_us > 0)
            __atomic_store_n(&oldest->arrival_us, 0, __ATOMIC_RELEASE);
        return oldest;
    }
}

static int64_t
boot_us(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_BOOTTIME, &now) != 0)
        die("clock_gettime failed");
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool
ratelimit_take(struct str key, int calls, int window_s, int *ret_retry_after_s)
{
    MUST(calls > 0 && window_s > 0);
    const int64_t step_us = MAX((int64_t)window_s * 1000000 / calls, 1);
    const int64_t burst_us = step_us * calls;
    struct slot *s = find_slot(hash(key), boot_us());
    int64_t arrival_us = __atomic_load_n(&s->arrival_us, __ATOMIC_ACQUIRE);

    for (;;) {
        /* The clock is read after the arrival time.  The other way round, a process that was held
         * up in between would compare a time that others have moved on with a clock of the past. */
        const int64_t now_us = boot_us();
        /* Later than any accepted call makes it: left by another limit on the same key. */
        const bool sane = arrival_us <= now_us + burst_us + CLOCK_SLACK_US;
        const int64_t next_us = (sane ? MAX(arrival_us, now_us) : now_us) + step_us;
        const int64_t wait_us = next_us - burst_us - now_us;

        if (wait_us > 0) {
            *ret_retry_after_s = (int)MIN((wait_us + 999999) / 1000000, INT32_MAX);
            return false;
        }
        if (__atomic_compare_exchange_n(&s->arrival_us, &arrival_us, next_us, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return true;
    }
}
