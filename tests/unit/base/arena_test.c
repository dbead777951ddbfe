#include "check_arena.h"

#include "base/arena.h"

/* Overflow handler that unwinds as the runtime does. */
static jmp_buf unwound;

static void
unwind(void *context)
{
    *(bool *)context = true;
    longjmp(unwound, 1);
}

/* Does taking `size` more bytes go over the cap? */
static bool
overflows(struct arena *arena, size_t size)
{
    static bool called;

    called = false;
    arena_on_overflow(arena, unwind, &called);
    if (setjmp(unwound) == 0)
        (void)arena_alloc(arena, size);
    return called;
}

static void
memory_is_zeroed(void **state UNUSED)
{
    const char *p = arena_alloc(a, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
}

static void
memory_is_zeroed_after_reset(void **state UNUSED)
{
    memset(arena_alloc(a, 1000), 'x', 1000);
    arena_reset(a);
    const char *p = arena_alloc(a, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
}

static void
memory_is_aligned(void **state UNUSED)
{
    for (size_t size = 0; size < 100; size++)
        assert_int_equal((uintptr_t)arena_alloc(a, size) % 16, 0);
}

static void
allocations_do_not_overlap(void **state UNUSED)
{
    unsigned char *p[300];

    for (size_t i = 0; i < 300; i++) {
        p[i] = arena_alloc(a, i + 1);
        memset(p[i], (int)(i % 251), i + 1);
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t k = 0; k <= i; k++)
            assert_int_equal(p[i][k], i % 251);
}

static void
big_allocations_work(void **state UNUSED)
{
    memset(arena_alloc(a, 500000), 1, 500000);
    memset(arena_alloc(a, 10), 2, 10);
    memset(arena_alloc(a, 300000), 3, 300000);
}

static void
used_counts_bytes(void **state UNUSED)
{
    (void)arena_alloc(a, 16);
    (void)arena_alloc(a, 32);
    assert_int_equal(arena_used(a), 48);
}

static void
reset_gives_everything_back(void **state UNUSED)
{
    (void)arena_alloc(a, 100000);
    arena_reset(a);
    assert_int_equal(arena_used(a), 0);
}

static void
reset_of_a_fresh_arena_is_harmless(void **state UNUSED)
{
    arena_reset(a);
    assert_int_equal(arena_used(a), 0);
}

static void
free_of_null_is_harmless(void **state UNUSED)
{
    arena_free(NULL);
}

static void
first_block_is_kept(void **state UNUSED)
{
    const void *first = arena_alloc(a, 16);
    (void)arena_alloc(a, 100000);
    arena_reset(a);
    assert_ptr_equal(arena_alloc(a, 16), first);
}

static void
last_allocation_grows_in_its_place(void **state UNUSED)
{
    char *p = arena_alloc(a, 100);

    memset(p, 'x', 100);
    assert_true(arena_extend(a, p, 100, 3000));
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 'x');
    memset(p + 100, 'y', 2900); /* the new bytes hold anything, and are the caller's */
    assert_int_equal(arena_used(a), 3000);
    const char *next = arena_alloc(a, 1);
    assert_true(next >= p + 3000);
}

static void
copies_end_where_they_should_whatever_was_there(void **state UNUSED)
{
    memset(arena_bytes(a, 200), 'x', 200);
    arena_reset(a);
    assert_string_equal(arena_copy(a, STR("abc")), "abc");
    assert_string_equal(arena_copy(a, STR_NONE), "");
    assert_string_equal(arena_join(a, "ab", "cd"), "abcd");
    assert_string_equal(arena_printf(a, "%d", 7), "7");
}

static void
allocations_are_zero_whatever_was_there(void **state UNUSED)
{
    memset(arena_bytes(a, 200), 'x', 200);
    arena_reset(a);
    const char *p = arena_alloc(a, 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(p[i], 0);
}

static void
what_has_something_behind_it_stays(void **state UNUSED)
{
    char *p = arena_alloc(a, 100);

    (void)arena_alloc(a, 1);
    assert_false(arena_extend(a, p, 100, 101));
}

static void
growing_does_not_leave_the_block(void **state UNUSED)
{
    char *p = arena_alloc(a, 100);

    assert_false(arena_extend(a, p, 100, 100000));
    assert_int_equal(arena_used(a), 100);
}

static void
growing_does_not_exceed_the_cap(void **state UNUSED)
{
    struct arena *small = arena_new(1000);
    char *p = arena_alloc(small, 100);

    assert_false(arena_extend(small, p, 100, 1001));
    assert_true(arena_extend(small, p, 100, 1000));
    arena_free(small);
}

static void
cap_can_be_filled_exactly(void **state UNUSED)
{
    struct arena *small = arena_new(1000);

    assert_false(overflows(small, 1000));
    arena_free(small);
}

static void
cap_is_not_exceeded_by_one(void **state UNUSED)
{
    struct arena *small = arena_new(1000);

    assert_true(overflows(small, 1001));
    arena_free(small);
}

static void
cap_counts_many_small_ones(void **state UNUSED)
{
    struct arena *small = arena_new(64000);

    for (int i = 0; i < 1000; i++)
        assert_false(overflows(small, 64));
    assert_true(overflows(small, 1));
    arena_free(small);
}

static void
cap_is_whole_again_after_reset(void **state UNUSED)
{
    struct arena *small = arena_new(20000);

    for (int i = 0; i < 5; i++) {
        assert_false(overflows(small, 20000));
        arena_reset(small);
    }
    arena_free(small);
}

static void
refused_allocation_takes_nothing(void **state UNUSED)
{
    struct arena *small = arena_new(1000);

    assert_true(overflows(small, 2000));
    assert_false(overflows(small, 1000));
    arena_free(small);
}

/* Whichever allocation of a request is the one too many, the arena stays usable. */
static void
every_cap_unwinds_cleanly(void **state UNUSED)
{
    for (size_t cap = 0; cap < 40000; cap += 487) {
        static struct arena *small;
        static size_t taken;

        small = arena_new(cap);
        taken = 0;
        while (!overflows(small, 300))
            taken += 304; /* 300 and the alignment of the next one */
        assert_true(taken <= cap + 4);
        assert_true(taken + 300 > cap);
        arena_reset(small);
        assert_int_equal(arena_used(small), 0);
        arena_free(small);
    }
}

static void
huge_size_overflows(void **state UNUSED)
{
    assert_true(overflows(a, SIZE_MAX));
    assert_true(overflows(a, SIZE_MAX - 15));
}

static void
array_product_does_not_wrap(void **state UNUSED)
{
    static bool called;

    called = false;
    arena_on_overflow(a, unwind, &called);
    if (setjmp(unwound) == 0)
        (void)arena_alloc_array(a, SIZE_MAX / 2, 4);
    assert_true(called);
}

static void
overflow_without_handler(void)
{
    (void)arena_alloc(arena_new(100), 101);
}

static void
overflow_without_handler_dies(void **state UNUSED)
{
    check_dies(overflow_without_handler, "more than 100 bytes");
}

static void
ignore(void *context)
{
    (void)context;
}

static void
overflow_with_returning_handler(void)
{
    struct arena *small = arena_new(100);

    arena_on_overflow(small, ignore, NULL);
    (void)arena_alloc(small, 101);
}

static void
handler_that_returns_dies(void **state UNUSED)
{
    check_dies(overflow_with_returning_handler, "more than 100 bytes");
}

/* Deferred calls write their number here. */
static char order[16];

static void
note(void *ptr)
{
    const size_t len = strlen(order);

    order[len] = *(const char *)ptr;
    order[len + 1] = '\0';
}

static char letters[] = "abc";

static void
deferred_calls_run_newest_first(void **state UNUSED)
{
    order[0] = '\0';
    for (size_t i = 0; i < 3; i++)
        arena_defer(a, note, &letters[i]);
    arena_reset(a);
    assert_string_equal(order, "cba");
}

static void
deferred_calls_run_once(void **state UNUSED)
{
    order[0] = '\0';
    arena_defer(a, note, &letters[0]);
    arena_reset(a);
    arena_reset(a);
    assert_string_equal(order, "a");
}

static void
deferred_calls_run_at_free(void **state UNUSED)
{
    struct arena *other = arena_new(1000);

    order[0] = '\0';
    arena_defer(other, note, &letters[1]);
    arena_free(other);
    assert_string_equal(order, "b");
}

static void
defer_without_room_releases_at_once(void **state UNUSED)
{
    struct arena *small = arena_new(16);
    static bool called;

    called = false;
    order[0] = '\0';
    arena_on_overflow(small, unwind, &called);
    (void)arena_alloc(small, 16);
    if (setjmp(unwound) == 0)
        arena_defer(small, note, &letters[2]);
    assert_true(called);
    assert_string_equal(order, "c");
    arena_free(small);
}

static void
copy_ends_in_nul(void **state UNUSED)
{
    assert_string_equal(arena_copy(a, (struct str){"abcdef", 3}), "abc");
}

static void
copy_of_nothing_is_empty(void **state UNUSED)
{
    assert_string_equal(arena_copy(a, STR_NONE), "");
}

static void
join_puts_one_text_behind_the_other(void **state UNUSED)
{
    assert_string_equal(arena_join(a, "x-api-key: ", "key"), "x-api-key: key");
    assert_string_equal(arena_join(a, "", ""), "");
}

static void
printf_formats(void **state UNUSED)
{
    assert_string_equal(arena_printf(a, "%s-%d", "x", 5), "x-5");
}

static void
printf_takes_long_texts(void **state UNUSED)
{
    const char *text = arena_printf(a, "%010000d|", 1);
    assert_int_equal(strlen(text), 10001);
}

#ifdef __SANITIZE_ADDRESS__
static char *released;

static void
touch_after_reset(void)
{
    struct arena *other = arena_new(1000);

    released = arena_alloc(other, 100);
    arena_reset(other);
    released[5] = 1;
}

static void
use_after_reset_is_caught(void **state UNUSED)
{
    check_dies(touch_after_reset, "use-after-poison");
}

static void
touch_behind_the_end(void)
{
    released = arena_alloc(arena_new(1000), 16);
    released[16] = 1;
}

static void
use_behind_the_end_is_caught(void **state UNUSED)
{
    check_dies(touch_behind_the_end, "use-after-poison");
}
#endif

static const struct CMUnitTest tests[] = {
    TEST(memory_is_zeroed),
    TEST(memory_is_zeroed_after_reset),
    TEST(memory_is_aligned),
    TEST(allocations_do_not_overlap),
    TEST(big_allocations_work),
    TEST(used_counts_bytes),
    TEST(reset_gives_everything_back),
    TEST(reset_of_a_fresh_arena_is_harmless),
    TEST(free_of_null_is_harmless),
    TEST(first_block_is_kept),
    TEST(last_allocation_grows_in_its_place),
    TEST(copies_end_where_they_should_whatever_was_there),
    TEST(allocations_are_zero_whatever_was_there),
    TEST(what_has_something_behind_it_stays),
    TEST(growing_does_not_leave_the_block),
    TEST(growing_does_not_exceed_the_cap),
    TEST(cap_can_be_filled_exactly),
    TEST(cap_is_not_exceeded_by_one),
    TEST(cap_counts_many_small_ones),
    TEST(cap_is_whole_again_after_reset),
    TEST(refused_allocation_takes_nothing),
    TEST(every_cap_unwinds_cleanly),
    TEST(huge_size_overflows),
    TEST(array_product_does_not_wrap),
    TEST(overflow_without_handler_dies),
    TEST(handler_that_returns_dies),
    TEST(deferred_calls_run_newest_first),
    TEST(deferred_calls_run_once),
    TEST(deferred_calls_run_at_free),
    TEST(defer_without_room_releases_at_once),
    TEST(copy_ends_in_nul),
    TEST(copy_of_nothing_is_empty),
    TEST(join_puts_one_text_behind_the_other),
    TEST(printf_formats),
    TEST(printf_takes_long_texts),
#ifdef __SANITIZE_ADDRESS__
    TEST(use_after_reset_is_caught),
    TEST(use_behind_the_end_is_caught),
#endif
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_arena", tests, NULL, NULL);
}
