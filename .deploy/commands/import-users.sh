# shellcheck shell=bash
# Usage: ./deploy.sh import-users FILE|postgresql://… [--dry-run]
# people of a Supabase database, with their passwords
#
#   FILE               a dump made by pg_dump: text, also with gzip, or one of its own formats (-Fc, -Fd, -Ft)
#   postgresql://…     the database itself, which pg_dump is called for; a password in ~/.pgpass or in the URL
#                      stands in no list of processes
#   --dry-run          say what would happen, and change nothing
#
# Takes auth.users, auth.identities and auth.mfa_factors: addresses, password hashes (bcrypt, Argon2), what is
# confirmed, bans, metadata, times, and verified second factors (TOTP), whose secrets are sealed.  Codes and
# sessions are not taken: who is signed in signs in again.
#
# All or nothing: each row that cannot be taken is told with its line in the dump, and then nothing is
# stored.  It may be called again: somebody who is here already changes only when the dump's row was changed
# later (updated_at), so that a second call of the same dump changes nothing.

main() {
    local source end
    dump_arguments "$@"
    settings_load
    with_credential_keys dump_import "$source" "$end" "$clone/.deploy/commands/import-users.sql" \
        auth.users=users 'auth.identities?=identities' 'auth.mfa_factors?=factors' ||
        die "nothing was changed" "Mend the rows that are named above, or leave them out of the dump."
    [[ $end == commit ]] || say "This was a dry run: nothing was changed."
}
