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

replace_failed() { # NAME BYTES: whether the log behind that place says so
    tail -c "+$(($2 + 1))" "$(service_log "$1")" | grep -q '"event":"replace_failed"'
}

# Replace a running function without losing a request: the master starts workers from the new
# file, waits until they are ready, and only then lets the old ones finish.
function_replace() { # NAME, staged before
    local name=$1 before log_end old=$FFX_HOME/bin/.$1.old tries=40
    before=$(function_generation "$name")
    log_end=$(stat -c %s "$(service_log "$name")")
    ln -f "$FFX_HOME/bin/$name" "$old"
    function_install "$name"
    sv hup "$(service_dir "$name")" >/dev/null
    until wait_until 1 generation_changed "$name" "$before"; do
        tries=$((tries - 1))
        if ((tries == 0)) || replace_failed "$name" "$log_end"; then
            mv -f "$old" "$FFX_HOME/bin/$name"
            step_failed
            tail -n 15 "$(service_log "$name")" | sed 's/^/    /' >&2
            die "the new workers of $name did not become ready; the old binary is back and serves" \
                "The last lines of $(service_log "$name") are above."
        fi
    done
    rm -f "$old"
}

# Bring a running function to the new binary: by new workers beside the old ones, or by a restart when
# its settings changed, which workers would inherit from the old master.
function_update() { # NAME
    function_stage "$1"
    if service_outdated "$1" "$(function_env "$1")"; then
        function_install "$1"
        sv -w 35 restart "$(service_dir "$1")" >/dev/null ||
            die "$1 did not restart" "log: $(service_log "$1")"
    else
        function_replace "$1"
    fi
}

# Start what does not run, bring to the present state what runs.
functions_start() { # FUNCTION…
    local name
    for name in "$@"; do
        if [[ ! $(service_pid "$name") ]]; then
            function_stage "$name"
            function_install "$name"
        elif service_outdated "$name" "$(function_env "$name")" ||
            ! cmp -s "$(function_built "$name")" "$FFX_HOME/bin/$name"; then
            function_update "$name"
        fi
    done
    services_start "$@"
}
