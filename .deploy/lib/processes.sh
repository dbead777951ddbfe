# shellcheck shell=bash
# processes: who runs what, and what of a system runs.
#
# Nothing that listens runs as root.  Started by root, PostgreSQL runs as `postgres` (it refuses
# root), nginx and the functions as `www-data`; started by an ordinary user, all run as that user.
# The clone may lie below a folder that those accounts cannot enter (/root): then they get the
# capability to pass through folders, and nothing else.

# become USER FOLDER: sets `as`, the words to put before a command.
become() {
    as=()
    ((EUID == 0)) || return 0
    local capability
    for capability in '' dac_read_search dac_override; do
        as=(setpriv "--reuid=$1" "--regid=$1" --init-groups --no-new-privs)
        [[ $capability ]] &&
            as+=("--inh-caps=+$capability" "--ambient-caps=+$capability")
        "${as[@]}" stat "$2/." >/dev/null 2>&1 && return 0
    done
    die "the account $1 cannot enter $2" \
        "PostgreSQL, nginx and the functions never run as root." \
        "Choose a folder that everybody may pass through: FFX_HOME=/var/lib/ffx ./deploy.sh up"
}

# give USER PATH…: hand files to the account that works with them.
give() {
    ((EUID == 0)) || return 0
    local user=$1
    shift
    chown -h "$user:$user" "$@" # never what a link of theirs points to
}

# Processes of this system: they work in its service or database folder, or run its binaries.
# A shell that somebody opened there does not count.
system_pids() {
    local proc exe
    while read -r proc; do
        exe=$(readlink "$proc/exe" 2>/dev/null) || continue
        case $exe in
        */runsvdir | */runsv | */nginx | */bin/postgres | "$FFX_HOME"/bin/*) printf '%s\n' "${proc#/proc/}" ;;
        esac
    done < <(find /proc -mindepth 2 -maxdepth 2 \( -name cwd -a \( \
        -lname "$FFX_HOME/services*" -o -lname "$FFX_HOME/postgres*" \) \
        -o -name exe -lname "$FFX_HOME/bin/*" \) -printf '%h\n' 2>/dev/null | sort -u)
}

no_process_left() { [[ ! $(system_pids) ]]; }

alive() { [[ ${1:-} =~ ^[0-9]+$ && -d /proc/$1 ]]; }

not_alive() { ! alive "$1"; }
