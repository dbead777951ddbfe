#include "check.h"

#include "base/task.h"

static struct task task;

static int
set_up(void **state UNUSED)
{
    task = (struct task){.arena = arena_new(64 * 1024)};
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    arena_free(task.arena);
    return 0;
}

static enum err
add_one(struct task *t, void *number)
{
    (void)arena_alloc(t->arena, 100);
    ++*(int *)number;
    return ERR_OK;
}

static void
work_is_done_with_its_argument(void **state UNUSED)
{
    int n = 41;

    assert_int_equal(task_run(&task, add_one, &n), ERR_OK);
    assert_int_equal(n, 42);
}

static enum err
refuse(struct task *t, void *unused)
{
    (void)unused;
    return fail_set(&t->fail, ERR_CONFLICT, "no");
}

static void
failure_is_handed_on(void **state UNUSED)
{
    assert_int_equal(task_run(&task, refuse, NULL), ERR_CONFLICT);
    assert_string_equal(fail_text(&task.fail, ERR_CONFLICT), "no");
}

static enum err
take_too_much(struct task *t, void *reached)
{
    (void)arena_alloc(t->arena, 1024 * 1024);
    *(bool *)reached = true;
    return ERR_OK;
}

static void
full_arena_ends_the_work_and_not_the_process(void **state UNUSED)
{
    bool reached = false;

    assert_int_equal(task_run(&task, take_too_much, &reached), ERR_MEMORY);
    assert_false(reached);
    assert_string_equal(fail_text(&task.fail, ERR_MEMORY), "Request needs too much memory");
}

static void
overflow_outside(void)
{
    bool reached;

    (void)set_up(NULL);
    assert_int_equal(task_run(&task, add_one, &(int){0}), ERR_OK);
    assert_int_equal(take_too_much(&task, &reached), ERR_OK);
}

static void
scope_ends_with_the_work(void **state UNUSED)
{
    check_dies(overflow_outside, "arena: more than");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(work_is_done_with_its_argument),
    TEST(failure_is_handed_on),
    TEST(full_arena_ends_the_work_and_not_the_process),
    TEST(scope_ends_with_the_work),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_task", tests, NULL, NULL);
}
