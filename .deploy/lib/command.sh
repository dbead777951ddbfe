# shellcheck shell=bash
# command: the commands of deploy.sh.  The file of one defines `main`; its usage is the comment at its
# head, whose line after "Usage:" sums it up for `help`.

# command_path NAME: its file; an application's takes the place of the platform's.  False: there is none.
command_path() {
    local file
    [[ $1 =~ ^[a-z-]+$ ]] || return 1
    for file in "$clone/.deploy/$APP/commands/$1.sh" "$clone/.deploy/commands/$1.sh"; do
        [[ ! -f $file ]] || { printf '%s' "$file" && return; }
    done
    return 1
}

# command_load NAME: reads its file, whose usage is at hand from now on.
command_load() {
    command_file=$(command_path "$1") || {
        "$clone/deploy.sh" help >&2
        die "there is no command '$1'"
    }
    # shellcheck source=/dev/null
    source "$command_file"
}

usage() { sed -n '1d; /^#/!q; s/^# \{0,1\}//p' "$command_file"; }

# refuse MESSAGE: what the caller wrote is no call of this command.
refuse() {
    printf 'error: %s\n' "$1" >&2
    usage >&2
    exit 2
}

no_arguments() { (($# == 0)) || refuse "unknown argument '$1'"; } # "$@" of a command that takes none
