# shellcheck shell=bash
# packages: what Debian has to provide, and installing what is missing.

# libcmocka-dev is here too: CMake configures the unit tests together with the functions.
packages_up=(build-essential cmake ninja-build pkg-config git
    libfcgi-dev libpq-dev libcjson-dev libcurl4-openssl-dev libssl-dev libqrencode-dev zlib1g-dev libcrypt-dev libargon2-dev
    libcmocka-dev
    postgresql-15 nginx-light runit jq curl openssl perl procps ca-certificates)
packages_node=(nodejs npm)
packages_test=(postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl
    postgresql-15-plpgsql-check "${packages_node[@]}" clang libclang-rt-14-dev shellcheck cppcheck)
packages_bench=(nodejs wrk)

package_missing() {
    local status
    case $1 in
    nginx-light) ! command -v nginx >/dev/null && return 0 || return 1 ;; # any nginx will do
    nodejs) ! command -v node >/dev/null && return 0 || return 1 ;;
    npm) ! command -v npm >/dev/null && return 0 || return 1 ;;
    esac
    # shellcheck disable=SC2016 # dpkg-query's own format language
    status=$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) || return 0
    [[ $status != installed ]]
}

# packages_ensure NAME…: install what is missing as root, else say what to ask for.
packages_ensure() {
    command -v dpkg-query >/dev/null ||
        die "this is not a Debian system" "deploy.sh is made for Debian 12 (bookworm)."
    local missing=() name
    ((EUID != 0)) || packages_tidy
    for name in "$@"; do
        if package_missing "$name"; then missing+=("$name"); fi
    done
    packages_installed=${#missing[@]}
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        die "${#missing[@]} packages are missing: ${missing[*]}" \
            "Ask an administrator for:" \
            "  apt-get install --no-install-recommends ${missing[*]}"
    fi
    printf ' installing %s …' "${missing[*]}"
    packages_install "${missing[@]}"
}

policy_file=/usr/sbin/policy-rc.d
cluster_file=/etc/postgresql-common/createcluster.d/ffx-none.conf

# What an installation that was killed has left behind.  Its policy takes itself away whenever it is
# asked and its maker is gone, by dpkg or by us; while the maker is there, all stays.
packages_tidy() {
    if grep -qs '^# Made by deploy.sh' "$policy_file"; then sh "$policy_file" || return 0; fi
    rm -f "$cluster_file"
    rmdir --ignore-fail-on-non-empty "$(dirname "$cluster_file")" 2>/dev/null || true
}

policy_text() { # PID
    cat <<-POLICY
		#!/bin/sh
		# Made by deploy.sh for the length of an installation: nothing of it starts by itself.
		# Its maker is the process $1 of this start time; without it this is left over, and goes.
		[ "\$(awk '\$3 != "Z" { print \$22 }' /proc/$1/stat 2>/dev/null)" = $(awk '{ print $22 }' "/proc/$1/stat") ] && exit 101
		rm -f "\$0"
		exit 0
	POLICY
}

# While packages install, nothing of theirs may start: no system nginx, no default PostgreSQL
# cluster, no runit.  Both switches are ours only for these moments.
packages_install() (
    local log made_policy=
    log=$FFX_HOME/log/packages.log
    mkdir -p "$FFX_HOME/log"
    # shellcheck disable=SC2317 # called by the trap
    undo() {
        [[ ! $made_policy ]] || rm -f "$policy_file"
        packages_tidy
    }
    trap undo EXIT
    trap 'exit 130' INT TERM
    if [[ ! -e $policy_file ]]; then
        policy_text "$BASHPID" >"$policy_file"
        chmod 755 "$policy_file"
        made_policy=1
    fi
    mkdir -p "$(dirname "$cluster_file")"
    echo 'create_main_cluster = false' >"$cluster_file"

    export DEBIAN_FRONTEND=noninteractive
    local install=(apt-get install -y --no-install-recommends
        -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold "$@")
    # A fresh machine has no package lists, an old one stale ones: fetch them when it fails.
    if ! "${install[@]}" >"$log" 2>&1 </dev/null; then
        quietly "apt-get update" "$log.update" apt-get update
        quietly "apt-get install" "$log" "${install[@]}"
    fi
)
