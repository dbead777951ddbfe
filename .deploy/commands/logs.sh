# shellcheck shell=bash
# Usage: ./deploy.sh logs [NAME] [-f]
# last log lines of all parts or of one; -f follows
#
# Shows the last 50 lines of every part's log, or of one: a function, nginx, access, postgres,
# supervisor.  -f keeps following.

main() {
    settings_load
    local name='' follow=() files
    while (($#)); do
        case $1 in
        -f) follow=(-F) ;;
        -*) refuse "unknown option '$1'" ;;
        *) name=$1 ;;
        esac
        shift
    done
    if [[ $name ]]; then
        files=("$(service_log "$name")")
    else
        files=("$FFX_HOME"/log/*.log)
    fi
    [[ -f ${files[0]} ]] || die "there is no log named '$name'" \
        "There are: $(basename -s .log -a "$FFX_HOME"/log/*.log | tr '\n' ' ')"
    exec tail -n 50 "${follow[@]}" "${files[@]}"
}
