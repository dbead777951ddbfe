# shellcheck shell=bash
# Usage: ./deploy.sh test [LEVEL…|--changed [REV]]
# lint unit sql apps docs fuzz kills e2e e2e-asan (default: all)
#
# Levels, from cheap to dear: lint unit sql apps docs fuzz kills e2e e2e-asan.  Default: all of them.
# --changed runs what the changes since REV can affect, those that are not committed included, and says
# why (default: since this branch left main).
# Every level makes what it needs and removes it; a running system is not touched.
# The last line reads "tests: N passed, N failed".

main() {
    packages_ensure "${packages_up[@]}" "${packages_test[@]}"
    exec "$clone/tests/run" "$@"
}
