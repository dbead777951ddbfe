# shellcheck shell=bash
# services: everything that runs is a runit service in $FFX_HOME/services: postgres, nginx and one
# per function.  runsvdir keeps them running (supervisor.sh); `sv` starts, stops and asks.

log_limit=50000000 # bytes; a longer log is put aside when its service starts

service_dir() { printf '%s' "$FFX_HOME/services/$1"; }
service_log() { printf '%s' "$FFX_HOME/log/$1.log"; }

# service_make NAME PREPARE COMMAND: $FFX_HOME/services/NAME/run.
# It begins in the `down` state, so that the order of the first start is ours.
service_make() {
    local dir
    dir=$(service_dir "$1")
    mkdir -p "$dir"
    log_touch "$(service_log "$1")"
    write_if_changed "$dir/run" <<-RUN
		#!/bin/bash
		# Made by deploy.sh.
		log=$(printf %q "$(service_log "$1")")
		rotate() {
		    if ((\$(stat -c %s "\$1" 2>/dev/null || echo 0) > $log_limit)); then
		        mv -f "\$1" "\$1.1" && (umask 077 && touch "\$1") && chown --reference="\$1.1" "\$1"
		    fi
		}
		rotate "\$log"
		$2
		exec </dev/null >>"\$log" 2>&1
		exec $3
	RUN
    chmod 755 "$dir/run"
}

# On stop, send another signal than TERM.
service_stop_signal() { # NAME SIGNAL
    local dir
    dir=$(service_dir "$1")
    mkdir -p "$dir/control"
    # shellcheck disable=SC2016 # expanded when it runs
    printf '#!/bin/sh\nread -r pid <supervise/pid && kill -%s "$pid"\n' "$2" >"$dir/control/t"
    chmod 755 "$dir/control/t"
}

services_make() { # FUNCTION…: run scripts of everything
    local name options
    become postgres "$FFX_HOME"
    service_make postgres '' "${as[*]@Q} $(printf '%q ' "$pg_bin/postgres" -D "$(pg_data)")"
    service_stop_signal postgres INT # fast: ends connections, does not wait for them

    become www-data "$FFX_HOME"
    service_make nginx "rotate $(printf %q "$(service_log access)")" "${as[*]@Q} $(printf '%q ' "$(command -v nginx)" \
        -c "$FFX_HOME/nginx/nginx.conf" -e "$(service_log nginx)" -g 'daemon off;')"
    service_stop_signal nginx QUIT # finishes what it serves

    for name in "$@"; do
        # Settings go through the environment and never through a command line.
        # shellcheck disable=SC2016 # expanded when it runs
        options='while IFS= read -r line; do export "$line"; done <'$(printf %q "$(function_env "$name")")
        options+=$'\n'$(sanitizer_options)
        service_make "$name" "$options" "${as[*]@Q} $(printf '%q ' "$FFX_HOME/bin/$name")"
    done
}

# Sanitizer builds stop at the first finding and report it in the log.
sanitizer_options() {
    [[ $preset == asan ]] || return 0
    printf 'export ASAN_OPTIONS=%q UBSAN_OPTIONS=%q\n' \
        exitcode=99:detect_leaks=1 halt_on_error=1:print_stacktrace=1
}

# Services of functions that are no more.
services_prune() { # FUNCTION…
    local dir name
    for dir in "$FFX_HOME"/services/*/; do
        name=$(basename "$dir")
        case " postgres nginx $* " in *" $name "*) continue ;; esac
        service_remove "$name"
    done
}

service_remove() { # NAME, of a function
    sv -w 20 force-shutdown "$(service_dir "$1")" >/dev/null 2>&1 || true
    rm -rf "$(service_dir "$1")" "$FFX_HOME/bin/${1:?}" "$FFX_HOME/functions/$1".{env,json} \
        "$FFX_HOME/run/$1".{sock,pid,generation,refused,log-level} # health would miss it
}

# ---- starting and asking ----

service_supervised() { sv status "$(service_dir "$1")" >/dev/null 2>&1; }

services_start() { # NAME…
    local name
    for name in "$@"; do
        # runsvdir looks for new folders every five seconds
        wait_until 10 service_supervised "$name" || die "runit does not see the service $name" \
            "log: $(service_log supervisor)"
        rm -f "$(service_dir "$name")/down"
        sv up "$(service_dir "$name")" >/dev/null
    done
}

# Whether its run script or one of FILES is younger than its present run.
service_outdated() { # NAME FILE…
    local file dir
    dir=$(service_dir "$1")
    for file in "$dir/run" "${@:2}"; do
        [[ ! $file -nt $dir/supervise/pid ]] || return 0
    done
    return 1
}

service_pid() { # NAME
    local pid
    read -r pid 2>/dev/null <"$(service_dir "$1")/supervise/pid" || return 1
    alive "$pid" && printf '%s' "$pid"
}
