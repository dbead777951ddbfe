# shellcheck shell=bash
# database: the application's database in the cluster, its migrations and the functions' logins.

# A connection string without characters that a shell, a URL parser or an env file would mind.
database_url() { # ROLE [PASSWORD]
    printf 'postgresql://%s@%s/%s' "$1${2:+:$2}" "$(url_encode "$(pg_sockets)")" "$APP"
}

# with_credential_keys COMMAND…: its sessions may seal and open secrets (migrations/platform/sql/seals.sql).
with_credential_keys() {
    PGOPTIONS="-c ffx.credential_keys=${settings[CREDENTIAL_KEYS]}" "$@"
}

owner_psql() { psql -XqAt -v ON_ERROR_STOP=1 -d "${settings[DATABASE_URL]}" "$@"; }

database_start() {
    cluster_init "$(pg_data)" "$FFX_HOME/log/initdb.log"
    cluster_configure "$(pg_data)" "$(pg_sockets)"
    supervisor_start
    if [[ ! $(service_pid postgres) ]]; then
        cluster_forget_dead "$(pg_data)"
    elif service_outdated postgres "$(pg_data)"/{system,pg_hba,pg_ident}.conf; then
        sv -w 30 restart "$(service_dir postgres)" >/dev/null
    fi
    services_start postgres
    wait_until 60 cluster_ready "$(pg_sockets)" || {
        step_failed
        tail -n 15 "$(service_log postgres)" | sed 's/^/    /' >&2
        die "PostgreSQL did not start; its last log lines are above" "log: $(service_log postgres)"
    }
    database_make
}

database_make() {
    psql -XqAt -d "${settings[DATABASE_URL]%/*}/postgres" -v ON_ERROR_STOP=1 -v name="$APP" <<-'SQL'
		select format('create database %I', :'name')
		 where not exists (select from pg_database where datname = :'name') \gexec
	SQL
}

database_migrate() {
    "$clone/migrations/migrate" "${settings[DATABASE_URL]}" --app "$APP" "${app_migrate[@]}"
}

# Every function logs in as its own role with its own password.  Statements come on standard
# input, and the database keeps their words out of the log (migrations/platform/sql/logging.sql).
database_logins() {
    local name role
    {
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

# What the application begins with, once.
database_seed() {
    [[ ! -e $FFX_HOME/seeded ]] || return 0
    app_seed
    touch "$FFX_HOME/seeded"
}
