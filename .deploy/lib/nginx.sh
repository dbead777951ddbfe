# shellcheck shell=bash
# nginx: its configuration, made from the specs of the binaries, and its start.

# nginx's configuration from the specs of the binaries.
nginx_make() { # BIN_DIR FUNCTION…
    local new=$FFX_HOME/nginx.new
    rm -rf "$new"
    "$clone/nginx/generate" --port "${settings[FFX_PORT]}" --home "$FFX_HOME" "$1" "$new" "${@:2}" ||
        die "nginx/generate failed"
    if ! diff -rq --exclude=temp "$new" "$FFX_HOME/nginx" >/dev/null 2>&1; then
        mkdir -p "$FFX_HOME/nginx"
        cp -r "$new/." "$FFX_HOME/nginx/" # put back when anything goes wrong from here on: kept.sh
    fi
    rm -rf "$new"
    become www-data "$FFX_HOME"
    "${as[@]}" nginx -t -q -c "$FFX_HOME/nginx/nginx.conf" -e "$(service_log nginx)" 2>"$FFX_HOME/log/nginx-test.log" ||
        die "nginx refuses its configuration" "$(cat "$FFX_HOME/log/nginx-test.log")"
}

nginx_answers() { curl -s --noproxy '*' --max-time 5 -o /dev/null "$base_url/"; }

# Let a running nginx read its configuration, or begin anew with its run script; false when it then
# does not answer.
nginx_load() {
    if service_outdated nginx; then
        sv -w 15 restart "$(service_dir nginx)" >/dev/null || true
    else
        sv hup "$(service_dir nginx)" >/dev/null || return 1
    fi
    wait_until 10 nginx_answers
}

nginx_start() {
    local loaded
    loaded=$(service_dir nginx)/loaded # as young as the configuration that nginx has read
    if [[ $(service_pid nginx) ]] && {
        service_outdated nginx ||
            [[ $(find "$FFX_HOME/nginx" -maxdepth 1 -name '*.conf' -newer "$loaded" 2>&1) ]]
    }; then
        nginx_loaded=yes
        nginx_load || die "nginx does not answer on its new configuration" "log: $(service_log nginx)"
    fi
    services_start nginx
    touch "$loaded"
}
