# shellcheck shell=bash
# sql: pgTAP tests in a scratch PostgreSQL
# budget: 90 s

level() { # [FILE…]
    scratch_start
    suite "pgTAP" "$clone/tests/sql/run" "$@"
    scratch_stop
}
