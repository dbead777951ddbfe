# shellcheck shell=bash
# payments: one payment's history, and a comparison of provider and books, both through SQL.

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

cmd_payment() {
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

reconciliation_done() { # RUN
    [[ $(owner_psql -v run="$1" <<<"select finished_at is not null from public.reconciliation_runs where id = :'run';") == t ]]
}

cmd_reconcile() {
    local days=${1:-7} run report
    [[ $days =~ ^[0-9]{1,4}(\.[0-9]{1,6})?$ ]] || die "DAYS must be a number" \
        "Usage: ./deploy.sh reconcile [DAYS]"
    settings_load
    [[ $(service_pid reconcile) ]] || die "the function reconcile does not run" "Start everything: ./deploy.sh up"
    run=$(owner_psql -v days="$days" \
        <<<"select backend.request_reconciliation(now() - :'days'::numeric * interval '1 day');")
    if ! wait_until 600 reconciliation_done "$run"; then
        die "run $run is not through after ten minutes" \
            "$(owner_psql -v run="$run" <<<"select problem from public.reconciliation_runs where id = :'run';")" \
            "It goes on by itself. log: $(service_log reconcile)"
    fi
    report=$(owner_psql <<<"select public.reconciliation_report();")
    jq -r '
        def line: "  \(.kind) \(.aspect): "
            + ([.payment_id // empty | "payment \(.)"] + [.order_id // empty | "order \(.)"]
               + [.user_id // empty | "user \(.)"] | join(", "))
            + "\n    ours: \(.ours // "-")   theirs: \(.theirs // "-")\n    \(.explanation)"
            + (if .resolution then "\n    \(.resolution)" else "" end);
        "run \(.run.id): \(.run.checked) payments compared, \(.run.healed) healed, "
            + "\(.open | length) differences open",
        (.healed[] | line), (.open[] | line)' <<<"$report"
    jq -e '.open | length == 0' <<<"$report" >/dev/null
}
