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
        cp -r "$new/." "$FFX_HOME/nginx/"
    fi
    rm -rf "$new"
    become www-data "$FFX_HOME"
    "${as[@]}" nginx -t -q -c "$FFX_HOME/nginx/nginx.conf" -e "$(service_log nginx)" 2>"$FFX_HOME/log/nginx-test.log" ||
        die "nginx refuses its configuration" "$(cat "$FFX_HOME/log/nginx-test.log")"
}

nginx_answers() { curl -s --noproxy '*' --max-time 5 -o /dev/null "$base_url/"; }

nginx_start() {
    local loaded
    loaded=$(service_dir nginx)/loaded # as young as the configuration that nginx has read
    if [[ $(service_pid nginx) ]]; then
        if service_outdated nginx; then
            sv -w 15 restart "$(service_dir nginx)" >/dev/null || true
            wait_until 10 nginx_answers || die "nginx did not restart" "log: $(service_log nginx)"
        elif [[ $(find "$FFX_HOME/nginx" -maxdepth 1 -name '*.conf' -newer "$loaded" 2>&1) ]]; then
            sv hup "$(service_dir nginx)" >/dev/null
        fi
    fi
    services_start nginx
    touch "$loaded"
}
