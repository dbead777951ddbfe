# shellcheck shell=bash
# health: whether a system does its work, and what to say when it does not.

# Never through a proxy of the caller's environment: the system is on this machine, and so is the token.
health_answer() { curl -s --noproxy '*' --max-time 5 -o "$FFX_HOME/log/health.json" -w '%{http_code}' "$base_url/functions/v1/health"; }

healthy() {
    local name
    for name in "${functions[@]}"; do
        [[ $(service_pid "$name") ]] || return 1
        [[ $(jq -r '.route // empty' "$FFX_HOME/functions/$name.json") == '' || -S $FFX_HOME/run/$name.sock ]] ||
            return 1
    done
    [[ $(health_answer) == 200 ]]
}

say_what_is_wrong() {
    local name
    for name in postgres nginx "${functions[@]}"; do
        if [[ ! $(service_pid "$name") ]] || [[ $(sv status "$(service_dir "$name")") =~ \ [01]s ]]; then
            printf '%s keeps ending; its last log lines:\n' "$name" >&2
            tail -n 10 "$(service_log "$name")" 2>/dev/null | sed 's/^/    /' >&2
        fi
    done
    if [[ -s $FFX_HOME/log/health.json ]]; then
        printf 'answer of %s/functions/v1/health:\n' "$base_url" >&2
        sed 's/^/    /' "$FFX_HOME/log/health.json" >&2
        printf '\n' >&2
    fi
    die "the system is not healthy after 30 s" "Look further: ./deploy.sh status, ./deploy.sh logs NAME" \
        "Then mend it and call ./deploy.sh up again."
}
