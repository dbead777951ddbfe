#include "base/clock.h"
#include "gate.h"
#include "loop/wait.h"

#define GATES      64 /* orders at a time; more are not kept apart */
#define INSIDE_MAX 2  /* of one order; half of the connections that a worker has by default */
#define HELD_MS    500
#define LOOK_MS    5

struct gate { /* of one order, while somebody is inside or it was held lately */
    char order_id[32];
    int inside;
    int64_t held_until_ms;
};

static struct gate gates[GATES];

struct gate_pass {
    struct gate *gate; /* NULL: through none, or left */
};

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

static void
leave(void *arg)
{
    struct gate_pass *pass = arg;

    if (pass->gate != NULL)
        pass->gate->inside--;
    pass->gate = NULL;
}

bool
gate_enter(struct arena *a, const char *order_id, int64_t deadline_ms, struct gate_pass **ret)
{
    struct gate_pass *pass = ARENA_NEW(a, struct gate_pass);

    arena_defer(a, leave, pass);
    *ret = pass;
    if (order_id == NULL || strlen(order_id) >= sizeof gates[0].order_id)
        return true;
    for (;;) {
        struct gate *g = find(order_id);

        if (g == NULL)
            return true;
        const bool held = g->held_until_ms > clock_ms();
        if (g->inside < (held ? 1 : INSIDE_MAX)) {
            g->inside++;
            pass->gate = g;
            return true;
        }
        if (held || clock_ms() >= deadline_ms)
            return false;
        co_sleep_ms(LOOK_MS);
    }
}

void
gate_leave(struct gate_pass *pass, bool held)
{
    struct gate *g = pass->gate;

    leave(pass);
    if (g != NULL && held)
        g->held_until_ms = clock_ms() + HELD_MS;
}
