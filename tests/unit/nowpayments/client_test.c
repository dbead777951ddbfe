#include "check.h"

#include "nowpayments/client.h"

static void
test_currencies(void **state UNUSED)
{
    assert_string_equal(np_currency("usdt_bsc"), "usdtbsc");
    assert_string_equal(np_currency("usdt_polygon"), "usdtmatic");
    assert_string_equal(np_currency("usdt_trc20"), "usdttrc20");
    assert_string_equal(np_currency("bnb"), "bnbbsc");
    assert_string_equal(np_currency("btc"), "btc");
    assert_string_equal(np_currency("trx"), "trx");
    assert_null(np_currency("usdtbsc"));
    assert_null(np_currency("BTC"));
    assert_null(np_currency(""));
    assert_null(np_currency("dogecoin"));
    assert_string_equal(np_currency_list, "usdt_bsc, usdt_polygon, usdt_trc20, bnb, btc, trx");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_currencies),
};

int
main(void)
{
    return cmocka_run_group_tests_name("nowpayments_client", tests, NULL, NULL);
}
