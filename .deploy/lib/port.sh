# shellcheck shell=bash
# port: nginx's, free or held by this system.

port_owner() { # PORT: "pid name" of whoever listens, "?" when it cannot be seen; false when free
    local hex inode link pid
    printf -v hex '%04X' "$1"
    inode=$(awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    [[ $inode ]] || return 1
    link=$(find /proc -mindepth 3 -maxdepth 3 -path '/proc/[0-9]*/fd/*' -lname "socket:\[$inode\]" \
        -print -quit 2>/dev/null || true)
    pid=${link#/proc/}
    pid=${pid%%/*}
    if [[ $pid ]]; then printf '%s %s' "$pid" "$(<"/proc/$pid/comm")"; else printf '?'; fi
}

port_check() { # PORT: free, or held by this system
    local port=$1 owner
    if [[ ! $port =~ ^[0-9]+$ ]] || ((port < 1024 || port > 65535)); then
        die "FFX_PORT=$port is not a port between 1024 and 65535"
    fi
    owner=$(port_owner "$port") || return 0
    if grep -qx "${owner%% *}" < <(system_pids); then return 0; fi
    if [[ $owner == '?' ]]; then owner='a process that you may not see'; else owner="process $owner"; fi
    die "port $port on this machine is taken by $owner" \
        "Stop it, or choose another port: FFX_PORT=$((port + 100)) ./deploy.sh up"
}
