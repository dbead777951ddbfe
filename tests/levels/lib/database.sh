# shellcheck shell=bash
# database: a PostgreSQL of our own for a level.  Sourced by tests/run; `work` is set.

scratch_start() { # starts a PostgreSQL of our own, an empty one; sets PGHOST, PGPORT, PGUSER
    local data=$work/postgres
    mkdir -p "$work/s"
    give postgres "$work/s"
    cluster_init "$data" "$work/initdb.log"
    # Nobody else reaches the socket: the folder is ours.  Durability is not tested here.
    cluster_write "$data/pg_hba.conf" <<<'local all all trust'
    become postgres "$work"
    (cd / && "${as[@]}" "$pg_bin/pg_ctl" -D "$data" -w -t 60 -l "$data/log" -o \
        "-c listen_addresses='' -c unix_socket_directories='$work/s' -c fsync=off -c max_connections=200" \
        start >"$work/pg_ctl.log" 2>&1 </dev/null) || {
        cat "$work/pg_ctl.log" "$data/log"
        return 1
    }
    scratch=$data
    export PGHOST=$work/s PGPORT=5432 PGUSER=postgres
}

scratch_stop() {
    [[ ${scratch:-} ]] || return 0
    (cd / && "${as[@]}" "$pg_bin/pg_ctl" -D "$scratch" -m immediate -w stop >/dev/null 2>&1) || true
    rm -rf "$scratch" # roles are the server's, and what one level leaves is no other's
    scratch=
    unset PGHOST PGPORT PGUSER
}
