# shellcheck shell=bash
# settings: $FFX_HOME/env with every setting and key of a system, and one file per function with
# only what its --spec asks for.  Both are KEY=value lines, mode 0600.

declare -gA settings=()

settings_file() { printf '%s' "$FFX_HOME/env"; }

# settings_read: the system's file into `settings`; every line of it has to be one that counts.
settings_read() {
    local line n=0 wrong=()
    settings=()
    [[ -e $(settings_file) ]] || return 0
    while IFS= read -r line || [[ $line ]]; do
        n=$((n + 1))
        # What may be a secret is not shown: the name is enough to find the line.
        case $line in
        '' | '#'*) ;;
        export\ *) wrong+=("line $n: leave out \"export\"") ;;
        *)
            if [[ ! $line =~ ^[A-Za-z_][A-Za-z0-9_]*= ]]; then
                wrong+=("line $n: \"${line%%[!A-Za-z0-9_]*}\" is not followed by = at once: write NAME=value")
            elif [[ ${line#*=} =~ ^[[:blank:]] || $line =~ [[:blank:]]$'\r'?$ ]]; then
                wrong+=("line $n: blanks around the value of ${line%%=*}: leave them out, or put it in quotes")
            elif [[ $line == *$'\r' ]]; then
                wrong+=("line $n: it ends like a line of Windows, with a carriage return")
            elif [[ ${line#*=} =~ ^(\"[^\"]*|\'[^\']*)$ ]]; then
                wrong+=("line $n: the value of ${line%%=*} begins with a quote that does not end")
            fi
            ;;
        esac
    done <"$(settings_file)"
    ((${#wrong[@]} == 0)) || die "$(settings_file) has lines that say nothing" "${wrong[@]}"
    env_read "$(settings_file)" settings
}

# settings_known: every name in the file is one that some function has, or deploy.sh itself.
settings_known() {
    local known line n=0 wrong=()
    known=" APP FFX_PORT SUPABASE_ANON_KEY SUPABASE_SERVICE_ROLE_KEY DATABASE_URL STATE_DIR "
    known+=$(jq -r '.settings[].name' "$FFX_HOME"/functions/*.json | sort -u | tr '\n' ' ')
    while IFS= read -r line || [[ $line ]]; do
        n=$((n + 1))
        [[ $line == '' || $line == '#'* || $known == *" ${line%%=*} "* ]] ||
            wrong+=("line $n: nothing is called ${line%%=*}: mend the name (docs/settings.md), or take the line out")
    done <"$(settings_file)"
    ((${#wrong[@]} == 0)) || die "$(settings_file) has settings that nobody knows" "${wrong[@]}"
}

settings_load() {
    local file
    file=$(settings_file)
    [[ -e $file ]] || die "there is no system in $FFX_HOME yet" "Make one: ./deploy.sh up"
    [[ -r $file ]] || die "$file belongs to somebody else" \
        "Call deploy.sh as the user who made this system, or choose another folder with FFX_HOME."
    settings_read
    base_url=http://127.0.0.1:${settings[FFX_PORT]:-}
    # A server's own database may want a password, which must not stand in a command line.
    if url_password_apart "${settings[DATABASE_URL]:-}"; then
        settings[DATABASE_URL]=$url_plain
        export PGPASSWORD=$url_password
    fi
}

# A value that is already there stays; a new variable is added at the end.
setting_default() { # NAME VALUE
    [[ -v settings["$1"] ]] && return 0
    settings[$1]=$2
    # The last line may have been written without its end.
    [[ ! $(tail -c1 "$(settings_file)") ]] || echo >>"$(settings_file)"
    printf '%s=%s\n' "$1" "$2" >>"$(settings_file)"
}

setting_replace() { # NAME VALUE
    settings[$1]=$2
    local line
    # No sed: a secret must not show in its arguments.
    # shellcheck disable=SC2094 # the file is replaced when all of it is written
    while IFS= read -r line || [[ $line ]]; do
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

# Make or complete $FFX_HOME/env.  Application and port are remembered: later commands need no APP
# and no FFX_PORT.
settings_make() {
    local file port
    file=$(settings_file)
    [[ ! -e $file || -w $file ]] || die "$file belongs to somebody else" \
        "Call deploy.sh as the user who made this system, or choose another folder with FFX_HOME."
    settings_read
    port=${FFX_PORT:-${settings[FFX_PORT]:-54321}}
    port_check "$port" # before anything is written or started
    (umask 077 && touch "$file")
    chmod 600 "$file"
    settings_move "${settings[FFX_PORT]:-$port}" "$port"

    setting_default APP "$APP"
    setting_default FFX_PORT "$port"
    setting_default SUPABASE_URL "http://127.0.0.1:$port"
    setting_default JWT_SECRET "$(random_hex 32)"
    setting_default SUPABASE_ANON_KEY "$(project_key anon)"
    setting_default SUPABASE_SERVICE_ROLE_KEY "$(project_key service_role)"
    keys_make
    setting_default KEYS_FILE "$(keys_file)"
    setting_default SIGNING_KEY_FILE "$(signing_file)"
    setting_default AUTH_SECRET "$(random_hex 32)"
    setting_default DATABASE_URL "$(database_url postgres)"
    setting_default CREDENTIAL_KEYS "k1:$(random_hex 32)"
    setting_default MAIL_NAME "$app_title"
    setting_default FRONTEND_URL http://localhost:3000
    setting_default SITE_URL "${settings[FRONTEND_URL]}"
    setting_default RUN_DIR "$FFX_HOME/run"
    setting_default STATE_DIR "$FFX_HOME/state"
    setting_default MAIL_FOLDER "$FFX_HOME/mails"
    base_url=http://127.0.0.1:$port
    app_settings
}

# Another port than last time: this system's own addresses, which named the old one, follow.
settings_move() { # OLD NEW
    [[ $1 != "$2" ]] || return 0
    local name
    for name in "${!settings[@]}"; do
        [[ ! ${settings[$name]} =~ ^http://127\.0\.0\.1:$1(/.*)?$ ]] ||
            setting_replace "$name" "http://127.0.0.1:$2${BASH_REMATCH[1]}"
    done
    setting_replace FFX_PORT "$2"
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
