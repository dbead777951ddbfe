# shellcheck shell=bash
# Usage: ./deploy.sh reconcile [DAYS]
# compare provider and books now, print what differs
#
# Has the function `reconcile` compare provider and books now, for everything that changed in the last
# DAYS (default 7; 0.5 is twelve hours), waits until it is through and prints what was healed and what
# differs.  Ends with status 1 while differences are open.

reconciliation_done() { # RUN
    [[ $(owner_psql -v run="$1" <<<"select finished_at is not null from public.reconciliation_runs where id = :'run';") == t ]]
}

main() {
    local days=${1:-7} run report
    (($# <= 1)) || refuse "unknown argument '$2'"
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
