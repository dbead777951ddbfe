# shellcheck shell=bash
# pages: the documents and the shell blocks in them.  Sourced by tests/docs/check and tests/docs/run;
# `clone` is set.
#
# A shell block says behind its ```sh what becomes of it: `run`, or `check: WHY` when it cannot run here.

pages=(README.md docs/*.md) # in $clone

# blocks PAGE run|check FOLDER: writes each such block to FOLDER/LINE.
blocks() {
    awk -v kind="$2" -v folder="$3" '
        /^```/ && !open { open = 1; sub(/:.*/, "", $2); wanted = $1 == "```sh" && $2 == kind; file = folder "/" NR; next }
        /^```/ { open = 0; wanted = 0; next }
        wanted { print > file }' "$1"
}
