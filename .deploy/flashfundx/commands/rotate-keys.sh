# shellcheck shell=bash
# Usage: ./deploy.sh rotate-keys
# store all trading passwords under a new key
#
# Makes a new key for the stored trading passwords, gives it to the functions, stores every password
# under it and says how far it is, then retires the old key.  Interrupted, it goes on where it was
# when it is called again.

retired_keys_file() { printf '%s' "$FFX_HOME/retired-credential-keys"; }

# Every function that opens passwords gets the present CREDENTIAL_KEYS.
readers_restart() {
    local spec name
    for spec in "$FFX_HOME"/functions/*.json; do
        jq -e '.settings[] | select(.name == "CREDENTIAL_KEYS")' "$spec" >/dev/null || continue
        name=$(basename -s .json "$spec")
        function_env_make "$name" "$(<"$spec")"
        [[ $(service_pid "$name") ]] || continue
        service_outdated "$name" "$(function_env "$name")" || continue
        function_restart "$name" || die "$name did not restart" "log: $(service_log "$name")"
    done
}

keys_in_use() { owner_psql -F ' ' -c 'select kid, rows from backend.credentials_by_key()'; }

# The key ids of CREDENTIAL_KEYS: k1, k2 …; the next one of another kind of name begins at k1.
next_key_id() {
    local n=${settings[CREDENTIAL_KEYS]%%:*}
    n=${n#k}
    [[ $n =~ ^[0-9]{1,6}$ ]] || n=0
    printf 'k%d' $((10#$n + 1))
}

main() {
    no_arguments "$@"
    settings_load
    [[ $(service_pid postgres) ]] || die "the system is not up" "Start it: ./deploy.sh up"
    lock_system
    local keys=${settings[CREDENTIAL_KEYS]} current others
    if [[ $keys == *,* ]]; then
        step key "going on with ${keys%%:*}"
    else
        step key "a new one, $(next_key_id)"
        setting_replace CREDENTIAL_KEYS "$(next_key_id):$(random_hex 32),$keys"
    fi
    # Whoever reads knows the new key before anything is stored with it.
    readers_restart
    done_step

    current=${settings[CREDENTIAL_KEYS]%%,*}
    say "re-encryption with ${current%%:*}; it may be interrupted and called again"
    with_credential_keys owner_psql -v VERBOSITY=terse -c 'call backend.reseal_credentials()' 2>&1 |
        sed -u 's/^NOTICE: */  /'
    others=$(keys_in_use | grep -v "^${current%%:*} " || true)
    [[ ! $others ]] || die "some passwords still have another key: $(tr '\n' ';' <<<"$others")" \
        "All keys are kept in $(settings_file).  Lines above that begin with WARNING name rows that do" \
        "not open; put those right, or wait until sessions of ./deploy.sh psql have ended, and call this again."

    step retire "the old keys go to $(retired_keys_file)"
    (umask 077 && printf '%s %s\n' "$(date -u +%FT%TZ)" "${settings[CREDENTIAL_KEYS]#*,}" >>"$(retired_keys_file)")
    setting_replace CREDENTIAL_KEYS "$current"
    readers_restart
    done_step
    say "Backups made before now open with the retired keys only: keep that file as long as you keep them."
}
