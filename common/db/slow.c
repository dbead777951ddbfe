/*
 * What is slow runs on a connection of its own, and may not take all of them, so that what is quick
 * does not stand behind it.  What took long is remembered for a while, and until it was quick.  Of
 * several reads that took long together nobody knows which of them it was: each runs alone next
 * time, and that tells.  A script is slow once it has run for so long while others wait, for it may
 * take a long time to its end, and be one of many that all began before anybody knew.
 */
#include "db/internal.h"

#define SLOW_MS    100
#define KEPT_MS    60000
#define SUSPECT_MS 1000
#define PLACES     64

static struct {
    uint64_t key;
    int64_t until_ms;
    bool suspected; /* one of several that took long together */
} places[PLACES];

static uint64_t
key_of(const struct op *op)
{
    const uint64_t stmt = (uint64_t)(uintptr_t)op->stmt, pool = (uint64_t)(uintptr_t)op->pool;

    return op->sql != NULL ? op->key[0] ^ pool : stmt; /* one text may be quick elsewhere */
}

static size_t
place_of(uint64_t key)
{
    return (key >> 4 ^ key >> 12) % PLACES;
}

void
db_recall(struct op *op)
{
    const uint64_t key = key_of(op);
    const size_t i = place_of(key);

    if (places[i].key != key || places[i].until_ms <= loop_now_ms())
        return;
    op->slow = !places[i].suspected;
    op->apart = places[i].suspected;
}

static void
remember(const struct op *op, int64_t for_ms, bool suspected)
{
    const uint64_t key = key_of(op);
    const size_t i = place_of(key);

    if (for_ms == 0 && places[i].key != key)
        return;
    places[i].key = key;
    places[i].until_ms = loop_now_ms() + for_ms;
    places[i].suspected = suspected;
}

void
db_learn(const struct conn *c, int64_t took_ms)
{
    const struct batch *b = &c->batch;
    const struct op *last = b->ops[b->count - 1];

    if (took_ms < SLOW_MS && !last->slow && !last->apart)
        return;
    if (b->count == 1 || last->steps > 0) {
        remember(last, took_ms >= SLOW_MS ? KEPT_MS : 0, false);
        return;
    }
    for (int i = 0; i < b->count; i++)
        if (db_is_read(b->ops[i]))
            remember(b->ops[i], SUSPECT_MS, true);
}

/* Those that wait and do the same as what turned out to be slow. */
static void
make_way(struct db_state *p, uint64_t key)
{
    struct op *op = p->writes.first;

    p->writes = (struct queue){.last = &p->writes.first};
    while (op != NULL) {
        const struct op *last = db_last_step(op), *end = last->next;
        const bool slow = last->steps > 0 && key_of(last) == key;

        while (op != end) {
            struct op *next = op->next;

            op->slow = slow;
            db_queue_push(db_queue_of(op), op);
            op = next;
        }
    }
}

void
db_notice_slow(struct db_state *p)
{
    for (int i = 0; i < p->connection_max; i++) {
        struct conn *c = &p->conns[i];
        const struct batch *b = &c->batch;

        if (c->state != CONN_BUSY || c->slow || c->late || b->ops[b->count - 1]->steps == 0)
            continue;
        if (loop_now_ms() < c->since_ms + SLOW_MS) {
            if (i > 0) /* the readers' timer is that of those who wait for it */
                loop_timer_set(&c->timer, c->since_ms + SLOW_MS);
            continue;
        }
        c->slow = true;
        remember(b->ops[b->count - 1], KEPT_MS, false);
        make_way(p, key_of(b->ops[b->count - 1]));
    }
}
