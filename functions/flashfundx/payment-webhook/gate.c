#include "base/clock.h"
#include "gate.h"
#include "loop/wait.h"

#define GATES      64 /* orders at a time; more are not kept apart */
#define INSIDE_MAX 2  /* of one order; half of the connections that a worker has by default */
#define HELD_MS    500
#define LOOK_MS    5

struct gate {
    char order_id[32];
    int inside;
    int64_t held_until_ms;
};

static struct gate gates[GATES];

static bool
in_use(const struct gate *g)
{
    return g->inside > 0 || (g->held_until_ms != 0 && g->held_until_ms > clock_ms());
}

static struct gate *
find(const char *order_id)
{
    struct gate *free_gate = NULL;

    for (size_t i = 0; i < GATES; i++) {
        if (!in_use(&gates[i]))
            free_gate = &gates[i];
        else if (strcmp(gates[i].order_id, order_id) == 0)
            return &gates[i];
    }
    if (free_gate != NULL) {
        *free_gate = (struct gate){0};
        (void)snprintf(free_gate->order_id, sizeof free_gate->order_id, "%s", order_id);
    }
    return free_gate;
}

bool
gate_enter(const char *order_id, int64_t deadline_ms, struct gate **ret)
{
    *ret = NULL;
    if (order_id == NULL || strlen(order_id) >= sizeof gates[0].order_id)
        return true;
    for (;;) {
        struct gate *g = find(order_id);

        if (g == NULL)
            return true;
        const bool held = g->held_until_ms > clock_ms();
        if (g->inside < (held ? 1 : INSIDE_MAX)) {
            g->inside++;
            *ret = g;
            return true;
        }
        if (held || clock_ms() >= deadline_ms)
            return false;
        co_sleep_ms(LOOK_MS);
    }
}

void
gate_leave(struct gate *g, bool held)
{
    if (g == NULL)
        return;
    g->inside--;
    if (held)
        g->held_until_ms = clock_ms() + HELD_MS;
}
