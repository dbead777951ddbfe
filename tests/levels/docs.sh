# shellcheck shell=bash
# docs: the commands of README.md and docs/ on a scratch system
# budget: 60 s

level() { suite "docs" "$clone/tests/docs/run" "$@"; }
