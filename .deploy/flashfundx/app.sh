# shellcheck shell=bash
# app: what deploy.sh has to know of the shop.

app_title=FlashFundX
app_first_owner=admin@flashfundx.com
app_try='Sell an account: ./deploy.sh demo'
app_migrate=(--with-sandbox)

app_settings() {
    setting_default NOWPAYMENTS_API_KEY "$(provider_key)"
    setting_default NOWPAYMENTS_SANDBOX_MODE true
    setting_default NOWPAYMENTS_SANDBOX_API_KEY "$(provider_key)"
    setting_default NOWPAYMENTS_SANDBOX_API_URL "$base_url/sandbox/v1"
    setting_default NOWPAYMENTS_IPN_SECRET "$(random_hex 16)"
}

provider_key() { # the shape of the provider's keys: four groups of seven
    local hex
    hex=$(random_hex 14)
    printf '%s-%s-%s-%s' "${hex:0:7}" "${hex:7:7}" "${hex:14:7}" "${hex:21:7}"
}

# Sample stock: a few accounts of every size and platform, plainly not real.
app_seed() {
    local size platform n
    [[ $(owner_psql -c 'select count(*) from public.account_container') == 0 ]] || return 0
    # shellcheck source=.deploy/flashfundx/stock.sh
    source "$clone/.deploy/flashfundx/stock.sh"
    {
        echo account_size,platform_type,server_name,login_id,password,investor_password,notes
        for size in 1000 3000 5000 10000 25000 50000 100000 200000 500000; do
            for platform in mt4 mt5; do
                for n in 1 2 3 4 5; do
                    echo "$size,$platform,FlashFundX-Demo,demo-$size-$platform-$n,not-a-real-password-$n,not-a-real-investor-$n,sample stock"
                done
            done
        done
    } | stock_import commit >/dev/null
}
