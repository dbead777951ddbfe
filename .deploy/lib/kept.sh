# shellcheck shell=bash
# kept: how a system was before a command that changes it: programs, settings and specs of the functions,
# nginx's configuration, run scripts, PostgreSQL's configuration, the port.  Whatever ends the command
# before the new state serves puts all of that back.  The database goes forward only.

declare -gA updated=() # FUNCTION → how it was brought to its new state
started=()             # functions that did not run before
nginx_loaded=          # nginx was told of its new configuration
kept_port=

kept_folder() { printf '%s' "$FFX_HOME/functions/.kept"; }

postgres_files() { printf '%s\n' "$(pg_data)"/{system,pg_hba,pg_ident}.conf; }

# From here to system_kept, whatever ends this script puts back what is here now.  Where nothing runs,
# nothing can be spoilt: what was begun is completed by the next call.
system_keep() {
    local kept dir file
    local -A remembered=()
    kept=$(kept_folder)
    rm -rf "$kept"
    updated=() started=() nginx_loaded=''
    supervisor_pid >/dev/null || return 0
    (umask 077 && mkdir -p "$kept"/{bin,functions,nginx,postgres,services})
    for file in "$FFX_HOME"/bin/*; do [[ ! -f $file ]] || ln "$file" "$kept/bin/"; done
    for file in "$FFX_HOME"/functions/*; do [[ ! -f $file ]] || cp -p "$file" "$kept/functions/"; done
    for file in "$FFX_HOME"/nginx/*; do [[ ! -f $file ]] || cp -p "$file" "$kept/nginx/"; done
    while read -r file; do [[ ! -f $file ]] || cp -p "$file" "$kept/postgres/"; done < <(postgres_files)
    for dir in "$FFX_HOME"/services/*/; do
        mkdir "$kept/services/$(basename "$dir")"
        for file in "$dir"run "$dir"control/t; do
            [[ ! -f $file ]] || cp -p "$file" "$kept/services/$(basename "$dir")/"
        done
    done
    service_pid postgres >"$kept/postgres.pid" || true
    env_read "$(settings_file)" remembered
    kept_port=${remembered[FFX_PORT]:-}
    trap system_put_back EXIT
}

system_kept() { # the new state serves
    trap - EXIT
    rm -rf "$(kept_folder)"
}

# files_put_back KEPT FOLDER: the files of FOLDER as they were, with their times; new ones go.
files_put_back() {
    local file name
    for file in "$2"/*; do
        [[ ! -f $file || -f $1/${file##*/} ]] || rm -f "$file"
    done
    for file in "$1"/*; do
        name=${file##*/}
        [[ ! -f $file || $file -ef $2/$name ]] || mv -f "$file" "$2/$name"
    done
}

services_put_back() { # KEPT
    local dir name
    for dir in "$FFX_HOME"/services/*/; do
        name=$(basename "$dir")
        if [[ ! -d $1/$name ]]; then
            service_remove "$name"
        else
            [[ ! -f $1/$name/run ]] || mv -f "$1/$name/run" "$dir/run"
            [[ ! -f $1/$name/t ]] || mv -f "$1/$name/t" "$dir/control/t"
        fi
    done
}

# PostgreSQL is started again only when it was started with another configuration meanwhile.
postgres_put_back() { # KEPT
    local file changed=
    while read -r file; do
        [[ -f $1/postgres/${file##*/} ]] || continue
        cmp -s "$1/postgres/${file##*/}" "$file" || changed=yes
        mv -f "$1/postgres/${file##*/}" "$file"
    done < <(postgres_files)
    [[ $changed && $(service_pid postgres || true) != "$(<"$1/postgres.pid")" ]] || return 0
    sv -w 30 restart "$(service_dir postgres)" >/dev/null || true
    wait_until 60 cluster_ready "$(pg_sockets)"
}

say_put_back() { # NAME COMMAND…
    if "${@:2}"; then
        printf '%s serves again as before\n' "$1" >&2
    else
        printf '%s does NOT serve with what it had before: ./deploy.sh logs %s\n' "$1" "$1" >&2
    fi
}

system_put_back() {
    local status=$? kept name
    trap - EXIT
    step_failed
    kept=$(kept_folder)
    if [[ $kept_port && ${settings[FFX_PORT]:-$kept_port} != "$kept_port" ]]; then
        settings_move "${settings[FFX_PORT]}" "$kept_port"
        base_url=http://127.0.0.1:$kept_port
    fi
    rm -rf "$FFX_HOME"/bin/.*.new "$FFX_HOME/nginx.new"
    files_put_back "$kept/bin" "$FFX_HOME/bin"
    files_put_back "$kept/functions" "$FFX_HOME/functions"
    files_put_back "$kept/nginx" "$FFX_HOME/nginx"
    for name in "${started[@]}"; do sv -w 12 down "$(service_dir "$name")" >/dev/null || true; done
    services_put_back "$kept/services"
    postgres_put_back "$kept" || printf 'PostgreSQL does NOT answer: ./deploy.sh logs postgres\n' >&2
    rm -rf "$kept"
    for name in "${!updated[@]}"; do say_put_back "$name" "${updated[$name]}" "$name"; done
    [[ ! $nginx_loaded ]] || say_put_back nginx nginx_load
    exit "$status"
}
