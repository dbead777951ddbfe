# shellcheck shell=bash
# Usage: ./deploy.sh deploy [NAME…]
# rebuild functions (default: all) and replace them under load
#
# Rebuilds, checks the new binary with its settings, replaces it and waits until new workers answer,
# without losing a request.  When they do not get ready the old binary is put back.

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
    specs_read "${functions[@]}"
    for name in "${functions[@]}"; do
        step replace "$name"
        function_update "$name"
        done_step "new workers answer"
    done
    # A function that is in the tree but was never brought up has no place in nginx yet.
    nginx_make "$FFX_HOME/bin"
    nginx_start
}
