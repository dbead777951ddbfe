# shellcheck shell=bash
# fuzz: every fuzz harness for five seconds
# budget: 60 s

level() { suite "fuzz" "$clone/tests/fuzz/run" 5; }
