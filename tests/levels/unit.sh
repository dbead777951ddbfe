# shellcheck shell=bash
# unit: C unit tests (release and sanitizer build), and what is generated from the specs
# budget: 160 s

# shellcheck source=tests/levels/lib/generated.sh
source "$clone/tests/levels/lib/generated.sh"

build_preset() {
    # shellcheck disable=SC2016 # expanded by the inner shell, which holds the lock
    flock "$clone/build/.$1.lock" bash -euc '
        cd "$1"; cmake --preset "$2" -Wno-dev; cmake --build --preset "$2"' bash "$clone" "$1"
}

level() {
    local preset bin=$clone/build/release/bin
    mkdir -p "$clone/build"
    scratch_start # for the tests of db
    for preset in release asan; do
        check "build $preset" build_preset "$preset"
        suite "ctest $preset" "$(command -v ctest)" --test-dir "$clone/build/$preset" --output-on-failure -j 2
    done
    check "docs' table of functions" "$clone/nginx/generate" --tables-check "$clone/docs/api.md" "$bin"
    check "docs' table of settings" "$clone/nginx/generate" --tables-check "$clone/docs/settings.md" "$bin"
    check "no kill points in the release" release_has_no_kill_points "$bin"
    check "OpenAPI document" openapi_is_sound "$bin"
    check "nginx accepts the generated configuration" nginx_accepts "$bin"
    check "nginx accepts the production set as a server loads it" production_nginx_accepts "$bin"
    check "production limits spare signed callbacks" signed_callbacks_are_not_limited "$bin"
    check "production serves its own host, and says nothing of others" production_serves_its_own_host "$bin"
    check "a production set over another one" leftovers_are_refused "$bin"
    check "systemd units" units_are_sound "$bin"
    scratch_stop
}
