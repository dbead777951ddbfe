# shellcheck shell=bash
# database: a private PostgreSQL 15 cluster that listens on a unix socket only.

pg_bin=/usr/lib/postgresql/15/bin
pg_data() { printf '%s' "$FFX_HOME/postgres"; }
# Not below run/: that folder is www-data's, who could put another one in this one's place.
pg_sockets() { printf '%s' "$FFX_HOME/pgrun"; }

# A connection string without characters that a shell, a URL parser or an env file would mind.
database_url() { # ROLE [PASSWORD]
    printf 'postgresql://%s@%s/flashfundx' "$1${2:+:$2}" "$(url_encode "$(pg_sockets)")"
}

owner_psql() { psql -XqAt -v ON_ERROR_STOP=1 -d "${settings[DATABASE_URL]}" "$@"; }

# with_credential_keys COMMAND…: its sessions may store and show trading passwords.  What a staff
# member types may hold one, so that no failed statement is written to the server's log.
with_credential_keys() {
    PGOPTIONS="-c ffx.credential_keys=${settings[CREDENTIAL_KEYS]} -c log_min_error_statement=panic -c log_min_duration_statement=-1" "$@"
}

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
        --locale=C.UTF-8 --data-checksums --auth-local=peer --auth-host=reject "$@")
    mv "$data.new" "$data"
}

# cluster_configure DATA_DIR SOCKET_DIR
cluster_configure() {
    local data=$1 sockets=$2 me
    me=$(id -un)
    grep -q "^include 'flashfundx.conf'" "$data/postgresql.conf" ||
        echo "include 'flashfundx.conf'" >>"$data/postgresql.conf"
    # An eighth of the memory, which is taken only as it is used.
    local buffers
    buffers=$(awk '/^MemTotal/ { print int($2 / 8192) }' /proc/meminfo)
    buffers=$((buffers < 128 ? 128 : buffers > 4096 ? 4096 : buffers))
    cluster_write "$data/flashfundx.conf" <<-CONF
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

database_make() {
    psql -XqAt -d "${settings[DATABASE_URL]%/*}/postgres" -v ON_ERROR_STOP=1 <<-'SQL'
		select 'create database flashfundx'
		 where not exists (select from pg_database where datname = 'flashfundx') \gexec
	SQL
}

database_migrate() {
    local arguments=("${settings[DATABASE_URL]}" --app "$APP")
    [[ ! -d $clone/functions/$APP/sandbox ]] || arguments+=(--with-sandbox)
    with_credential_keys "$clone/migrations/migrate" "${arguments[@]}"
}

# Every function logs in as its own role with its own password.  Statements come on standard
# input and stay out of the server's log, for they hold passwords.
database_logins() {
    local name role
    {
        echo "set log_min_error_statement = panic; set log_min_duration_statement = -1;"
        for name in "$@"; do
            role=$(jq -r '.db_role // empty' "$FFX_HOME/functions/$name.json")
            [[ $role ]] || continue
            local -A own=()
            env_read "$(function_env "$name")" own
            [[ ${own[DATABASE_URL]:-} =~ ^postgresql://[^:@/]+:([0-9a-f]+)@ ]] ||
                die "$name has a database role but does not ask for DATABASE_URL"
            printf "alter role %s login password '%s';\n" "$role" "${BASH_REMATCH[1]}"
        done
    } | owner_psql -f -
}

# Sample stock on the first start: a few accounts of every size and platform, plainly not real.
database_seed() {
    [[ ! -e $FFX_HOME/seeded ]] || return 0
    with_credential_keys owner_psql <<-'SQL'
		insert into public.account_container
		       (account_size, platform_type, server_name, login_id, password, investor_password, notes)
		select s.size, p.platform, 'FlashFundX-Demo',
		       format('demo-%s-%s-%s', s.size, p.platform, n),
		       'not-a-real-password-' || n, 'not-a-real-investor-' || n, 'sample stock'
		  from unnest(array[1000, 3000, 5000, 10000, 25000, 50000, 100000, 200000, 500000]) s(size),
		       unnest(array['mt4', 'mt5']) p(platform),
		       generate_series(1, 5) n
		 where not exists (select from public.account_container);
	SQL
    touch "$FFX_HOME/seeded"
}
