# shellcheck shell=bash
# base: messages, steps with their time, KEY=value files.
# Sourced by deploy.sh, tests/run and tests/bench/sizes; sets nothing up by itself.

say() { printf '%s\n' "$*"; }

step_failed() {
    [[ ! ${step_open:-} ]] || printf ' failed\n'
    step_open=
}

# die MESSAGE [MORE LINES…]: say why and what to do, end with status 1.
die() {
    step_failed
    printf 'error: %s\n' "$1" >&2
    shift
    local line
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    printf '%s' "$((t / 1000))"
}

seconds_since() { # MS
    local ms=$(($(now_ms) - $1))
    printf '%d.%d s' "$((ms / 1000))" "$((ms % 1000 / 100))"
}

# step NAME TEXT … work … done_step [DETAIL]: one progress line with its time.
step() {
    step_open=$1
    step_began=$(now_ms)
    printf '%-10s %s …' "$1" "$2"
}

done_step() {
    printf ' %s (%s)\n' "${1:-done}" "$(seconds_since "$step_began")"
    step_open=
}

# log_touch FILE…: logs are their owner's to read.
log_touch() {
    (umask 077 && touch "$@")
    chmod 600 "$@"
}

# quietly WHAT LOGFILE COMMAND…: the output goes to the log, and to the screen only when it fails.
quietly() {
    local what=$1 log=$2 status=0
    shift 2
    log_touch "$log"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    ((status == 0)) && return 0
    step_failed
    tail -n 40 "$log" | sed 's/^/    /' >&2
    die "$what failed (status $status); its last lines are above" "whole output: $log"
}

# wait_until SECONDS COMMAND…: true as soon as the command is.
wait_until() {
    local end=$(($(now_ms) + $1 * 1000))
    shift
    until "$@"; do
        (($(now_ms) < end)) || return 1
        sleep 0.05
    done
}

# ---- KEY=value files ----

# env_read FILE ARRAY: read KEY=value lines (one pair of quotes around the value may stand).
env_read() {
    local -n ret_values=$2
    local line value
    [[ -r $1 ]] || return 0
    while IFS= read -r line || [[ $line ]]; do
        [[ $line =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || continue
        value=${line#*=}
        if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
        # shellcheck disable=SC2034 # a name reference: the caller reads it
        ret_values[${line%%=*}]=$value
    done <"$1"
}

# Replace FILE by standard input in one step (mode 0600); an unchanged file keeps its time.
write_if_changed() {
    local new
    new=$(mktemp "$1.XXXXXX")
    cat >"$new"
    if [[ -f $1 ]] && cmp -s "$new" "$1"; then
        rm -f "$new"
    else
        mv -f "$new" "$1"
    fi
}

random_hex() { openssl rand -hex "$1"; }

url_decode() {
    local text=${1//\\/\\\\}
    printf '%b' "${text//%/\\x}"
}

# url_password_apart URL: `url_plain` without the password, and `url_password`.  False: there is none in it.
# shellcheck disable=SC2034 # what is told to the caller
url_password_apart() {
    [[ $1 =~ ^(postgres(ql)?://[^:/@]+):([^/@]+)(@.*)$ ]] || return 1
    url_plain=${BASH_REMATCH[1]}${BASH_REMATCH[4]}
    url_password=$(url_decode "${BASH_REMATCH[3]}")
}

url_encode() {
    local text=$1 out='' c i
    for ((i = 0; i < ${#text}; i++)); do
        c=${text:i:1}
        [[ $c == [A-Za-z0-9._~-] ]] || printf -v c '%%%02X' "'$c"
        out+=$c
    done
    printf '%s' "$out"
}
