# shellcheck shell=bash
# lint: shell scripts, order of the layers, sizes, cppcheck, SQL functions, what the documents name
# budget: 40 s

shell_scripts() {
    find "$clone" \( -name .git -o -name build -o -name .local -o -name node_modules \) -prune -o \
        -type f -print0 | xargs -0 grep -lE -m1 '^#!(/usr/bin/env bash|/bin/(ba)?sh)' | sort
}

# deploy.sh and tests/run read their parts at run time; here all of them are read as one script.
parts_are_clean() { # VARIABLES FILE…: as the script that sources them sets them
    {
        printf '%s\n' '#!/usr/bin/env bash' 'set -e' "read -r $1"
        (cd "$clone" && printf 'source %s\n' "${@:2}")
    } | shellcheck -x --check-sourced --source-path="$clone" -
}

# The lock file names no host: whoever installs uses the registry that they configured.
lock_file_is_neutral() {
    ! grep -n '"resolved": "http' "$clone/tests/e2e/package-lock.json"
}

# One body per SQL function: nobody has to look for the file that made it last.
functions_are_made_once() {
    local twice
    twice=$(find "$clone/migrations/platform/sql" "$clone/migrations/$APP" -path '*/sql/*.sql' -print0 |
        xargs -0 grep -hoE '^create (or replace )?(function|procedure) [a-z_0-9.]+' |
        awk '{ print $NF }' | sort | uniq -d)
    [[ ! $twice ]] || { printf 'made twice in migrations: %s\n' "$twice"; return 1; }
}

# In a scratch database: what PostgreSQL itself would find only when a line of a function is reached.
plpgsql_is_sound() {
    local status=0
    { scratch_start && "$clone/tests/sql/check"; } || status=1
    scratch_stop
    return "$status"
}

level() {
    local script
    cd "$clone"
    while IFS= read -r script; do
        check "shellcheck ${script#"$clone"/}" shellcheck -x --source-path=SCRIPTDIR "$script"
    done < <(shell_scripts)
    check "shellcheck .deploy" parts_are_clean 'clone preset build_dir' \
        .deploy/lib/*.sh .deploy/*/app.sh .deploy/{,*/}commands/*.sh
    check "shellcheck tests/levels" parts_are_clean 'clone work APP all_levels' \
        .deploy/lib/{base,processes,cluster}.sh tests/levels/{lib/,}*.sh
    check "module order" tests/lint/layering
    check "sizes" tests/lint/sizes
    check "one body per SQL function" functions_are_made_once
    check "plpgsql_check" plpgsql_is_sound
    suite "documents" tests/docs/check
    check "lock file" lock_file_is_neutral
    check cppcheck cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
        --std=c11 --language=c --suppress=missingIncludeSystem -D_GNU_SOURCE -I common common functions
}
