# shellcheck shell=bash
# kills: processes die at points between statements and outside calls (FFX_LONG=1: at all)
# budget: 80 s

# In a build of its own, which knows where it may be killed.
level() { FFX_PRESET=killpoints suite "kill points" "$clone/tests/e2e/run" "$clone"/tests/e2e/system/{kill-points,spool-kills}.test.mjs; }
