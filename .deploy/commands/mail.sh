# shellcheck shell=bash
# Usage: ./deploy.sh mail [COUNT]
# the last mails of a local system, which go nowhere
#
# Prints the last 5 mails that the system wrote, or COUNT, the newest at the end: codes and links of
# sign-ups among them.  With a mail provider set (SMTP_HOST, RESEND_API_KEY) there are none.

main() {
    settings_load
    local count=${1:-5} file files=()
    if (($# > 1)) || [[ ! $count =~ ^[1-9][0-9]*$ ]]; then
        refuse "COUNT is a number: how many mails to show"
    fi
    mapfile -t files < <(find "${settings[MAIL_FOLDER]}" -type f -printf '%T@ %p\n' 2>/dev/null |
        sort -n | tail -n "$count" | cut -d ' ' -f 2-)
    ((${#files[@]})) || die "there is no mail yet" "Logs of the sender: ./deploy.sh logs send-outbox"
    for file in "${files[@]}"; do
        printf -- '--- %s\n' "$(date -r "$file" '+%F %T')"
        cat "$file"
        echo
    done
}
