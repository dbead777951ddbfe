# shellcheck shell=bash
# Usage: ./deploy.sh import-tables FILE|postgresql://… [--dry-run]
# profiles, orders, accounts and books of an existing shop
#
#   FILE, postgresql://…, --dry-run    as for import-users, which comes first
#
# Takes user_profiles, trading_rules, crypto_addresses, email_templates, orders, account_container,
# delivered_accounts and payment_transactions, those of them that the dump has; columns that this shop does
# not have are left out, the clear login passwords of user_profiles among them.  Trading passwords are
# encrypted before they are stored.  Nobody gets a mail.
#
# All or nothing: each row that cannot be taken is told with its line in the dump, and then nothing is
# stored.  What is taken and yet does not agree (prices, totals, states) is listed.  It may be called again:
# a row that is here already changes only when the dump's was changed later.  While it runs, orders wait.

main() {
    local source end
    dump_arguments "$@"
    settings_load
    with_credential_keys dump_import "$source" "$end" "$clone/.deploy/flashfundx/commands/import-tables.sql" \
        'public.user_profiles?=profiles' 'public.trading_rules?=rules' 'public.crypto_addresses?=wallets' \
        'public.email_templates?=templates' 'public.orders?=orders' 'public.account_container?=stock' \
        'public.delivered_accounts?=delivered' 'public.payment_transactions?=books' ||
        die "nothing was changed" "Mend the rows that are named above, or leave them out of the dump."
    [[ $end == commit ]] || say "This was a dry run: nothing was changed."
}
