# shellcheck shell=bash
# Usage: ./deploy.sh deploy [NAME…]
# rebuild functions (default: all) and replace them under load
#
# Rebuilds, lets each new binary say whether it would start with its settings, replaces one after the
# other and waits until its new workers answer, without losing a request; a function whose settings
# changed is restarted.  When one does not get ready, all of them get their old binary and settings back.

main() {
    settings_load
    lock_system
    local name known
    mapfile -t known < <(function_names)
    functions=("$@")
    (($#)) || functions=("${known[@]}")
    for name in "${functions[@]}"; do
        [[ $name != -* ]] || refuse "unknown option '$name'"
        function_folder "$name" >/dev/null ||
            die "there is no function '$name'" "There are: ${known[*]}"
        [[ $(service_pid "$name") ]] || die "$name does not run" "Start everything: ./deploy.sh up"
    done
    step build "preset $preset: ${functions[*]}"
    build "${functions[@]}"
    done_step
    system_keep
    specs_read "${functions[@]}"
    for name in "${functions[@]}"; do function_stage "$name"; done
    for name in "${functions[@]}"; do
        step replace "$name"
        function_update "$name"
        done_step "new workers answer"
    done
    # A function that is in the tree but was never brought up has no place in nginx yet.
    nginx_make "$FFX_HOME/bin"
    nginx_start
    system_kept
}
