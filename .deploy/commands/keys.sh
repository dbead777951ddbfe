# shellcheck shell=bash disable=SC2016
# Usage: ./deploy.sh keys [list|add|rotate|retire] [WORDS] [--now]
# what tokens are signed with, and API keys: list, add, rotate, retire
#
#   list                                  all keys: what they are, since when
#   add                                   a key that shall sign access tokens next; it is published
#   rotate                                the next one signs from now on, the current one is the previous
#   add publishable NAME, add secret NAME an API key, shown once: who has it asks as anon, as service_role
#   retire ID                             a key counts no more: a previous or next one, or an API key's NAME
#   --now                                 of rotate and retire: do not wait for those who know the old keys
#
# All functions follow within two seconds, without a restart.  Whoever checks tokens with the published
# keys (JWKS) may keep those for ten minutes, so the next key signs ten minutes after it was added; and
# tokens of the previous one are good for JWT_EXPIRY seconds, so it is retired after that.  Nobody is
# signed out by a new key; with --now those who have old tokens refresh them.

keys_followed_s=2 # every function has the new file by then
keys_cached_s=600 # JWKS in the hands of others

keys_need() { # WHAT SECONDS_SINCE SECONDS: ends when it is too early
    local left=$(($3 - $2))
    ((left <= 0)) || die "$1" "Call this again in $left s, or with --now."
}

key_member() { # KID MEMBER: 0 where it has none
    jq -r --arg kid "$1" --arg m "$2" 'first(.keys[] | select(.kid == $kid) | .[$m] // 0) // 0' "$(keys_file)"
}

keys_list() {
    jq -r --arg current "$(kid_of "$(signing_file)")" --arg next "$(kid_of "$(next_file)")" '
        def since: if . then todate else "" end;
        (.keys[] | ["token", (if .kid == $current then "current" elif .kid == $next then "next" else "previous" end),
                    .kid, ((.replaced // .made) | since)]),
        (.api_keys[]? | ["api", (if .role == "anon" then "publishable" else "secret" end), .name, (.made | since)])
        | @tsv' "$(keys_file)"
}

keys_add_signing() {
    local next
    next=$(next_file)
    if [[ ! -f $next ]]; then
        (($(jq '.keys | length' "$(keys_file)") < 8)) || die "there are 8 keys, the most" "Retire one: ./deploy.sh keys list"
        private_key_make | private_key_put "$next"
    elif (($(key_member "$(kid_of "$next")" made) > 0)); then
        die "there is a next key already: $(kid_of "$next")" "It signs after: ./deploy.sh keys rotate"
    fi
    keys_publish "$next"
    say "$(kid_of "$next") is published; let it sign in ten minutes: ./deploy.sh keys rotate"
}

keys_add_api() { # publishable|secret NAME
    local role=anon key hash
    [[ $2 =~ ^[a-z][a-z0-9-]{0,31}$ ]] || refuse "a NAME has small letters, digits and -, 32 at most"
    ! jq -e --arg name "$2" 'any(.api_keys[]?; .name == $name)' "$(keys_file)" >/dev/null ||
        die "there is a key '$2' already" "Another name, or: ./deploy.sh keys retire $2"
    (($(jq '.api_keys | length' "$(keys_file)") < 64)) || die "there are 64 API keys, the most" "Retire one: ./deploy.sh keys list"
    [[ $1 == publishable ]] || role=service_role
    key=sb_$1_$(random_hex 24)
    hash=$(printf '%s' "$key" | sha256sum | cut -d' ' -f1)
    keys_change --arg name "$2" --arg role "$role" --arg hash "$hash" --argjson now "$(date +%s)" \
        '.api_keys += [{name: $name, role: $role, sha256: $hash, made: $now}]'
    say "$key"
    say "That is all there is of it: only its hash is kept."
}

keys_rotate() { # NOW
    local next current made
    next=$(kid_of "$(next_file)")
    current=$(kid_of "$(signing_file)")
    [[ $next ]] || die "there is no next key" "Add one, and wait ten minutes: ./deploy.sh keys add"
    made=$(key_member "$next" made)
    ((made > 0)) || die "the next key is not published" "Publish it: ./deploy.sh keys add"
    [[ $1 ]] || keys_need "others may not know the next key yet" $(($(date +%s) - made)) $keys_cached_s
    while (($(date +%s) - made <= keys_followed_s)); do sleep 0.2; done
    # Both are published: whenever this ends, one of them signs.
    keys_change --arg kid "$current" --argjson now "$(date +%s)" \
        '(.keys[] | select(.kid == $kid)).replaced = $now'
    give www-data "$(next_file)"
    mv -f "$(next_file)" "$(signing_file)"
    say "$next signs; retire the one before after ${settings[JWT_EXPIRY]:-3600} s: ./deploy.sh keys retire $current"
}

keys_retire() { # ID NOW
    local made replaced expiry=${settings[JWT_EXPIRY]:-3600}
    if jq -e --arg name "$1" 'any(.api_keys[]?; .name == $name)' "$(keys_file)" >/dev/null; then
        keys_change --arg name "$1" 'del(.api_keys[] | select(.name == $name))'
    else
        made=$(key_member "$1" made)
        ((made > 0)) || die "there is no key '$1'" "Those there are: ./deploy.sh keys list"
        [[ $1 != "$(kid_of "$(signing_file)")" ]] || die "this key signs" "Let another one: ./deploy.sh keys add, then keys rotate"
        if [[ $1 == "$(kid_of "$(next_file)")" ]]; then
            rm -f "$(next_file)"
        else
            replaced=$(key_member "$1" replaced)
            # A little longer: functions followed the rotation within two seconds, and clocks differ.
            [[ $2 ]] || keys_need "tokens of this key are good still" $(($(date +%s) - replaced)) $((expiry + 60))
            # Until auth has followed, it signs with this one.
            while (($(date +%s) - replaced <= keys_followed_s)); do sleep 0.2; done
        fi
        keys_change --arg kid "$1" 'del(.keys[] | select(.kid == $kid))'
    fi
    say "$1 counts no more"
}

main() {
    local words=() now=
    while (($#)); do
        case $1 in
        --now) now=1 ;;
        -*) refuse "unknown option '$1'" ;;
        *) words+=("$1") ;;
        esac
        shift
    done
    settings_load
    [[ -f $(keys_file) ]] || die "this system has no folder of keys yet" "Bring it up: ./deploy.sh up"
    lock_system
    case ${words[0]:-}:${#words[@]}:$now in
    list:1:) keys_list ;;
    add:1:) keys_add_signing ;;
    add:3:)
        [[ ${words[1]} =~ ^(publishable|secret)$ ]] || refuse "publishable or secret, not '${words[1]}'"
        keys_add_api "${words[1]}" "${words[2]}"
        ;;
    rotate:1:*) keys_rotate "$now" ;;
    retire:2:*) keys_retire "${words[1]}" "$now" ;;
    *) refuse "list, add, rotate or retire" ;;
    esac
}
