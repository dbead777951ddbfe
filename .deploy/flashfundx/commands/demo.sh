# shellcheck shell=bash
# Usage: ./deploy.sh demo
# sell one account, step by step, and show it
#
# Sells one account on the running system and prints every step: a customer, an order, the checkout,
# the payment in the NOWPayments sandbox, the delivered credentials.  May be repeated.
#   FFX_DEMO_TYPE      instant, hft, one_step, two_step  (default: two_step)
#   FFX_DEMO_SIZE      1000 … 500000                     (default: 10000)
#   FFX_DEMO_PLATFORM  mt4, mt5                          (default: mt5)

# shellcheck source=.deploy/flashfundx/customer.sh
source "$clone/.deploy/flashfundx/customer.sh"

demo_step() { printf '\n%s\n' "$*"; }

# The code in the mail to somebody, as soon as it is there.
mailed_code() { # EMAIL
    local deadline file
    deadline=$(($(now_ms) + 20000))
    while (($(now_ms) < deadline)); do
        file=$(grep -lsF "To: $1" "${settings[MAIL_FOLDER]}"/* | head -n 1) || true
        if [[ $file ]]; then
            grep -oE '\b[0-9]{6}\b' "$file" | head -n 1
            return
        fi
        sleep 0.1
    done
    die "no mail to $1 was written within 20 s" "Logs: ./deploy.sh logs send-outbox"
}

demo_customer() {
    local email password code
    email=demo-$(random_hex 4)@example.com
    password=$(random_hex 8)
    demo_step "1. A customer signs up, confirms the address with the mailed code, and is signed in"
    ask POST /auth/v1/signup "${settings[SUPABASE_ANON_KEY]}" "$(jq -nc --arg email "$email" --arg password "$password" \
        '{email: $email, password: $password, data: {first_name: "Dana", last_name: "Demo", country: "NL"}}')"
    [[ $answer_status == 200 ]] || { shown "$answer" && die "the sign-up was refused"; }
    code=$(mailed_code "$email")
    printf '  Mail to %s: code %s   (./deploy.sh mail)\n' "$email" "$code"
    ask POST /auth/v1/verify "${settings[SUPABASE_ANON_KEY]}" "$(jq -nc --arg email "$email" --arg token "$code" \
        '{type: "signup", email: $email, token: $token}')"
    [[ $answer_status == 200 ]] || { shown "$answer" && die "the code was refused"; }
    demo_token=$(jq -r .access_token <<<"$answer")
    demo_user=$(jq -r .user.id <<<"$answer")
    printf '  %s  %s\n' "$demo_user" "$email"
}

demo_order() {
    local price
    demo_step "2. The customer orders: $demo_type, $demo_size USD, $demo_platform"
    ask GET "/rest/v1/prices?select=price&account_type=eq.$demo_type&account_size=eq.$demo_size&is_active=is.true" "$demo_token"
    [[ $answer_status == 200 ]] || die "there is no price for $demo_type $demo_size" \
        "See the price list: ./deploy.sh psql -c 'table public.prices'"
    price=$(jq -r .price <<<"$answer")
    ask POST "/rest/v1/orders?select=order_id,amount,final_amount,order_status,payment_status,delivery_status" "$demo_token" \
        "$(jq -nc --arg user "$demo_user" --arg type "$demo_type" --argjson size "$demo_size" --arg platform "$demo_platform" \
            --argjson price "$price" '{user_id: $user, account_type: $type, account_size: $size, platform_type: $platform,
              amount: $price, final_amount: $price}')"
    shown "$answer"
    [[ $answer_status == 201 ]] || die "the order was refused"
    demo_order_id=$(jq -r .order_id <<<"$answer")
    demo_amount=$(jq -r .final_amount <<<"$answer")
}

demo_checkout() {
    demo_step "3. The customer asks for a payment in USDT (Tron)"
    ask POST /functions/v1/create-crypto-payment "$demo_token" "$(jq -nc \
        --arg order "$demo_order_id" --arg user "$demo_user" --arg type "$demo_type" \
        --argjson size "$demo_size" --arg platform "$demo_platform" --argjson amount "$demo_amount" \
        '{orderId: $order, userId: $user, accountType: $type, accountSize: $size,
          platformType: $platform, cryptoCurrency: "usdt_trc20", amount: $amount, finalAmount: $amount}')"
    if [[ $answer_status != 200 ]]; then
        shown "$answer"
        die "no payment was made"
    fi
    # The picture of the QR code is long; its beginning is enough to see it.
    shown "$(jq '.payment.qr_code |= (.[0:40] + "…")' <<<"$answer")"
    demo_payment_id=$(jq -r .payment.payment_id <<<"$answer")
    printf '  Checkout page: %s\n' "$(jq -r .invoice_url <<<"$answer")"
}

demo_pay() {
    demo_step "4. The customer pays: the sandbox sees the coins and sends signed callbacks"
    ask POST "/sandbox/v1/_control/payments/$demo_payment_id/pay" ''
    [[ $answer_status == 2* ]] || { shown "$answer" && die "the sandbox refused"; }
}

demo_wait() {
    local path seen='' state deadline
    demo_step "5. The shop's page asks for the state until the account is delivered"
    path="/functions/v1/check-payment-status?orderId=$demo_order_id&userId=$demo_user"
    deadline=$(($(now_ms) + 60000))
    while (($(now_ms) < deadline)); do
        answer=$(curl -sS --noproxy '*' --max-time 20 -H @<(printf 'Authorization: Bearer %s\n' "$demo_token") "$base_url$path")
        state=$(jq -r '"order \(.order.order_status), payment \(.order.payment_status), delivery \(.order.delivery_status) (provider: \(.payment.payment_status))"' \
            <<<"$answer" 2>/dev/null) || state=$answer
        if [[ $state != "$seen" ]]; then
            [[ $seen ]] || printf '  > GET %s\n' "$base_url$path"
            printf '  < %s\n' "$state"
            seen=$state
        fi
        case $state in
        'order completed,'*'delivery delivered'*) return 0 ;;
        esac
        sleep 1 # the customer's page asks once a second too: 60 a minute are allowed
    done
    die "the account was not delivered within 60 s" \
        "Logs: ./deploy.sh logs payment-webhook, ./deploy.sh logs sandbox"
}

demo_stock() {
    local count
    count=$(owner_psql -v size="$demo_size" -v platform="$demo_platform" <<-'SQL'
		select count(*) from public.account_container
		 where status = 'available' and account_size = :'size'::numeric and platform_type = :'platform';
	SQL
    )
    ((count > 0)) || die "the stock of $demo_platform accounts of $demo_size USD is empty" \
        "Choose another: FFX_DEMO_SIZE=25000 ./deploy.sh demo (the price list has the sizes)," \
        "or add stock from a list: ./deploy.sh stock import --help"
    printf 'Stock of %s accounts of %s USD: %s\n' "$demo_platform" "$demo_size" "$count"
}

main() {
    no_arguments "$@"
    settings_load
    demo_type=${FFX_DEMO_TYPE:-two_step}
    demo_size=${FFX_DEMO_SIZE:-10000}
    demo_platform=${FFX_DEMO_PLATFORM:-mt5}
    [[ $demo_size =~ ^[0-9]+$ && $demo_type =~ ^(instant|hft|one_step|two_step)$ &&
        $demo_platform =~ ^mt[45]$ ]] ||
        refuse "no account is of type $demo_type, size $demo_size and platform $demo_platform"
    [[ $(service_pid postgres) ]] || die "the system is not up" "Start it: ./deploy.sh up"
    local began
    began=$(now_ms)
    demo_stock
    demo_customer
    demo_order
    demo_checkout
    demo_pay
    demo_wait
    demo_step "6. The customer's dashboard reads the delivered account (row level security)"
    ask GET "/rest/v1/delivered_accounts?select=order_id,server_name,login_id,password,investor_password,account_type,account_size,platform_type,current_phase&order_id=eq.$demo_order_id" "$demo_token"
    shown "$answer"
    [[ $answer_status == 200 && $(jq -r .password <<<"$answer") != null ]] || die "the order is delivered, but the customer does not see the account"
    printf '\nSold and delivered in %s.\n' "$(seconds_since "$began")"
}
