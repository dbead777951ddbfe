# shellcheck shell=bash
# e2e: end to end: nginx, PostgreSQL, functions, real clients
# budget: 440 s

level() { suite "end to end" "$clone/tests/e2e/run" "$@"; } # [FILE|FOLDER…]
