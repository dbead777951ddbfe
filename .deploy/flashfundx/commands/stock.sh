# shellcheck shell=bash
# Usage: ./deploy.sh stock import FILE
# trading accounts from a CSV into the stock; - is standard input; --dry-run
#
# The first line names the columns, in any order: account_size, platform_type, server_name, login_id
# and password; investor_password and notes if there are any.  Fields are separated by commas or
# semicolons and may be quoted; a password counts as it is, blanks included.
# All or nothing: each line that is broken or names an account that is in the stock already is told
# with its number and reason, and then nothing is stored (status 1).  --dry-run stores nothing in any
# case.  Passwords stand in no statement, log, command line or history; they are encrypted at once.

# shellcheck source=.deploy/flashfundx/stock.sh
source "$clone/.deploy/flashfundx/stock.sh"

main() {
    local file='' how=commit
    [[ ${1:-} == import ]] || refuse "what is to be done with the stock? import"
    shift
    while (($#)); do
        case $1 in
        --dry-run) how=rollback ;;
        -) file=- ;;
        -*) refuse "unknown option '$1'" ;;
        *) [[ ! $file ]] || refuse "one file at a time"; file=$1 ;;
        esac
        shift
    done
    [[ $file ]] || refuse "which file? - is standard input"
    [[ $file == - || -r $file ]] || die "$file cannot be read"
    settings_load
    [[ $file == - ]] || exec <"$file"
    stock_import "$how" || die "nothing was stored" "Mend the lines that are named above, or leave them out."
}
