/*
 * check_arena: for tests that need memory.  A test that stands in the list as TEST(name) has an
 * arena of its own.
 */
#ifndef FFX_CHECK_ARENA_H
#define FFX_CHECK_ARENA_H

#include "check.h"

#include "base/arena.h"

#define CHECK_ARENA_BYTES ((size_t)16 * 1024 * 1024)

static struct arena *a;

static int
set_up(void **state UNUSED)
{
    a = arena_new(CHECK_ARENA_BYTES);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    arena_free(a);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
