# shellcheck shell=bash
# apps: a small application, built and run without anything of another
# budget: 40 s

level() { suite "applications" "$clone/tests/apps/run" "$@"; }
