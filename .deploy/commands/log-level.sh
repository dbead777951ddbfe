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
    '') ;;
    default) rm -f "$file" ;;
    debug | info | warn | error)
        printf '%s\n' "$level" >"$file.new"
        chmod 644 "$file.new"
        mv "$file.new" "$file"
        ;;
    *) refuse "'$level' is no level" ;;
    esac
    printf '%s logs from %s on\n' "$name" "$(cat "$file" 2>/dev/null || echo LOG_LEVEL)"
}
