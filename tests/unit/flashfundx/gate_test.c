/* Two callbacks of an order at a time, however those before them ended. */
#include "check_arena.h"

#include "base/clock.h"
#include "base/task.h"
#include "payment-webhook/gate.h"

/* In at once, or not at all. */
static bool
enter(const char *order_id, struct gate_pass **ret)
{
    return gate_enter(a, order_id, clock_ms(), ret);
}

static void
two_are_inside_at_once(void **state UNUSED)
{
    struct gate_pass *one, *two, *three;

    assert_true(enter("FFX000000001", &one));
    assert_true(enter("FFX000000001", &two));
    assert_false(enter("FFX000000001", &three));
    gate_leave(one, false);
    assert_true(enter("FFX000000001", &three));
    gate_leave(two, false);
    gate_leave(three, false);
}

static void
orders_are_kept_apart_and_no_order_is_let_through(void **state UNUSED)
{
    struct gate_pass *passes[6];

    for (int i = 0; i < 2; i++)
        assert_true(enter("FFX000000002", &passes[i]));
    assert_true(enter("FFX000000003", &passes[2]));
    for (int i = 3; i < 6; i++)
        assert_true(enter(NULL, &passes[i]));
    for (int i = 0; i < 6; i++)
        gate_leave(passes[i], false);
}

static void
of_a_held_order_one_at_a_time_looks(void **state UNUSED)
{
    struct gate_pass *one, *two;

    assert_true(enter("FFX000000004", &one));
    gate_leave(one, true);
    assert_true(enter("FFX000000004", &one));
    assert_false(enter("FFX000000004", &two));
    gate_leave(one, false);
}

static enum err
enter_and_take_too_much(struct task *task, void *unused UNUSED)
{
    struct gate_pass *pass;

    assert_true(gate_enter(task->arena, "FFX000000005", clock_ms(), &pass));
    (void)arena_alloc(task->arena, 1024 * 1024);
    return ERR_OK;
}

static void
whose_arena_is_full_leaves_all_the_same(void **state UNUSED)
{
    for (int i = 0; i < 5; i++) {
        struct task task = {.arena = arena_new(8 * 1024)};

        assert_int_equal(task_run(&task, enter_and_take_too_much, NULL), ERR_MEMORY);
        arena_free(task.arena);
    }
    two_are_inside_at_once(NULL);
}

static const struct CMUnitTest tests[] = {
    TEST(two_are_inside_at_once),
    TEST(orders_are_kept_apart_and_no_order_is_let_through),
    TEST(of_a_held_order_one_at_a_time_looks),
    TEST(whose_arena_is_full_leaves_all_the_same),
};

int
main(void)
{
    return cmocka_run_group_tests_name("flashfundx_gate", tests, NULL, NULL);
}
