/*
 * A table of LIMIT_SLOTS places in sets of WAYS; a key's hash names its set.  Read limit_take
 * first: it moves a key's theoretical arrival time, and find_slot finds or makes the place it is
 * kept in.
 */
#include "fn/limit.h"

#include <arpa/inet.h>

#include "base/metric.h"
#include "base/shared.h"
#include "crypto/digest.h"

struct setting cfg_rate_limit = {
    .env = "RATE_LIMIT",
    .kind = SETTING_BOOL,
    .fallback = "true",
    .meaning = "false: no rate limits (load tests)",
};

#define WAYS 8 /* places a key may be in */

/* Clocks of two processors may differ a little. */
#define CLOCK_SLACK_US 1000000

/* A key (its keyed hash; 0: free) and its theoretical arrival time: until then it has used up
 * calls; at or before now it is as good as free. */
struct slot {
    uint64_t key;
    int64_t arrival_us; /* CLOCK_BOOTTIME, the same clock in all processes */
};

#define VERSION 2

struct file {
    struct shared_head head;
    uint64_t seed[2]; /* random: nobody can choose keys that share a place */
    struct slot slots[LIMIT_SLOTS];
};

/* Until a file is mapped, and when none can be, the process counts for itself. */
static struct file private_file;
static struct file *file = &private_file;

static void
choose_seed(void *fresh)
{
    struct file *f = fresh;

    crypto_random(f->seed, sizeof(f->seed));
}

bool
limit_open(const char *run_dir, const char *service)
{
    struct shared_head right;

    choose_seed(&private_file);
    shared_head_init(&right, "ffxrate", VERSION, sizeof(struct file));
    struct file *map = shared_map(run_dir, service, ".limits", &right, choose_seed);
    if (map == NULL)
        return false;
    if (file != &private_file)
        shared_unmap(file, &right);
    file = map;
    return true;
}

/* ---- the table ---- */

/* FNV-1a from a secret start, and a secret finish, so that places cannot be chosen from outside. */
static uint64_t
hash(struct str key, unsigned what)
{
    uint64_t h = (0xcbf29ce484222325 ^ file->seed[0] ^ what) * 0x100000001b3;

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
    struct slot *set = &file->slots[key % (LIMIT_SLOTS / WAYS) * WAYS];

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
limit_take(struct str key, unsigned what, int calls, int window_s, int *ret_retry_after_s)
{
    MUST(calls > 0 && window_s > 0);
    const int64_t step_us = MAX((int64_t)window_s * 1000000 / calls, 1);
    const int64_t burst_us = step_us * calls;
    struct slot *s = find_slot(hash(key, what), boot_us());
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

enum err
limit_check(struct task *task, struct str key, unsigned what, int calls, int window_s)
{
    int retry_after_s;

    if (!setting_bool(&cfg_rate_limit) || limit_take(key, what, calls, window_s, &retry_after_s))
        return ERR_OK;
    metric_add(METRIC_RATE_LIMITED, 1);
    const enum err e = fail_set(&task->fail, ERR_RATE_LIMITED,
                                "Too many requests. Try again in %d s.", retry_after_s);
    task->fail.retry_after_s = retry_after_s; /* fail_set cleared it */
    return e;
}

struct str
limit_network(struct str address, uint8_t ret[LIMIT_NETWORK_BYTES])
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF}; /* RFC 4291, 2.5.5.2 */
    char text[INET6_ADDRSTRLEN];
    uint8_t six[16], four[4];

    if (address.len == 0 || address.len >= sizeof text)
        return address;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    if (inet_pton(AF_INET, text, four) == 1)
        memcpy(ret, four, sizeof four);
    else if (inet_pton(AF_INET6, text, six) != 1)
        return address;
    else if (memcmp(six, mapped, sizeof mapped) == 0)
        memcpy(ret, six + sizeof mapped, sizeof four);
    else
        return (struct str){memcpy(ret, six, LIMIT_NETWORK_BYTES), LIMIT_NETWORK_BYTES};
    return (struct str){(const char *)ret, sizeof four};
}
