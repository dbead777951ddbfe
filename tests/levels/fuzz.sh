# shellcheck shell=bash
# fuzz: every fuzz harness for two seconds, two at a time
# budget: 60 s

# Half of the budget is for building them.
level() { suite "fuzz" "$clone/tests/fuzz/run" 2; }
