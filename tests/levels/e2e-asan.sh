# shellcheck shell=bash
# e2e-asan: the same with AddressSanitizer and UndefinedBehaviorSanitizer
# budget: 420 s

# tests/e2e/run counts what the sanitizers report in the logs.
level() { FFX_PRESET=asan suite "end to end (sanitizers)" "$clone/tests/e2e/run" "$@"; } # [FILE|FOLDER…]
