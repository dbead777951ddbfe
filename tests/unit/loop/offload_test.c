#include "check_loop.h"

#include <stdlib.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/offload.h"
#include "loop/wait.h"

static void
square(void *n)
{
    *(int *)n *= *(int *)n;
}

static void
offload_square(void *n)
{
    offload(square, n);
    note("done");
    loop_exit();
}

static void
offloaded_work_comes_back_to_its_coroutine(void **state UNUSED)
{
    int n = 12;

    co_start(offload_square, &n);
    assert_string_equal(trace, "");
    run_for(2000);
    assert_string_equal(trace, "done");
    assert_int_equal(n, 144);
}

static const struct CMUnitTest tests[] = {
    TEST(offloaded_work_comes_back_to_its_coroutine),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("loop_offload", tests, NULL, NULL);
}
