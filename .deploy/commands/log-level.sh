# shellcheck shell=bash
# Usage: ./deploy.sh log-level NAME [debug|info|warn|error|default]
# from which level on a function logs, without a restart
#
# Says what NAME logs now, or changes it within a second.  It stays changed until "default", which
# goes back to LOG_LEVEL.

main() {
    settings_load
    local name=${1:-} level=${2:-} file
    (($# == 1 || $# == 2)) || refuse "a function, and a level if it shall change"
    [[ -x $FFX_HOME/bin/$name ]] || die "there is no function '$name'" \
        "There are: $(basename -a "$FFX_HOME"/bin/* | tr '\n' ' ')"
    file=$FFX_HOME/run/$name.log-level
    case $level in
    '') [[ -f $file ]] && printf '%s logs from %s on\n' "$name" "$(<"$file")" || printf '%s logs from LOG_LEVEL on\n' "$name" ;;
    default)
        rm -f "$file"
        printf '%s logs from LOG_LEVEL on\n' "$name"
        ;;
    debug | info | warn | error)
        printf '%s\n' "$level" >"$file.new"
        chmod 644 "$file.new"
        mv "$file.new" "$file"
        printf '%s logs from %s on\n' "$name" "$level"
        ;;
    *) refuse "'$level' is no level" ;;
    esac
}
