# shellcheck shell=bash
# Usage: ./deploy.sh payment ID [--json]
# one payment's whole history, as text or --json
#
# Everything that is known about a payment, in order: attempts, events with their raw bodies,
# transitions, bookings, delivery (credentials masked), reviews, mails, what staff did.
# ID is an order id (FFX…), a payment id or an invoice id.

# The timeline: one line per entry, `key=value` for what is short; a raw body has a line of its own.
payment_text='
    def value: if type == "string" then . elif type == "object" or type == "array" then tojson else tostring end;
    def pairs: to_entries | map(select(.value != null and .value != "" and .key != "raw")
        | "\(.key)=\(.value | value)") | join(" ");
    (.orders[] | "order \(.order_id): \(.order_status)/\(.payment_status)/\(.delivery_status), "
        + "\(.account_type) \(.account_size) \(.platform_type), \(.final_amount) \(.currency)"),
    (.payments[] | "payment \(.payment_id): \(.status)\(if .counted then ", counted" else "" end), "
        + "\(.actually_paid // 0) of \(.pay_amount // "?") \(.pay_currency // "?")"),
    "",
    (.entries[] | "\(.at)  \(.what | . + " " * (22 - length))\(.detail | pairs)",
        (.detail.raw // empty | "                          raw: \(.)"))'

main() {
    local id=${1:-} format=${2:-} history
    [[ $id =~ ^[A-Za-z0-9_-]{1,64}$ && ($format == '' || $format == --json) && $# -le 2 ]] ||
        die "which payment?" "Usage: ./deploy.sh payment ID [--json]"
    settings_load
    history=$(owner_psql -v id="$id" <<<"select backend.payment_history(:'id');")
    [[ $history ]] || die "nothing is known of a payment or order '$id'"
    if [[ $format == --json ]]; then
        jq . <<<"$history"
    else
        jq -r "$payment_text" <<<"$history"
    fi
}
