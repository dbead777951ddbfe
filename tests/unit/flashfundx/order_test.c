#include "check.h"

#include "shared/order.h"

static void
order_id_is_ffx_and_nine_digits(void **state UNUSED)
{
    char id[ORDER_ID_SIZE];

    assert_true(order_id_read(STR("FFX012345678"), id));
    assert_string_equal(id, "FFX012345678");
}

static void
order_id_refuses_other_forms(void **state UNUSED)
{
    static const char *const wrong[] = {"",
                                        "FFX",
                                        "FFX12345678",
                                        "FFX1234567890",
                                        "ffx012345678",
                                        "FFX01234567a",
                                        "XFF012345678",
                                        " FFX01234567",
                                        "FFX-12345678"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char id[ORDER_ID_SIZE] = "untouched";

        assert_false(order_id_read(str_of(wrong[i]), id));
        assert_string_equal(id, "untouched");
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(order_id_is_ffx_and_nine_digits),
    cmocka_unit_test(order_id_refuses_other_forms),
};

int
main(void)
{
    return cmocka_run_group_tests_name("flashfundx_order", tests, NULL, NULL);
}
