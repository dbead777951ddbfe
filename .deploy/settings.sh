# shellcheck shell=bash
# settings: $FFX_HOME/env with every setting and key of a system, and one file per function with
# only what its --spec asks for.  Both are KEY=value lines, mode 0600.

declare -gA settings=()

settings_file() { printf '%s' "$FFX_HOME/env"; }

settings_load() {
    settings=()
    local file
    file=$(settings_file)
    [[ -e $file ]] || die "there is no system in $FFX_HOME yet" "Make one: ./deploy.sh up"
    [[ -r $file ]] || die "$file belongs to somebody else" \
        "Call deploy.sh as the user who made this system, or choose another folder with FFX_HOME."
    env_read "$file" settings
    base_url=http://127.0.0.1:${settings[FFX_PORT]}
}

# A value that is already there stays; a new variable is added at the end.
setting_default() { # NAME VALUE
    [[ -v settings["$1"] ]] && return 0
    settings[$1]=$2
    printf '%s=%s\n' "$1" "$2" >>"$(settings_file)"
}

setting_replace() { # NAME VALUE
    settings[$1]=$2
    local line
    # No sed: a secret must not show in its arguments.
    while IFS= read -r line; do
        [[ $line != "$1="* ]] || line=$1=$2
        printf '%s\n' "$line"
    done <"$(settings_file)" | write_if_changed "$(settings_file)"
}

# An HS256 token over the claims; the secret goes through the environment, never through argv.
jwt_make() { # CLAIMS_JSON
    CLAIMS=$1 SECRET=${settings[JWT_SECRET]} perl -MDigest::SHA=hmac_sha256 -MMIME::Base64=encode_base64url -e '
        my $head = encode_base64url(q({"alg":"HS256","typ":"JWT"})) . "." . encode_base64url($ENV{CLAIMS});
        print $head, ".", encode_base64url(hmac_sha256($head, $ENV{SECRET}));'
}

project_key() { # ROLE: valid for ten years
    local now
    now=$(date +%s)
    jwt_make "{\"role\":\"$1\",\"iss\":\"supabase\",\"iat\":$now,\"exp\":$((now + 315360000))}"
}

# Make or complete $FFX_HOME/env.  The port is remembered: later commands need no FFX_PORT.
settings_make() {
    local file port
    file=$(settings_file)
    [[ ! -e $file || -w $file ]] || die "$file belongs to somebody else" \
        "Call deploy.sh as the user who made this system, or choose another folder with FFX_HOME."
    settings=()
    env_read "$file" settings
    port=${FFX_PORT:-${settings[FFX_PORT]:-54321}}
    port_check "$port" # before anything is written or started
    (umask 077 && touch "$file")
    chmod 600 "$file"
    settings_move "${settings[FFX_PORT]:-$port}" "$port"

    setting_default FFX_PORT "$port"
    setting_default SUPABASE_URL "http://127.0.0.1:$port"
    setting_default JWT_SECRET "$(random_hex 32)"
    setting_default SUPABASE_ANON_KEY "$(project_key anon)"
    setting_default SUPABASE_SERVICE_ROLE_KEY "$(project_key service_role)"
    setting_default DATABASE_URL "$(database_url postgres)"
    setting_default MAIL_NAME FlashFundX
    setting_default FRONTEND_URL http://localhost:3000
    setting_default NOWPAYMENTS_API_KEY "$(provider_key)"
    setting_default NOWPAYMENTS_SANDBOX_MODE true
    setting_default NOWPAYMENTS_SANDBOX_API_KEY "$(provider_key)"
    setting_default NOWPAYMENTS_SANDBOX_API_URL "http://127.0.0.1:$port/sandbox/v1"
    setting_default NOWPAYMENTS_IPN_SECRET "$(random_hex 16)"
    setting_default CREDENTIAL_KEYS "k1:$(random_hex 32)"
    setting_default RUN_DIR "$FFX_HOME/run"
    base_url=http://127.0.0.1:$port
}

# Another port than last time: the addresses that named the old one follow.
settings_move() { # OLD NEW
    [[ $1 != "$2" ]] || return 0
    local name
    for name in SUPABASE_URL NOWPAYMENTS_SANDBOX_API_URL; do
        setting_replace "$name" "${settings[$name]/#http:\/\/127.0.0.1:$1/http://127.0.0.1:$2}"
    done
    setting_replace FFX_PORT "$2"
}

provider_key() { # the shape of the provider's keys: four groups of seven
    local hex
    hex=$(random_hex 14)
    printf '%s-%s-%s-%s' "${hex:0:7}" "${hex:7:7}" "${hex:14:7}" "${hex:21:7}"
}

# ---- port ----

port_owner() { # PORT: "pid name" of whoever listens, "?" when it cannot be seen; false when free
    local hex inode link pid
    printf -v hex '%04X' "$1"
    inode=$(awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    [[ $inode ]] || return 1
    link=$(find /proc -mindepth 3 -maxdepth 3 -path '/proc/[0-9]*/fd/*' -lname "socket:\[$inode\]" \
        -print -quit 2>/dev/null || true)
    pid=${link#/proc/}
    pid=${pid%%/*}
    if [[ $pid ]]; then printf '%s %s' "$pid" "$(<"/proc/$pid/comm")"; else printf '?'; fi
}

port_check() { # PORT: free, or held by this system
    local port=$1 owner
    if [[ ! $port =~ ^[0-9]+$ ]] || ((port < 1024 || port > 65535)); then
        die "FFX_PORT=$port is not a port between 1024 and 65535"
    fi
    owner=$(port_owner "$port") || return 0
    if grep -qx "${owner%% *}" < <(system_pids); then return 0; fi
    if [[ $owner == '?' ]]; then owner='a process that you may not see'; else owner="process $owner"; fi
    die "port $port on this machine is taken by $owner" \
        "Stop it, or choose another port: FFX_PORT=$((port + 100)) ./deploy.sh up"
}

# ---- one file per function ----

function_env() { printf '%s' "$FFX_HOME/functions/$1.env"; }

# Write the function's own file; the password of its database role is made once and kept.
function_env_make() { # NAME SPEC_JSON
    local name=$1 spec=$2 file lines='' key required role password='' missing=()
    local -A old=()
    file=$(function_env "$name")
    env_read "$file" old
    role=$(jq -r '.db_role // empty' <<<"$spec")
    [[ ! $role || $role =~ ^fn_[a-z0-9_]+$ ]] || die "$name --spec names the database role '$role'"
    if [[ ${old[DATABASE_URL]:-} =~ ^postgresql://[^:@/]+:([0-9a-f]+)@ ]]; then
        password=${BASH_REMATCH[1]}
    else
        password=$(random_hex 24)
    fi
    while IFS=$'\t' read -r key required; do
        if [[ $key == DATABASE_URL ]]; then
            lines+="DATABASE_URL=$(database_url "$role" "$password")"$'\n'
        elif [[ -v settings["$key"] ]]; then
            lines+="$key=${settings[$key]}"$'\n'
        elif [[ $required == true ]]; then
            missing+=("$key")
        fi
    done < <(jq -r '.settings[] | [.name, .required] | @tsv' <<<"$spec")
    ((${#missing[@]} == 0)) || die "$name needs settings that are not in $(settings_file): ${missing[*]}" \
        "Add them there as NAME=value and call ./deploy.sh up again."
    (umask 077 && printf '%s' "$lines" | write_if_changed "$file")
}

# env_apply FILE: the environment of this (sub)shell becomes its lines and PATH.
env_apply() {
    local line name
    for name in $(compgen -e); do
        [[ $name == PATH ]] || unset "$name"
    done
    while IFS= read -r line; do export "${line?}"; done <"$1"
}
