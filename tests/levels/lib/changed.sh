# shellcheck shell=bash
# changed: which levels and files a change can affect, by tests/levels/changed-table.  Sourced by
# tests/run; `clone` and `all_levels` are set.

declare -gA chosen=() # level -> its files, or nothing: all of them

changed_paths() { # REV: since it, with what is not committed
    git -C "$clone" diff --name-only --no-renames "$1" --
    git -C "$clone" ls-files --others --exclude-standard
}

# The line of the table that a path fits, with what its pattern matched.
changed_affects() { # PATH
    local pattern what n
    while read -r pattern what; do
        [[ $pattern && $pattern != \#* && $1 =~ ^$pattern$ ]] || continue
        for n in 1 2; do what=${what//"\\$n"/${BASH_REMATCH[n]:-}}; done
        printf '%s\n' "$what"
        return
    done <"$clone/tests/levels/changed-table"
    printf '%s\n' "${all_levels[*]}"
}

# Fills `chosen` and says what and why.
changed_choose() { # [REV]
    local rev=$1 path affects one level file
    [[ $rev ]] || rev=$(git -C "$clone" merge-base main HEAD) || die "there is no branch main" "tests/run --changed REV"
    git -C "$clone" rev-parse --verify --quiet "$rev^{commit}" >/dev/null || die "'$rev' is no commit"
    say "changed since $(git -C "$clone" log -1 --format='%h (%s)' "$rev"):"
    while IFS= read -r path; do
        affects=$(changed_affects "$path")
        say "  $path: $affects"
        for one in $affects; do
            level=${one%%:*}
            file=${one#"$level"}
            file=${file#:}
            if [[ ! $file ]]; then
                chosen[$level]=
            elif [[ ! -v chosen[$level] || ${chosen[$level]} ]]; then
                # A file that is gone affects nothing; one that was named stands there once.
                file=$clone/tests/${level%-asan}/$file
                [[ ! -e $file || " ${chosen[$level]:-} " == *" $file "* ]] || chosen[$level]+="$file "
            fi
        done
    done < <(changed_paths "$rev" | sort -u)
    ((${#chosen[@]})) || say "  nothing that a test looks at"
}
