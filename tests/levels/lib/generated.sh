# shellcheck shell=bash
# generated: what is made from the specs of the functions: OpenAPI document, nginx, systemd units.
# Sourced by the level unit; `clone`, `work` and APP are set.

openapi_is_sound() { # BIN_DIR
    "$clone/nginx/generate" --openapi http://127.0.0.1:1 "$1" | jq -e '
        .openapi == "3.0.3" and (.paths | length > 0)
        and all(.paths[][]; .operationId and .summary and (.responses | length > 0))
        and ([.paths[][].operationId] | length == (unique | length))
        and ([.. | objects | ."$ref"? // empty] | all(. == "#/components/schemas/Error"))
        and ([.paths[][].security[] | keys[]] - (.components.securitySchemes | keys) == [])'
}

release_has_no_kill_points() { # BIN_DIR
    ! grep -l 'kill-at' "$1"/*/*
}

nginx_accepts() { # BIN_DIR
    local home=$work/nginx-home
    mkdir -p "$home"/{run,log,nginx/temp}
    "$clone/nginx/generate" --home "$home" --port 54321 "$1" "$home/nginx"
    nginx -t -c "$home/nginx/nginx.conf" -e "$home/log/nginx.log"
}

# What a system consists of is nothing of ours: names, routes and files follow from the specs.
specs() { # BIN_DIR FILTER: of each function that production has
    local program
    for program in "$1"/{platform,"$APP"}/*; do
        [[ $program == "$1/platform/"* && -e $1/$APP/${program##*/} ]] || "$program" --spec
    done | jq -r "select(.dev_only | not) | $2"
}

# The production set as docs/production.md installs it: paths and ports are this test's, the rest is
# what a server loads.
production_make() { # BIN_DIR HOME PORT
    local bin=$1 home=$2 port=$3 conf_dir=$2/etc/$APP file
    mkdir -p "$home"/{log,temp,conf.d,sites-enabled} "$conf_dir"
    for file in client_body proxy fastcgi uwsgi scgi; do
        echo "${file}_temp_path $home/temp/$file;"
    done >"$home/conf.d/temp.conf"
    "$clone/nginx/generate" --production api.example.com "$bin" "$home/production"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=api.example.com \
        -keyout "$home/privkey.pem" -out "$home/fullchain.pem"
    for file in "$home"/production/nginx/*; do
        sed -e "s|/etc/nginx/$APP|$conf_dir|g" -e "s|/var/log/nginx|$home/log|g" \
            -e "s|/etc/letsencrypt/live/api.example.com|$home|g" -e '/listen \[::\]/d' \
            -e "s|listen 443 |listen 127.0.0.1:$port |" -e "s|listen 80\\b|listen unix:$home/http.sock|" \
            "$file" >"$conf_dir/$(basename "$file")"
    done
    ln -sf "$conf_dir/site.conf" "$home/sites-enabled/$APP"
    sed -e "s|/var/log/nginx|$home/log|g" -e "s|/run/nginx.pid|$home/nginx.pid|" \
        -e "s|/etc/nginx/conf.d/|$home/conf.d/|" -e "s|/etc/nginx/sites-enabled/|$home/sites-enabled/|" \
        -e "s|/etc/nginx/$APP|$conf_dir|g" -e '/modules-enabled/d' -e '/^user /d' \
        "$home/production/nginx/main.conf" >"$home/nginx.conf"
}

production_nginx() { # HOME [ARGUMENT…]
    nginx -p "$1" -c "$1/nginx.conf" -e "$1/log/error.log" "${@:2}"
}

production_nginx_accepts() { # BIN_DIR
    local home=$work/production-test
    production_make "$1" "$home" 20443 >/dev/null 2>&1
    production_nginx "$home" -t && production_nginx "$home" -T 2>/dev/null | grep -c '^# configuration file .*/etc/'"$APP"/
}

production_nginx_start() { # BIN_DIR HOME: sets `port`, a free one
    local tries=20
    while ((tries-- > 0)); do
        port=$((20000 + RANDOM % 12000))
        production_make "$1" "$2" "$port" >/dev/null 2>&1
        production_nginx "$2" 2>/dev/null && return 0
    done
    tail -n 5 "$2/log/error.log"
    return 1
}

site() { # PORT PATH [curl arguments]
    curl -sk --noproxy '*' --resolve "api.example.com:$1:127.0.0.1" "https://api.example.com:$1$2" "${@:3}"
}

# statuses PORT PATH: how often which status comes back when one address asks 300 times at once.
# No function runs: what nginx lets through is a 502.
statuses() {
    site "$1" "$2?n=[1-300]" --max-time 60 -X POST -d '' -o /dev/null -w '%{http_code}\n' | sort | uniq -c
}

signed_callbacks_are_not_limited() { # BIN_DIR
    local home=$work/production-run bin=$1 port route first result=0
    production_nginx_start "$bin" "$home" || return 1
    for route in $(specs "$bin" 'select(.route and any(.routes[].who[]; . == "signature")) | .route'); do
        statuses "$port" "$route" | tee "$work/statuses"
        [[ $(awk '{ print $2 }' "$work/statuses") == 502 ]] || result=1
        # Another spelling of the address that nginx would take for the same is limited.
        printf -v first '%%%02X' "'${route##*/}"
        statuses "$port" "${route%/*}/$first${route##*/?}" | tee "$work/statuses"
        grep -q ' 429$' "$work/statuses" || result=1
    done
    route=$(specs "$bin" 'select(.route and all(.routes[].who[]; . != "signature")) | .route' | head -n 1)
    statuses "$port" "$route" | tee "$work/statuses"
    grep -q ' 429$' "$work/statuses" || result=1
    kill -QUIT "$(<"$home/nginx.pid")"
    wait_until 10 test ! -e "$home/nginx.pid"
    return "$result"
}

# What a client calls the server decides nothing, and what nginx says itself is as safe as the rest.
production_serves_its_own_host() { # BIN_DIR
    local home=$work/production-host port answer
    production_nginx_start "$1" "$home" || return 1
    stop_nginx() { kill -QUIT "$(<"$home/nginx.pid")" && wait_until 10 test ! -e "$home/nginx.pid"; }
    plain() { curl -si --noproxy '*' --max-time 5 --unix-socket "$home/http.sock" -H "Host: $1" "http://x$2"; }
    local result=0
    answer=$(plain api.example.com '/x?a=1')
    grep -qix $'location: https://api.example.com/x?a=1\r' <<<"$answer" || { echo "redirect: $answer"; result=1; }
    answer=$(plain other.example /x) && { echo "http served another host: $answer"; result=1; }
    answer=$(site "$port" /x -i)
    grep -qi '^strict-transport-security: max-age=' <<<"$answer" || { echo "no HSTS: $answer"; result=1; }
    grep -q '404' <<<"${answer%%$'\n'*}" || { echo "not 404: $answer"; result=1; }
    answer=$(site "$port" /x -X OPTIONS -i)
    grep -qi '^strict-transport-security: max-age=' <<<"$answer" || { echo "no HSTS: $answer"; result=1; }
    answer=$(site "$port" /x -H 'Host: other.example' -w '%{http_code}')
    [[ $answer == '{"success":false,"error":"This host is not served here"}421' ]] || { echo "421: $answer"; result=1; }
    answer=$(curl -si --noproxy '*' --max-time 5 -H 'Host: api.example.com' "http://127.0.0.1:$port/x")
    [[ $answer == *'400'*'{"success":false,"error":"Bad request"}' ]] || { echo "plain HTTP: $answer"; result=1; }
    ! curl -sk --noproxy '*' --resolve "other.example:$port:127.0.0.1" "https://other.example:$port/" ||
        { echo 'a certificate for another host'; result=1; }
    site "$port" '/functions/v1/check-payment-status?userId=who-is-it' >/dev/null
    site "$port" '/functions/v1/check-payment-status?userId=who-is-it&n=[1-200]' >/dev/null
    stop_nginx || result=1
    ! grep -H who-is-it "$home"/log/* || result=1
    grep -q '"path":"/functions/v1/check-payment-status","status":502' "$home/log/$APP.access.log" || result=1
    return "$result"
}

leftovers_are_refused() { # BIN_DIR
    local out=$work/production-again
    "$clone/nginx/generate" --production api.example.com "$1" "$out" &&
        "$clone/nginx/generate" --production api.example.com "$1" "$out" && # again is no harm
        touch "$out/bin/of-an-earlier-release" &&
        ! "$clone/nginx/generate" --production api.example.com "$1" "$out" 2>"$work/refused" &&
        grep 'of-an-earlier-release is of no function' "$work/refused"
}

units_are_sound() { # BIN_DIR: systemd itself reads them, where it is installed
    local out=$work/production
    "$clone/nginx/generate" --production api.example.com "$1" "$out"
    # A service for each function, a socket where it has a route; nothing of those for development.
    diff <(specs "$1" '"fn-\(.name).service", (select(.route) | "fn-\(.name).socket")' | sort -u) \
        <(find "$out/systemd" -type f -printf '%f\n' | sort)
    command -v systemd-analyze >/dev/null || return 0
    # What cannot be there on this machine (the binaries, the accounts) is not what is tested.
    ! systemd-analyze verify "$out"/systemd/* 2>&1 |
        grep -vE 'is not executable|Failed to resolve (user|group)|network-online|sysinit|No such file' | grep .
}
