# shellcheck shell=bash
# Usage: ./deploy.sh down
# stop everything
#
# Stops nginx, the functions and the database of this system, in this order, also after a crash.
# Settings and data stay in $FFX_HOME.

main() {
    no_arguments "$@"
    [[ -d $FFX_HOME ]] || { say "nothing runs in $FFX_HOME" && return 0; }
    [[ -w $FFX_HOME ]] || die "$FFX_HOME belongs to somebody else"
    lock_system
    if no_process_left; then
        say "nothing runs in $FFX_HOME"
        rm -f "$FFX_HOME/services/.pid"
        return 0
    fi
    step down "nginx, functions, PostgreSQL"
    system_stop
    done_step "stopped, no process left"
}
