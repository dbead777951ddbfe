# shellcheck shell=bash
# services: everything that runs is a runit service in $FFX_HOME/services: postgres, nginx and one
# per function.  runsvdir keeps them running; `sv` starts, stops and asks.

log_limit=50000000 # bytes; a longer log is put aside when its service starts

service_dir() { printf '%s' "$FFX_HOME/services/$1"; }
service_log() { printf '%s' "$FFX_HOME/log/$1.log"; }

# What a system consists of, in one place: the platform's functions and those of one application,
# whose function of a name takes the place of the platform's.
function_folder() { # NAME: functions/APP/NAME; false when there is none
    local app
    for app in "$APP" platform; do
        [[ ! -f $clone/functions/$app/$1/main.c ]] || { printf '%s' "functions/$app/$1" && return; }
    done
    return 1
}

function_names() { # every folder of them with a main.c
    local main
    for main in "$clone"/functions/{platform,"$APP"}/*/main.c; do
        [[ -e $main ]] || continue
        main=${main%/main.c}
        printf '%s\n' "${main##*/}"
    done | sort -u
}

function_app() { # NAME
    local folder
    folder=$(function_folder "$1")
    basename "$(dirname "$folder")"
}

function_built() { printf '%s' "$build_dir/bin/$(function_app "$1")/$1"; } # NAME: where the build puts it

# ---- run scripts ----

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
        sv -w 20 force-shutdown "$dir" >/dev/null 2>&1 || true
        rm -rf "$dir" "$FFX_HOME/bin/$name" "$FFX_HOME/functions/$name".{env,json}
    done
}

# ---- supervisor ----

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

not_alive() { ! alive "$1"; }

# ---- binaries ----

# Put the new binary beside the old one and let it say whether it would start with its settings.
function_stage() { # NAME
    local answer new=$FFX_HOME/bin/.$1.new
    become www-data "$FFX_HOME"
    cp "$(function_built "$1")" "$new"
    chmod 755 "$new"
    if ! answer=$(
        env_apply "$(function_env "$1")"
        "${as[@]}" "$new" --check 2>&1
    ); then
        rm -f "$new"
        die "$1 refuses its settings; what runs was not touched" "$answer" "settings: $(settings_file)"
    fi
}

function_install() { mv -f "$FFX_HOME/bin/.$1.new" "$FFX_HOME/bin/$1"; } # a running one keeps its file

function_generation() {
    local n=0
    read -r n 2>/dev/null <"$FFX_HOME/run/$1.generation" || true
    printf '%s' "$n"
}

generation_changed() { [[ $(function_generation "$1") != "$2" ]]; }

replace_failed() { # NAME BYTES: whether the log behind that place says so
    tail -c "+$(($2 + 1))" "$(service_log "$1")" | grep -q '"event":"replace_failed"'
}

# Replace a running function without losing a request: the master starts workers from the new
# file, waits until they are ready, and only then lets the old ones finish.
function_replace() { # NAME, staged before
    local name=$1 before log_end old=$FFX_HOME/bin/.$1.old tries=40
    before=$(function_generation "$name")
    log_end=$(stat -c %s "$(service_log "$name")")
    ln -f "$FFX_HOME/bin/$name" "$old"
    function_install "$name"
    sv hup "$(service_dir "$name")" >/dev/null
    until wait_until 1 generation_changed "$name" "$before"; do
        tries=$((tries - 1))
        if ((tries == 0)) || replace_failed "$name" "$log_end"; then
            mv -f "$old" "$FFX_HOME/bin/$name"
            step_failed
            tail -n 15 "$(service_log "$name")" | sed 's/^/    /' >&2
            die "the new workers of $name did not become ready; the old binary is back and serves" \
                "The last lines of $(service_log "$name") are above."
        fi
    done
    rm -f "$old"
}
