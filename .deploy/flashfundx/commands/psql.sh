# shellcheck shell=bash
# Usage: ./deploy.sh psql [ARGUMENTS]
# psql as the owner of the database, with the keys of trading passwords
#
# psql as the owner of this system's database; arguments go to psql, for example -c 'select 1'.
# The session has the keys of the stored trading passwords: accounts are inserted with their plain
# passwords, which are encrypted at once, and shown by
#   select login_id, reveal_credential(container_account_id, 'password', password)
#     from delivered_accounts where order_id = 'FFX…'            -- account_container: id instead
# which is recorded in credential_reveals.

main() {
    settings_load
    with_credential_keys psql -d "${settings[DATABASE_URL]}" "$@"
}
