# shellcheck shell=bash
# Usage: ./deploy.sh psql [ARGUMENTS]
# psql as the owner of the database
#
# psql as the owner of this system's database; arguments go to psql, for example -c 'select 1'.

main() {
    settings_load
    psql -d "${settings[DATABASE_URL]}" "$@"
}
