# shellcheck shell=bash
# Usage: ./deploy.sh selftest WHAT [OPTION…]
# payments, histories: a scratch system under fire; which promises it kept
#
#   ./deploy.sh selftest payments|histories [--seed N] [--histories N]
#
# Brings up a system of its own in a folder under /tmp and on a free port, puts it under fire, prints
# which promises about money it kept, and removes it.  The user's system is not touched.
#   payments   sales under each fault of the provider, a comparison of provider and books, random
#              payment histories, and histories while workers are killed and PostgreSQL crashes
#   histories  only random payment histories; 10,000 take a few minutes
#   --seed N       the first history's seed (default 20261121); the next have N + 1, N + 2 …
#   --histories N  how many (default 300)
# Ends with status 1 when a promise is broken; then it prints the history, by its seed, with its
# events and the state of its order, and keeps the system for a look.  Another status says that the
# self test itself could not be finished; nothing is kept then.

# shellcheck source=tests/e2e/scratch.sh
source "$clone/tests/e2e/scratch.sh"

# Quick steps of the provider; its own reconciliation soon asks about a payment that is silent.
selftest_settings() {
    cat <<-ENV
	WORKERS=2
	STATUS_FRESH_S=2
	RECONCILE_AFTER_S=2
	NOWPAYMENTS_TIMEOUT_MS=2000
	NOWPAYMENTS_EMAIL=shop@example.com
	NOWPAYMENTS_PASSWORD=$(random_hex 8)
	SANDBOX_TICK_MS=20
	SANDBOX_RETRY_MS=300
	SMTP_HOST=127.0.0.1
	SMTP_PORT=$(free_port)
	ENV
}

selftest_end() {
    trap - EXIT
    scratch_down || selftest_failed=1
    if ((selftest_failed == 1)); then
        say "The system is kept for a look: FFX_HOME=$FFX_HOME ./deploy.sh up" \
            "(then ./deploy.sh payment ORDER, logs in $FFX_HOME/log); remove the folder when you are done."
    else
        rm -rf "$FFX_HOME"
    fi
    exit "$selftest_failed"
}

main() {
    local what=${1:-} seed=20261121 histories=300
    [[ $what == payments || $what == histories ]] || refuse "payments or histories?"
    shift
    while (($#)); do
        [[ ${2:-} =~ ^[0-9]{1,9}$ ]] || refuse "$1 takes a number"
        case $1 in
        --seed) seed=$((10#$2)) ;;
        --histories) histories=$((10#$2)) ;;
        *) refuse "unknown option '$1'" ;;
        esac
        shift 2
    done
    local began
    began=$(now_ms)
    scratch_home self
    selftest_failed=2 # until proved otherwise
    trap selftest_end EXIT
    trap 'exit 130' INT TERM HUP
    packages_ensure "${packages_up[@]}" "${packages_node[@]}"
    node_packages || die "npm could not install what the selftest needs" "registry: npm config get registry"
    (umask 077 && selftest_settings >"$FFX_HOME/env")
    step system "PostgreSQL, nginx and all functions in $FFX_HOME"
    FFX_PORT=$(free_port) quietly "deploy.sh up" "$FFX_HOME/up.log" "$clone/deploy.sh" up
    done_step up
    selftest_failed=0
    node "$clone/tests/selftest/main.mjs" "$what" "$seed" "$histories" || selftest_failed=$?
    say "selftest: $(seconds_since "$began")"
}
