# shellcheck shell=bash
# home: the folder of a system, FFX_HOME.

check_home() {
    [[ $FFX_HOME =~ ^[A-Za-z0-9\ ._/+@-]+$ ]] ||
        die "the folder $FFX_HOME has characters that nginx or PostgreSQL would misread" \
            "Choose one of letters, digits, spaces and . _ + @ - with FFX_HOME."
    # A unix socket's path has at most 107 bytes; the longest here is run/NAME.sock.PID.
    ((${#FFX_HOME} <= 64)) ||
        die "the folder $FFX_HOME is too deep for unix sockets (${#FFX_HOME} characters, at most 64)" \
            "Choose a shorter one: FFX_HOME=\$HOME/.ffx ./deploy.sh up"
    if command -v jq >/dev/null && ! jq -e --arg p "$preset" '.buildPresets[] | select(.name == $p)' \
        "$clone/CMakePresets.json" >/dev/null; then
        die "FFX_PRESET=$preset is not in CMakePresets.json"
    fi
}

home_make() {
    check_home
    [[ -d $FFX_HOME ]] || (umask 066 && mkdir -p "$FFX_HOME") || die "$FFX_HOME cannot be made"
    [[ -w $FFX_HOME ]] || die "$FFX_HOME is not yours to write" "Choose another folder with FFX_HOME."
    mkdir -p "$FFX_HOME"/{log,bin,services}
    (umask 077 && mkdir -p "$FFX_HOME/functions")
    # Statements that fail are logged, whatever they hold.  The daemons pass through to their own files.
    chmod 711 "$FFX_HOME/log"
}

# Folders that the daemons write to; their accounts exist once the packages are there.
home_give() {
    mkdir -p "$FFX_HOME"/run "$FFX_HOME"/nginx/temp
    (umask 077 && mkdir -p "$FFX_HOME/state" "$FFX_HOME/mails")
    mkdir -p "$(pg_sockets)"
    log_touch "$(service_log nginx)" "$(service_log access)"
    give www-data "$FFX_HOME/run" "$FFX_HOME/state" "$FFX_HOME/mails" "$FFX_HOME/nginx/temp" "$(service_log nginx)" "$(service_log access)"
    give postgres "$(pg_sockets)"
}

# One command at a time changes a system.
lock_system() {
    exec {lock_fd}>"$FFX_HOME/.lock"
    flock -w 300 "$lock_fd" || die "another deploy.sh is at work on $FFX_HOME" "Try again when it is done."
}
