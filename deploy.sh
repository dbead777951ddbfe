#!/usr/bin/env bash
# deploy.sh: build, run, look at and test a whole system on this machine.  Each command is a file:
# .deploy/commands/NAME.sh, or .deploy/APP/commands/NAME.sh when it is the application's own.
set -euo pipefail
umask 022 # the daemons' accounts read what root writes; secrets get 077 where they are made

clone=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # nginx lives there; absent from an ordinary user's path

for part in "$clone"/.deploy/lib/*.sh; do
    # shellcheck source=.deploy/lib/base.sh
    source "$part"
done

# Set in the environment of a caller, these would reach into a system that is not theirs to steer.
unset "${!PG@}" CDPATH

FFX_HOME=$(realpath -m "${FFX_HOME:-$clone/.local}")
preset=${FFX_PRESET:-release}
# shellcheck disable=SC2034 # the library's
build_dir=$clone/build/$preset
app_choose "${APP:-}"

case ${1:-} in
'' | --help | -h) set -- help ;;
esac
command_load "$1"
shift
if [[ ${1:-} == --help ]]; then usage; else main "$@"; fi
