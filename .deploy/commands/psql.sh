# shellcheck shell=bash
# Usage: ./deploy.sh psql [ARGUMENTS]
# psql as the owner of the database, with the keys of stored secrets
#
# psql as the owner of this system's database; arguments go to psql, for example -c 'select 1'.
# The session has CREDENTIAL_KEYS: secrets that are stored encrypted are given in clear, and sealed
# at once.

main() {
    settings_load
    with_credential_keys psql -d "${settings[DATABASE_URL]}" "$@"
}
