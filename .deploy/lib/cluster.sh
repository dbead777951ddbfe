# shellcheck shell=bash
# cluster: a private PostgreSQL 15 cluster that listens on a unix socket only.

pg_bin=/usr/lib/postgresql/15/bin
pg_data() { printf '%s' "$FFX_HOME/postgres"; }
# Not below run/: that folder is www-data's, who could put another one in this one's place.
pg_sockets() { printf '%s' "$FFX_HOME/pgrun"; }

# cluster_init DATA_DIR LOG [initdb options]: made aside and renamed, so that an interrupted first
# start leaves nothing half made.
cluster_init() {
    local data=$1 log=$2
    shift 2
    [[ ! -d $data ]] || return 0
    rm -rf "$data.new"
    mkdir -m 700 "$data.new"
    give postgres "$data.new"
    become postgres "$(dirname "$data")"
    (cd / && quietly initdb "$log" "${as[@]}" "$pg_bin/initdb" -D "$data.new" -U postgres --encoding=UTF8 \
        --locale=C.UTF-8 --lc-collate=C --data-checksums --auth-local=peer --auth-host=reject "$@")
    mv "$data.new" "$data"
}

# cluster_configure DATA_DIR SOCKET_DIR
cluster_configure() {
    local data=$1 sockets=$2 me
    me=$(id -un)
    grep -q "^include 'system.conf'" "$data/postgresql.conf" ||
        echo "include 'system.conf'" >>"$data/postgresql.conf"
    # An eighth of the memory, which is taken only as it is used.
    local buffers
    buffers=$(awk '/^MemTotal/ { print int($2 / 8192) }' /proc/meminfo)
    buffers=$((buffers < 128 ? 128 : buffers > 4096 ? 4096 : buffers))
    cluster_write "$data/system.conf" <<-CONF
		# Made by deploy.sh.  Commits are durable: fsync and synchronous_commit stay on.
		listen_addresses = ''
		unix_socket_directories = '$sockets'
		max_connections = 200
		shared_buffers = ${buffers}MB
		# Checkpoints that come often write every page into the log again.
		max_wal_size = 2GB
		timezone = 'UTC'
		log_timezone = 'UTC'
		log_line_prefix = '%m [%p] %q%u %a '
		log_min_duration_statement = 1000
		jit = off
		password_encryption = 'scram-sha-256'
	CONF
    # The owner comes in by the name of the operating system account, a function by its password.
    cluster_write "$data/pg_hba.conf" <<-HBA
		# Made by deploy.sh.
		local all postgres peer map=owner
		local all all scram-sha-256
	HBA
    {
        printf '# Made by deploy.sh.\nowner %s postgres\n' "$me"
        [[ $me == postgres ]] || printf 'owner postgres postgres\n'
    } | cluster_write "$data/pg_ident.conf"
}

cluster_write() { # FILE, content on standard input
    write_if_changed "$1"
    chmod 600 "$1"
    give postgres "$1"
}

# A pid file that outlived its server (crash, power cut) must not keep the new one from starting.
cluster_forget_dead() { # DATA_DIR
    local pid
    [[ -f $1/postmaster.pid ]] || return 0
    read -r pid <"$1/postmaster.pid" || true
    if ! alive "$pid" || [[ $(readlink "/proc/$pid/cwd") != "$1" ]]; then rm -f "$1/postmaster.pid"; fi
}

cluster_ready() { # SOCKET_DIR
    "$pg_bin/pg_isready" -q -h "$1" -U postgres -d postgres
}
