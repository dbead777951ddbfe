# shellcheck shell=bash
# Usage: ./deploy.sh status
# one line per part: running, pid, workers, memory
#
# One line per part: state, process id, seconds since its start, workers, memory (PSS).
# Ends with status 1 when something is down.

# pids of a service with all its children
family() { # PID
    local child
    printf '%s\n' "$1"
    while read -r -d " " child; do family "$child"; done < <(cat "/proc/$1/task/"*/children 2>/dev/null)
}

status_line() { # NAME; false when it is down
    local pid up one kib=0 pids
    if ! pid=$(service_pid "$1"); then
        printf '%-24s %-8s\n' "$1" down
        return 1
    fi
    mapfile -t pids < <(family "$pid")
    up=$(ps -o etimes= -p "$pid" | tr -d ' ')
    for one in "${pids[@]}"; do
        kib=$((kib + $(awk '/^Pss:/ { print $2 }' "/proc/$one/smaps_rollup" 2>/dev/null || true) + 0))
    done
    printf '%-24s %-8s %8s %8ss %8s %6d.%d MB\n' "$1" running "$pid" "$up" $((${#pids[@]} - 1)) \
        $((kib / 1024)) $((kib % 1024 * 10 / 1024))
}

main() {
    no_arguments "$@"
    settings_load
    local down=0 name
    printf '%-24s %-8s %8s %9s %8s %10s\n' PART STATE PID UP WORKERS MEMORY
    for name in postgres nginx $(function_names); do
        status_line "$name" || down=1
    done
    if [[ $(health_answer 2>/dev/null) == 200 ]]; then
        say "$base_url is healthy"
    else
        say "$base_url is not healthy"
        down=1
    fi
    return "$down"
}
