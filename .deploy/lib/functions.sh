# shellcheck shell=bash
# functions: binaries put in their place, started, and replaced while requests run.

# Put the new binary beside the old one and let it say whether it would start with its settings.
function_stage() { # NAME
    local answer new=$FFX_HOME/bin/.$1.new
    become www-data "$FFX_HOME"
    cp "$(function_built "$1")" "$new"
    chmod 755 "$new"
    if ! answer=$(
        env_apply "$(function_env "$1")"
        "${as[@]}" "$new" --check 2>&1
    ); then
        rm -f "$new"
        die "$1 refuses its settings; what runs was not touched" "$answer" "settings: $(settings_file)"
    fi
}

function_install() { mv -f "$FFX_HOME/bin/.$1.new" "$FFX_HOME/bin/$1"; } # a running one keeps its file

function_generation() {
    local n=0
    read -r n 2>/dev/null <"$FFX_HOME/run/$1.generation" || true
    printf '%s' "$n"
}

generation_changed() { [[ $(function_generation "$1") != "$2" ]]; }

reloads_refused() { # NAME: by its master, so far
    local n=0
    read -r n 2>/dev/null <"$FFX_HOME/run/$1.refused" || true
    printf '%s' "$n"
}

reload_decided() { # NAME GENERATION REFUSED
    generation_changed "$1" "$2" || [[ $(reloads_refused "$1") != "$3" || ! $(service_pid "$1") ]]
}

# Replace a running function without losing a request: the master starts workers from the new
# file, waits until they are ready, and only then lets the old ones finish.
function_replace() { # NAME; false when its old workers go on
    local before refused
    before=$(function_generation "$1")
    refused=$(reloads_refused "$1")
    sv hup "$(service_dir "$1")" >/dev/null
    wait_until 40 reload_decided "$1" "$before" "$refused" && generation_changed "$1" "$before"
}

# A restart, for settings that changed: workers would inherit the old ones from their master.  It is
# ready, with all its workers, when it says so: a generation more.
function_restart() { # NAME; false when it does not get ready
    local before pid
    before=$(function_generation "$1")
    pid=$(service_pid "$1" || true)
    sv -w 1 restart "$(service_dir "$1")" >/dev/null || true
    wait_until 35 not_alive "$pid" || return 1 # it answers what it has begun
    wait_until 12 generation_changed "$1" "$before"
}

# Bring a running function to its staged binary and its settings.
function_update() { # NAME
    function_install "$1"
    if service_outdated "$1" "$(function_env "$1")"; then
        updated[$1]=function_restart # also when it fails: it has to be started again
        function_restart "$1" && return
    elif function_replace "$1"; then
        updated[$1]=function_replace
        return
    fi
    step_failed
    tail -n 15 "$(service_log "$1")" | sed 's/^/    /' >&2
    die "the new workers of $1 did not become ready" "The last lines of $(service_log "$1") are above."
}

# Start what does not run, bring to the present state what runs; first each says whether it would start.
functions_start() { # FUNCTION…
    local name update=()
    for name in "$@"; do
        if [[ ! $(service_pid "$name") ]]; then
            function_stage "$name"
            function_install "$name"
            started+=("$name")
        elif service_outdated "$name" "$(function_env "$name")" ||
            ! cmp -s "$(function_built "$name")" "$FFX_HOME/bin/$name"; then
            function_stage "$name"
            update+=("$name")
        fi
    done
    for name in "${update[@]}"; do function_update "$name"; done
    services_start "$@"
}
