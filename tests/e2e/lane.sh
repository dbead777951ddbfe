# shellcheck shell=bash
# lane: one of those that share the work of tests/e2e/run, which sources this.  It takes a file after
# the other from the queue and keeps its system from file to file, until one needs a fresh one.
# `work`, `here`, `clone` and `app` are set.

# The next file, and it is taken.
queue_take() {
    exec 9>>"$work/lock"
    flock 9
    head -n 1 "$work/queue"
    sed -i 1d "$work/queue"
    exec 9>&-
}

say_whole() { # FILE: on the screen, with no other lane's lines in between
    flock "$work/lock" cat "$1"
}

result() { flock "$work/lock" -c "echo '$1 $2' >>'$work/results'"; } # PASSED FAILED

lane() {
    local file need
    system=none
    test_pid=
    trap lane_end EXIT
    trap 'exit 130' INT TERM HUP
    while file=$(queue_take) && [[ $file ]]; do
        need=$(head_of "$file" system)
        if [[ $need == own* ]]; then system_end; fi
        if [[ $system == none ]]; then system_start; fi
        file_run "$file"
        if [[ $need == own* ]]; then system_end; fi
    done
}

lane_end() {
    local status=$?
    trap - EXIT
    if [[ $test_pid ]]; then
        kill "$test_pid" 2>/dev/null || true
        say_whole "$FFX_HOME/result.out"
    fi
    ((status == 0)) || lane_failed=1
    system_end
    exit "$status"
}

system_start() {
    scratch_home e2e
    system=$FFX_HOME
    lane_failed=0
    (umask 077 && grep -h '^[A-Z]' "$here/platform/env" "$here/$app/env" >"$FFX_HOME/env")
    if ! FFX_PORT=$(free_port) "$clone/deploy.sh" up >"$FFX_HOME/up.out" 2>&1; then
        say_whole "$FFX_HOME/up.out"
        lane_failed=1
        return 1
    fi
}

# Takes it down.  What no test looks at: sanitizers and crashes speak in the logs.
system_end() {
    [[ $system != none ]] || return 0
    system=none
    local complaints=$work/complaints.$BASHPID
    {
        scratch_down 2>&1 || true
        grep -nE 'AddressSanitizer|LeakSanitizer|runtime error:|broken invariant' "$FFX_HOME"/log/*.log || true
        grep -n '"event":"worker_died"' "$FFX_HOME"/log/*.log | grep -vE '"code":(9|15)\b' || true
    } >"$complaints"
    if [[ -s $complaints ]]; then
        lane_failed=1
        result 0 1
        say_whole "$complaints"
    fi
    if ((lane_failed)); then
        printf 'the system is kept for a look: %s (logs in log/)\n' "$FFX_HOME" >&2
    else
        rm -rf "$FFX_HOME"
    fi
}

# One file, whose result is printed whole when it is done.
file_run() {
    local out=$FFX_HOME/result.out tap=$FFX_HOME/result.tap status=0 passed missed
    printf '\n%s\n' "${1#"$here"/}" >"$out"
    # Not in the foreground: a shell that waits for it could not be told to end.
    node --test --test-reporter=spec --test-reporter-destination=stdout \
        --test-reporter=tap --test-reporter-destination="$tap" "$1" >>"$out" 2>&1 </dev/null &
    test_pid=$!
    wait "$test_pid" || status=$?
    test_pid=
    read -r passed missed < <(awk '$1 == "#" && NF == 3 { n[$2] = $3 }
        END { print n["pass"] + 0, n["fail"] + n["cancelled"] + 0 }' "$tap")
    if ((status != 0 && missed == 0)); then missed=1; fi
    if ((missed)); then
        lane_failed=1
        { head -n 2 "$out" && sed -n '/^✖ failing tests/,$p' "$out"; } >>"$work/failing"
    fi
    result "$passed" "$missed"
    say_whole "$out"
}
