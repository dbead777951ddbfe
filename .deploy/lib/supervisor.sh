# shellcheck shell=bash
# supervisor: the runsvdir that keeps a system's services running, and the end of all of them.

supervisor_pid() { # of the runsvdir of this system; false when there is none
    local pid
    read -r pid 2>/dev/null <"$FFX_HOME/services/.pid" || return 1
    alive "$pid" && [[ $(readlink "/proc/$pid/exe") == */runsvdir &&
        $(readlink "/proc/$pid/cwd") == "$FFX_HOME/services" ]] || return 1
    printf '%s' "$pid"
}

supervisor_start() {
    local dir
    supervisor_pid >/dev/null && return 0
    for dir in "$FFX_HOME"/services/*/; do touch "$dir/down"; done
    log_touch "$(service_log supervisor)"
    (
        # Nothing of the caller's stays open, or the caller would wait for the daemons' end.
        cd "$FFX_HOME/services"
        ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)" || true
        umask 022
        for fd in /proc/self/fd/*; do
            ((${fd##*/} <= 2)) || eval "exec ${fd##*/}>&-" 2>/dev/null
        done
        exec env -i PATH="$PATH" LANG=C.UTF-8 setsid runsvdir -P "$FFX_HOME/services" \
            </dev/null >>"$(service_log supervisor)" 2>&1
    ) &
    printf '%s\n' "$!" >"$FFX_HOME/services/.pid"
    wait_until 5 supervisor_pid >/dev/null || die "runsvdir did not start" "log: $(service_log supervisor)"
}

# Stop everything, whatever state it is in: first the supervisor (or it would start things again),
# then in order nginx, functions, database; then what a crash has left behind.
system_stop() {
    local pid dir dirs=()
    if pid=$(supervisor_pid); then
        kill -TERM "$pid"
        wait_until 5 not_alive "$pid" || kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -f "$FFX_HOME/services/.pid"
    for dir in "$FFX_HOME"/services/*/; do
        [[ -d $dir ]] || continue
        case $dir in */postgres/ | */nginx/) ;; *) dirs+=("$dir") ;; esac
    done
    sv_stop 12 "$FFX_HOME/services/nginx/"
    sv_stop 35 "${dirs[@]}"
    sv_stop 30 "$FFX_HOME/services/postgres/"
    system_sweep TERM || system_sweep INT || system_sweep KILL ||
        die "these processes could not be stopped: $(system_pids | tr '\n' ' ')"
    rm -f "$FFX_HOME"/run/*.sock "$FFX_HOME"/run/*.sock.*
}

sv_stop() { # SECONDS DIR…
    local seconds=$1 dir here=()
    shift
    for dir in "$@"; do
        if sv status "$dir" >/dev/null 2>&1; then here+=("$dir"); fi
    done
    ((${#here[@]})) || return 0
    sv -w "$seconds" force-shutdown "${here[@]}" >/dev/null 2>&1 || true
}

system_sweep() { # SIGNAL: true when nothing is left
    local pids
    mapfile -t pids < <(system_pids)
    ((${#pids[@]})) || return 0
    kill "-$1" "${pids[@]}" 2>/dev/null || true
    wait_until 5 no_process_left
}
