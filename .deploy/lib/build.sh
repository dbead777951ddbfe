# shellcheck shell=bash
# build: programs from their sources, and what follows from their specs.

build() { # FUNCTION…
    (($#)) || die "there is no function to build in $clone/functions"
    mkdir -p "$clone/build"
    local name targets=()
    for name in "$@"; do targets+=("$(function_app "$name").$name"); done
    # shellcheck disable=SC2016 # expanded by the inner shell, which holds the lock
    quietly "the build" "$FFX_HOME/log/build.log" flock "$clone/build/.$preset.lock" bash -euc '
        cd "$1"; preset=$2; shift 2
        cmake --preset "$preset" -Wno-dev
        cmake --build --preset "$preset" --target "$@"' bash "$clone" "$preset" "${targets[@]}"
}

# Ask every binary what it is and write its settings file.
specs_read() { # FUNCTION…
    local name spec
    for name in "$@"; do
        spec=$("$(function_built "$name")" --spec) || die "$name --spec failed"
        jq -e --arg folder "$(function_folder "$name")" '"functions/\(.app)/\(.name)" == $folder' <<<"$spec" >/dev/null ||
            die "$(function_folder "$name") calls itself by another application or name in its spec"
        printf '%s\n' "$spec" >"$FFX_HOME/functions/$name.json"
        function_env_make "$name" "$spec"
    done
    settings_known
}
