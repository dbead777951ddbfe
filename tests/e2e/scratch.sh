# shellcheck shell=bash
# scratch: a whole system of one's own, for tests: made in a folder near the root, on a free port, and
# gone afterwards.  Sourced by tests/e2e/run, tests/bench/run and deploy.sh selftest; `clone` is
# set.

# scratch_home NAME: makes the folder and exports FFX_HOME.  Unix sockets are limited to 107 bytes.
scratch_home() {
    FFX_HOME=$(mktemp -d "/tmp/ffx-$1.XXXXXX")
    chmod 711 "$FFX_HOME" # nginx, PostgreSQL and the functions run under other accounts
    export FFX_HOME
    unset FFX_PORT
}

# Below the range from which the kernel takes ports for outgoing connections.
free_port() {
    local port hex
    while :; do
        port=$((20000 + RANDOM % 10000))
        printf -v hex ':%04X' "$port"
        awk -v port="$hex" 'substr($2, length($2) - 4) == port { found = 1 } END { exit found }' \
            /proc/net/tcp /proc/net/tcp6 2>/dev/null && { printf '%s' "$port"; return; }
    done
}

# The packages of the tests that are written for Node; their versions stand in the lock file.
node_packages() (
    cd "$clone/tests/e2e"
    [[ ! -f node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]] || return 0
    npm ci --no-audit --no-fund >"$FFX_HOME/npm.log" 2>&1 || { cat "$FFX_HOME/npm.log" >&2; return 1; }
    touch node_modules/.package-lock.json
)

left_processes() { # pids of whatever still works in the folder or runs from it
    find /proc -mindepth 2 -maxdepth 2 \( -name cwd -o -name exe \) -lname "$FFX_HOME/*" -printf '%h\n' \
        2>/dev/null | sed 's|/proc/||' | sort -u || true
}

# Stops the system; false when that failed or left a process, which is ended.
scratch_down() {
    local pid left status=0
    "$clone/deploy.sh" down >"$FFX_HOME/down.log" 2>&1 || { cat "$FFX_HOME/down.log" >&2; status=1; }
    left=$(left_processes)
    # A file system that a test mounted and could not take away any more.
    findmnt -rn -o TARGET | grep "^$FFX_HOME/" | sort -r | xargs -r umount -l || true
    [[ $left ]] || return "$status"
    printf 'deploy.sh down left processes running:\n' >&2
    for pid in $left; do
        printf '  %s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" >&2
        kill -9 "$pid" 2>/dev/null || true
    done
    return 1
}
