# shellcheck shell=bash
# Usage: ./deploy.sh replay [ID…|--dead]
# send mails again: by id, or --dead for all that were given up
#
# Puts mails of the table outbox back to be sent: sent or dead ones by id, or with --dead all that
# were given up.  Without arguments it lists the dead ones.  A dead mail is sent as the same message,
# for it may have arrived; one that was sent goes out as a new message.

main() {
    settings_load
    local id ids='' all=false answer ids_done=()
    if (($# == 0)); then
        psql -Xq -d "${settings[DATABASE_URL]}" -c "
            select id, kind, recipient, created_at::timestamptz(0) as created, last_error
              from public.outbox where state = 'dead' order by created_at"
        return
    fi
    for id in "$@"; do
        if [[ $id == --dead ]]; then
            all=true
        elif [[ $id == -* ]]; then
            refuse "unknown option '$id'"
        elif [[ $id =~ ^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$ ]]; then
            ids+=${ids:+,}$id
        else
            die "'$id' is no id of a mail" "List the dead ones: ./deploy.sh replay"
        fi
    done
    answer=$(owner_psql -c "select mail_id from platform.outbox_replay('{$ids}', $all)")
    [[ ! $answer ]] || mapfile -t ids_done <<<"$answer"
    for id in "${ids_done[@]}"; do say "$id"; done
    say "${#ids_done[@]} put back to be sent"
    for id in ${ids//,/ }; do
        [[ " ${ids_done[*]} " == *" ${id,,} "* ]] || die "$id is no sent or dead mail"
    done
}
