#include "check.h"

#include "base/buf.h"

static void
starts_empty(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 10);
    assert_int_equal(buf_str(&b).len, 0);
}

static void
appends_in_order(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 100);
    buf_add_text(&b, "ab");
    buf_add_char(&b, 'c');
    buf_add_str(&b, STR("de"));
    buf_printf(&b, "%d", 6);
    check_str(buf_str(&b), "abcde6");
    buf_release(&b);
}

static void
is_nul_terminated(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 1000);
    for (size_t i = 0; i < 700; i++) {
        buf_add_char(&b, 'x');
        assert_int_equal(b.ptr[i + 1], '\0');
    }
    buf_release(&b);
}

static void
takes_bytes_with_nul(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 10);
    buf_add(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    buf_release(&b);
}

static void
limit_can_be_filled_exactly(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 5);
    buf_add_text(&b, "12345");
    check_str(buf_str(&b), "12345");
    assert_false(b.overflow);
    buf_release(&b);
}

static void
one_over_the_limit_drops_everything(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 5);
    buf_add_text(&b, "12345");
    buf_add_char(&b, '6');
    assert_true(b.overflow);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

static void
overflow_is_sticky(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 5);
    buf_add_text(&b, "123456");
    buf_add_char(&b, '1');
    buf_printf(&b, "%d", 1);
    assert_true(b.overflow);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

static void
clear_ends_an_overflow(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 5);
    buf_add_text(&b, "123456");
    buf_clear(&b);
    buf_add_text(&b, "ok");
    check_str(buf_str(&b), "ok");
    buf_release(&b);
}

static void
printf_over_the_limit_overflows(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 5);
    buf_printf(&b, "%d", 123456);
    assert_true(b.overflow);
    buf_release(&b);
}

static void
printf_longer_than_the_room(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 5000);
    buf_add_char(&b, '!');
    buf_printf(&b, "%04000d", 7);
    assert_int_equal(b.len, 4001);
    assert_int_equal(b.ptr[4000], '7');
    buf_release(&b);
}

static void
printf_of_every_length(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 2000);
    for (int width = 1; width < 1200; width++) {
        buf_clear(&b);
        buf_printf(&b, "%0*d", width, 3);
        assert_int_equal(b.len, width);
        assert_int_equal(b.ptr[width - 1], '3');
    }
    buf_release(&b);
}

static void
lives_in_an_arena(void **state UNUSED)
{
    struct arena *a = arena_new(100000);
    struct buf b;

    buf_init_arena(&b, a, 20000);
    for (int i = 0; i < 20000; i++)
        buf_add_char(&b, (char)('a' + i % 26));
    assert_int_equal(b.len, 20000);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(b.ptr[i], 'a' + i % 26);
    arena_free(a);
}

static void
release_forgets_an_arena_buffer(void **state UNUSED)
{
    struct arena *a = arena_new(1000);
    struct buf b;

    buf_init_arena(&b, a, 100);
    buf_add_text(&b, "x");
    buf_release(&b);
    assert_null(b.ptr);
    arena_free(a);
}

static void
can_be_used_after_release(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 100);
    buf_add_text(&b, "x");
    buf_release(&b);
    buf_add_text(&b, "y");
    check_str(buf_str(&b), "y");
    buf_release(&b);
}

static void
nothing_may_be_added(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, 0);
    buf_add_str(&b, STR_NONE);
    assert_false(b.overflow);
    check_str(buf_str(&b), "");
    buf_release(&b);
}

static void
huge_limit_does_not_wrap(void **state UNUSED)
{
    struct buf b;

    buf_init_heap(&b, SIZE_MAX);
    buf_add_text(&b, "x");
    assert_false(b.overflow);
    buf_release(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(starts_empty),
    cmocka_unit_test(appends_in_order),
    cmocka_unit_test(is_nul_terminated),
    cmocka_unit_test(takes_bytes_with_nul),
    cmocka_unit_test(limit_can_be_filled_exactly),
    cmocka_unit_test(one_over_the_limit_drops_everything),
    cmocka_unit_test(overflow_is_sticky),
    cmocka_unit_test(clear_ends_an_overflow),
    cmocka_unit_test(printf_over_the_limit_overflows),
    cmocka_unit_test(printf_longer_than_the_room),
    cmocka_unit_test(printf_of_every_length),
    cmocka_unit_test(lives_in_an_arena),
    cmocka_unit_test(release_forgets_an_arena_buffer),
    cmocka_unit_test(can_be_used_after_release),
    cmocka_unit_test(nothing_may_be_added),
    cmocka_unit_test(huge_limit_does_not_wrap),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_buf", tests, NULL, NULL);
}
