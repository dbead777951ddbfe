# shellcheck shell=bash
# counting: checks and suites of a level, counted in level_passed and level_failed.  Sourced by
# tests/run; `work` is set.

# check NAME COMMAND…: one test; its output is shown only when it fails.
check() {
    local name=$1
    shift
    if "$@" >"$work/check.log" 2>&1 </dev/null; then
        level_passed=$((level_passed + 1))
    else
        level_failed=$((level_failed + 1))
        printf '  not ok: %s\n' "$name"
        tail -n 40 "$work/check.log" | sed 's/^/    /'
    fi
}

# suite NAME COMMAND…: a program with many tests; they are counted from its output.
suite() {
    local name=$1 log=$work/suite.log status=0 good bad
    shift
    if [[ ! -x $1 ]]; then
        printf '  not ok: %s: %s is not there\n' "$name" "$1"
        level_failed=$((level_failed + 1))
        return
    fi
    "$@" >"$log" 2>&1 </dev/null || status=$?
    read -r good bad < <(count_results "$log")
    # An exit status other than 0 is a failure, whatever was counted; so is a suite without tests.
    if ((status != 0 && bad == 0)); then bad=1; fi
    if ((status == 0 && good + bad == 0)); then
        printf '  not ok: %s ran no test\n' "$name"
        bad=1
    fi
    level_passed=$((level_passed + good))
    level_failed=$((level_failed + bad))
    if ((bad > 0)); then
        printf '  not ok: %s (exit status %s)\n' "$name" "$status"
        grep -nE '^ *not ok|^# +Failed|FAILED|ERROR|Error:|✖' "$log" | head -n 40 | sed 's/^/    /' || true
        printf '    … its last lines:\n'
        tail -n 40 "$log" | sed 's/^/    /'
    fi
}

# "PASSED FAILED" from a last line that says so, from the summary of ctest, node --test or pg_prove,
# or else from TAP lines.
count_results() {
    awk '
        /tests passed, [0-9]+ tests failed out of [0-9]+/ {
            ctest = 1; bad_c += $4; good_c += $NF - $4 }
        /^(#|ℹ) pass [0-9]+/ { node = 1; good_n += $3 }
        /^(#|ℹ) (fail|cancelled) [0-9]+/ { node = 1; bad_n += $3 }
        /^Files=[0-9]+, Tests=[0-9]+/ { prove = 1; split($2, part, "[=,]"); total_p += part[2] }
        /Failed [0-9]+\/[0-9]+ subtests/ { split($0, part, /Failed |\//); bad_p += part[2] }
        /^ok / { good_t++ }
        /^not ok / { bad_t++ }
        /(^|: )[0-9]+ passed, [0-9]+ failed$/ { plain = 1; good_l = $(NF - 3); bad_l = $(NF - 1) }
        END {
            if (plain) print good_l, bad_l
            else if (ctest) print good_c + 0, bad_c + 0
            else if (node) print good_n + 0, bad_n + 0
            else if (prove) print total_p - bad_p + good_t, bad_p + bad_t
            else print good_t + 0, bad_t + 0
        }' "$1"
}
