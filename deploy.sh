#!/usr/bin/env bash
# deploy.sh: build, run, look at and test a whole FlashFundX system on this machine.
set -euo pipefail
umask 022 # the daemons' accounts read what root writes; secrets get 077 where they are made

clone=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # nginx lives there; absent from an ordinary user's path

# shellcheck source=.deploy/lib.sh
source "$clone/.deploy/lib.sh"
# shellcheck source=.deploy/packages.sh
source "$clone/.deploy/packages.sh"
# shellcheck source=.deploy/settings.sh
source "$clone/.deploy/settings.sh"
# shellcheck source=.deploy/database.sh
source "$clone/.deploy/database.sh"
# shellcheck source=.deploy/services.sh
source "$clone/.deploy/services.sh"
# shellcheck source=.deploy/demo.sh
source "$clone/.deploy/demo.sh"
# shellcheck source=.deploy/payments.sh
source "$clone/.deploy/payments.sh"
# shellcheck source=.deploy/credentials.sh
source "$clone/.deploy/credentials.sh"
# shellcheck source=.deploy/selftest.sh
source "$clone/.deploy/selftest.sh"

# Set in the environment of a caller, these would reach into a system that is not theirs to steer.
unset "${!PG@}" CDPATH

export APP=${APP:-flashfundx} # the application that the system runs beside the platform
FFX_HOME=$(realpath -m "${FFX_HOME:-$clone/.local}")
preset=${FFX_PRESET:-release}
build_dir=$clone/build/$preset

usage() {
    cat <<'TEXT'
Usage: ./deploy.sh COMMAND [ARGUMENTS]

  up               install, build, migrate and start everything; harmless when it runs
  down             stop everything
  status           one line per part: running, pid, workers, memory
  logs [NAME] [-f] last log lines of all parts or of one; -f follows
  demo             sell one account, step by step, and show it
  payment ID       one payment's whole history, as text or --json
  reconcile [DAYS] compare provider and books now, print what differs
  deploy [NAME…]   rebuild functions (default: all) and replace them under load
  migrate          apply new migrations
  replay [ID…]     send mails again: by id, or --dead for all that were given up
  psql [ARGS…]     psql as the owner of the database, with the keys of trading passwords
  rotate-keys      store all trading passwords under a new key
  selftest WHAT    payments, histories: a scratch system under fire; which promises it kept
  test [LEVEL…]    lint unit sql fuzz kills e2e e2e-asan (default: all)
  bench [OPTIONS]  measure a scratch system and what limits it
  help [COMMAND]   this text, or the text of one command

Environment:
  FFX_HOME    folder of the system         (default: .local beside deploy.sh)
  FFX_PORT    port of nginx on 127.0.0.1   (default: the last one, at first 54321)
  FFX_PRESET  CMake preset: release, asan  (default: release)

Several systems with different folders and ports can run side by side.
TEXT
}

usage_of() {
    case $1 in
    up) cat <<'TEXT' ;;
Usage: ./deploy.sh up
Brings the whole system up on 127.0.0.1 and waits until it is healthy: packages, build, settings,
database, migrations, sample stock (first time only), nginx and all functions.
Calling it again completes what is missing, replaces functions whose binary changed and restarts
those whose settings in $FFX_HOME/env changed.  As an ordinary user it names missing packages
instead of installing them.
TEXT
    down) cat <<'TEXT' ;;
Usage: ./deploy.sh down
Stops nginx, the functions and the database of this system, in this order, also after a crash.
Settings and data stay in $FFX_HOME.
TEXT
    status) cat <<'TEXT' ;;
Usage: ./deploy.sh status
One line per part: state, process id, seconds since its start, workers, memory (PSS).
Ends with status 1 when something is down.
TEXT
    logs) cat <<'TEXT' ;;
Usage: ./deploy.sh logs [NAME] [-f]
Shows the last 50 lines of every part's log, or of one: a function, nginx, access, postgres,
supervisor.  -f keeps following.
TEXT
    demo) cat <<'TEXT' ;;
Usage: ./deploy.sh demo
Sells one account on the running system and prints every step: a customer, an order, the checkout,
the payment in the NOWPayments sandbox, the delivered credentials.  May be repeated.
  FFX_DEMO_TYPE      instant, hft, one_step, two_step  (default: two_step)
  FFX_DEMO_SIZE      1000 … 500000                     (default: 10000)
  FFX_DEMO_PLATFORM  mt4, mt5                          (default: mt5)
TEXT
    payment) cat <<'TEXT' ;;
Usage: ./deploy.sh payment ID [--json]
Everything that is known about a payment, in order: attempts, events with their raw bodies,
transitions, bookings, delivery (credentials masked), reviews, mails, what staff did.
ID is an order id (FFX…), a payment id or an invoice id.
TEXT
    reconcile) cat <<'TEXT' ;;
Usage: ./deploy.sh reconcile [DAYS]
Has the function `reconcile` compare provider and books now, for everything that changed in the last
DAYS (default 7; 0.5 is twelve hours), waits until it is through and prints what was healed and what
differs.  Ends with status 1 while differences are open.
TEXT
    deploy) cat <<'TEXT' ;;
Usage: ./deploy.sh deploy [NAME…]
Rebuilds, checks the new binary with its settings, replaces it and waits until new workers answer,
without losing a request.  When they do not get ready the old binary is put back.
TEXT
    migrate) cat <<'TEXT' ;;
Usage: ./deploy.sh migrate
Applies the migrations that this database has not seen.  A changed applied file is refused by name.
TEXT
    replay) cat <<'TEXT' ;;
Usage: ./deploy.sh replay [ID…|--dead]
Puts mails of the table outbox back to be sent: sent or dead ones by id, or with --dead all that
were given up.  Without arguments it lists the dead ones.  A dead mail is sent as the same message,
for it may have arrived; one that was sent goes out as a new message.
TEXT
    psql) cat <<'TEXT' ;;
Usage: ./deploy.sh psql [ARGUMENTS]
psql as the owner of this system's database; arguments go to psql, for example -c 'select 1'.
The session has the keys of the stored trading passwords: accounts are inserted with their plain
passwords, which are encrypted at once, and shown by
  select login_id, reveal_credential(container_account_id, 'password', password)
    from delivered_accounts where order_id = 'FFX…'            -- account_container: id instead
which is recorded in credential_reveals.
TEXT
    rotate-keys) cat <<'TEXT' ;;
Usage: ./deploy.sh rotate-keys
Makes a new key for the stored trading passwords, gives it to the functions, stores every password
under it and says how far it is, then retires the old key.  Interrupted, it goes on where it was
when it is called again.
TEXT
    selftest) cat <<'TEXT' ;;
Usage: ./deploy.sh selftest payments|histories [--seed N] [--histories N]
Brings up a system of its own in a folder under /tmp and on a free port, puts it under fire, prints
which promises about money it kept, and removes it.  The user's system is not touched.
  payments   sales under each fault of the provider, a comparison of provider and books, random
             payment histories, and histories while workers are killed and PostgreSQL crashes
  histories  only random payment histories; 10,000 take a few minutes
  --seed N       the first history's seed (default 20261121); the next have N + 1, N + 2 …
  --histories N  how many (default 300)
Ends with status 1 when a promise is broken; then it prints the history, by its seed, with its
events and the state of its order, and keeps the system for a look.
TEXT
    test) cat <<'TEXT' ;;
Usage: ./deploy.sh test [LEVEL…]
Levels, from cheap to dear: lint unit sql fuzz kills e2e e2e-asan.  Default: all of them.
Every level makes what it needs and removes it; a running system is not touched.
The last line reads "tests: N passed, N failed".
TEXT
    bench) "$clone/tests/bench/run" --help ;;
    *) usage ;;
    esac
}

# ---- the folder of the system ----

check_home() {
    [[ $FFX_HOME =~ ^[A-Za-z0-9\ ._/+@-]+$ ]] ||
        die "the folder $FFX_HOME has characters that nginx or PostgreSQL would misread" \
            "Choose one of letters, digits, spaces and . _ + @ - with FFX_HOME."
    # A unix socket's path has at most 107 bytes; the longest here is run/NAME.sock.PID.
    ((${#FFX_HOME} <= 64)) ||
        die "the folder $FFX_HOME is too deep for unix sockets (${#FFX_HOME} characters, at most 64)" \
            "Choose a shorter one: FFX_HOME=\$HOME/.ffx ./deploy.sh up"
    if command -v jq >/dev/null && ! jq -e --arg p "$preset" '.buildPresets[] | select(.name == $p)' \
        "$clone/CMakePresets.json" >/dev/null; then
        die "FFX_PRESET=$preset is not in CMakePresets.json"
    fi
}

home_make() {
    check_home
    [[ -d $FFX_HOME ]] || (umask 066 && mkdir -p "$FFX_HOME") || die "$FFX_HOME cannot be made"
    [[ -w $FFX_HOME ]] || die "$FFX_HOME is not yours to write" "Choose another folder with FFX_HOME."
    mkdir -p "$FFX_HOME"/{log,bin,services}
    (umask 077 && mkdir -p "$FFX_HOME/functions")
    # Statements that fail are logged, whatever they hold.  The daemons pass through to their own files.
    chmod 711 "$FFX_HOME/log"
}

# Folders that the daemons write to; their accounts exist once the packages are there.
home_give() {
    mkdir -p "$FFX_HOME"/run "$FFX_HOME"/nginx/temp
    mkdir -p "$(pg_sockets)"
    log_touch "$(service_log nginx)" "$(service_log access)"
    give www-data "$FFX_HOME/run" "$FFX_HOME/nginx/temp" "$(service_log nginx)" "$(service_log access)"
    give postgres "$(pg_sockets)"
}

# One command at a time changes a system.
lock_system() {
    exec {lock_fd}>"$FFX_HOME/.lock"
    flock -w 300 "$lock_fd" || die "another deploy.sh is at work on $FFX_HOME" "Try again when it is done."
}
# ---- parts of up and deploy ----

build() { # FUNCTION…
    (($#)) || die "there is no function to build in $clone/functions"
    mkdir -p "$clone/build"
    local name targets=()
    for name in "$@"; do targets+=("$(function_app "$name").$name"); done
    # shellcheck disable=SC2016 # expanded by the inner shell, which holds the lock
    quietly "the build" "$FFX_HOME/log/build.log" flock "$clone/build/.$preset.lock" bash -euc '
        cd "$1"; preset=$2; shift 2
        cmake --preset "$preset" -Wno-dev
        cmake --build --preset "$preset" --target "$@"' bash "$clone" "$preset" "${targets[@]}"
}

# Ask every binary what it is and write its settings file.
specs_read() { # FUNCTION…
    local name spec
    for name in "$@"; do
        spec=$("$(function_built "$name")" --spec) || die "$name --spec failed"
        jq -e --arg folder "$(function_folder "$name")" '"functions/\(.app)/\(.name)" == $folder' <<<"$spec" >/dev/null ||
            die "$(function_folder "$name") calls itself by another application or name in its spec"
        printf '%s\n' "$spec" >"$FFX_HOME/functions/$name.json"
        function_env_make "$name" "$spec"
    done
}

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

database_start() {
    cluster_init "$(pg_data)" "$FFX_HOME/log/initdb.log"
    cluster_configure "$(pg_data)" "$(pg_sockets)"
    supervisor_start
    if [[ ! $(service_pid postgres) ]]; then
        cluster_forget_dead "$(pg_data)"
    elif service_outdated postgres "$(pg_data)"/{flashfundx,pg_hba,pg_ident}.conf; then
        sv -w 30 restart "$(service_dir postgres)" >/dev/null
    fi
    services_start postgres
    wait_until 60 cluster_ready "$(pg_sockets)" || {
        step_failed
        tail -n 15 "$(service_log postgres)" | sed 's/^/    /' >&2
        die "PostgreSQL did not start; its last log lines are above" "log: $(service_log postgres)"
    }
    database_make
}

# Bring a running function to the new binary: by new workers beside the old ones, or by a restart when
# its settings changed, which workers would inherit from the old master.
function_update() { # NAME
    function_stage "$1"
    if service_outdated "$1" "$(function_env "$1")"; then
        function_install "$1"
        sv -w 35 restart "$(service_dir "$1")" >/dev/null ||
            die "$1 did not restart" "log: $(service_log "$1")"
    else
        function_replace "$1"
    fi
}

# Start what does not run, bring to the present state what runs.
functions_start() { # FUNCTION…
    local name
    for name in "$@"; do
        if [[ ! $(service_pid "$name") ]]; then
            function_stage "$name"
            function_install "$name"
        elif service_outdated "$name" "$(function_env "$name")" ||
            ! cmp -s "$(function_built "$name")" "$FFX_HOME/bin/$name"; then
            function_update "$name"
        fi
    done
    services_start "$@"
}

nginx_start() {
    local loaded
    loaded=$(service_dir nginx)/loaded # as young as the configuration that nginx has read
    if [[ $(service_pid nginx) ]]; then
        if service_outdated nginx; then
            sv -w 15 restart "$(service_dir nginx)" >/dev/null
        elif [[ $(find "$FFX_HOME/nginx" -maxdepth 1 -name '*.conf' -newer "$loaded" 2>&1) ]]; then
            sv hup "$(service_dir nginx)" >/dev/null
        fi
    fi
    services_start nginx
    touch "$loaded"
}

# Never through a proxy of the caller's environment: the system is on this machine, and so is the token.
health_answer() { curl -s --noproxy '*' --max-time 5 -o "$FFX_HOME/log/health.json" -w '%{http_code}' "$base_url/functions/v1/health"; }

healthy() {
    local name
    for name in "${functions[@]}"; do
        [[ $(service_pid "$name") ]] || return 1
        [[ $(jq -r '.route // empty' "$FFX_HOME/functions/$name.json") == '' || -S $FFX_HOME/run/$name.sock ]] ||
            return 1
    done
    [[ $(health_answer) == 200 ]]
}

say_what_is_wrong() {
    local name
    for name in postgres nginx "${functions[@]}"; do
        if [[ ! $(service_pid "$name") ]] || [[ $(sv status "$(service_dir "$name")") =~ \ [01]s ]]; then
            printf '%s keeps ending; its last log lines:\n' "$name" >&2
            tail -n 10 "$(service_log "$name")" 2>/dev/null | sed 's/^/    /' >&2
        fi
    done
    if [[ -s $FFX_HOME/log/health.json ]]; then
        printf 'answer of %s/functions/v1/health:\n' "$base_url" >&2
        sed 's/^/    /' "$FFX_HOME/log/health.json" >&2
        printf '\n' >&2
    fi
    die "the system is not healthy after 30 s" "Look further: ./deploy.sh status, ./deploy.sh logs NAME" \
        "Then mend it and call ./deploy.sh up again."
}

# ---- commands ----

cmd_up() {
    local began name
    began=$(now_ms)
    home_make
    lock_system
    step packages "asking Debian"
    packages_ensure "${packages_up[@]}"
    done_step "$( ((packages_installed)) && echo "$packages_installed installed" || echo "all there")"
    mapfile -t functions < <(function_names)

    step settings "$(settings_file)"
    settings_make
    if ! supervisor_pid >/dev/null && ! no_process_left; then system_stop; fi # left by a crash
    home_give
    done_step

    step build "preset $preset, ${#functions[@]} functions"
    build "${functions[@]}"
    done_step

    step generate "nginx, services, settings of each function"
    specs_read "${functions[@]}"
    nginx_make "$build_dir/bin" "${functions[@]}"
    services_make "${functions[@]}"
    services_prune "${functions[@]}"
    done_step

    step database "PostgreSQL in $(pg_data)"
    database_start
    done_step

    step migrate "tables, policies, functions"
    quietly "the migration" "$FFX_HOME/log/migrate.log" database_migrate
    database_logins "${functions[@]}"
    database_seed
    done_step

    step services "nginx and ${#functions[@]} functions"
    functions_start "${functions[@]}"
    nginx_start
    done_step

    step health "$base_url/functions/v1/health"
    wait_until 30 healthy || { step_failed && say_what_is_wrong; }
    done_step healthy

    cat <<-TEXT

	FlashFundX is up ($(seconds_since "$began")).

	  URL            $base_url
	  anon key       ${settings[SUPABASE_ANON_KEY]}
	  service key    ${settings[SUPABASE_SERVICE_ROLE_KEY]}
	  administrator  admin@flashfundx.com
	  settings       $(settings_file)

	Sell an account: ./deploy.sh demo      Stop: ./deploy.sh down
	TEXT
}

cmd_down() {
    [[ -d $FFX_HOME ]] || { say "nothing runs in $FFX_HOME" && return 0; }
    [[ -w $FFX_HOME ]] || die "$FFX_HOME belongs to somebody else"
    lock_system
    if no_process_left; then
        say "nothing runs in $FFX_HOME"
        rm -f "$FFX_HOME/services/.pid"
        return 0
    fi
    step down "nginx, functions, PostgreSQL"
    system_stop
    done_step "stopped, no process left"
}

# pids of a service with all its children
family() { # PID
    local child
    printf '%s\n' "$1"
    while read -r -d " " child; do family "$child"; done < <(cat "/proc/$1/task/"*/children 2>/dev/null)
}

cmd_status() {
    settings_load
    local down=0 name pid up workers kib pids
    printf '%-24s %-8s %8s %9s %8s %10s\n' PART STATE PID UP WORKERS MEMORY
    for name in postgres nginx $(function_names); do
        if pid=$(service_pid "$name"); then
            mapfile -t pids < <(family "$pid")
            up=$(ps -o etimes= -p "$pid" | tr -d ' ')
            workers=$((${#pids[@]} - 1))
            kib=0
            local one
            for one in "${pids[@]}"; do
                kib=$((kib + $(awk '/^Pss:/ { print $2 }' "/proc/$one/smaps_rollup" 2>/dev/null || true) + 0))
            done
            printf '%-24s %-8s %8s %8ss %8s %6d.%d MB\n' "$name" running "$pid" "$up" "$workers" \
                $((kib / 1024)) $((kib % 1024 * 10 / 1024))
        else
            printf '%-24s %-8s\n' "$name" down
            down=1
        fi
    done
    if [[ $(health_answer 2>/dev/null) == 200 ]]; then
        say "$base_url is healthy"
    else
        say "$base_url is not healthy"
        down=1
    fi
    return "$down"
}

cmd_logs() {
    settings_load
    local name='' follow=() files
    while (($#)); do
        case $1 in
        -f) follow=(-F) ;;
        *) name=$1 ;;
        esac
        shift
    done
    if [[ $name ]]; then
        files=("$(service_log "$name")")
    else
        files=("$FFX_HOME"/log/*.log)
    fi
    [[ -f ${files[0]} ]] || die "there is no log named '$name'" \
        "There are: $(basename -s .log -a "$FFX_HOME"/log/*.log | tr '\n' ' ')"
    exec tail -n 50 "${follow[@]}" "${files[@]}"
}

cmd_migrate() {
    settings_load
    database_migrate
}

cmd_replay() {
    settings_load
    local id ids='' all=false answer ids_done=()
    if (($# == 0)); then
        psql -Xq -d "${settings[DATABASE_URL]}" -c "
            select id, kind, recipient, created_at::timestamptz(0) as created, last_error
              from public.outbox where state = 'dead' order by created_at"
        return
    fi
    for id in "$@"; do
        if [[ $id == --dead ]]; then
            all=true
        elif [[ $id =~ ^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$ ]]; then
            ids+=${ids:+,}$id
        else
            die "'$id' is no id of a mail" "List the dead ones: ./deploy.sh replay"
        fi
    done
    answer=$(owner_psql -c "select id from backend.outbox_replay('{$ids}', $all)")
    [[ ! $answer ]] || mapfile -t ids_done <<<"$answer"
    for id in "${ids_done[@]}"; do say "$id"; done
    say "${#ids_done[@]} put back to be sent"
    for id in ${ids//,/ }; do
        [[ " ${ids_done[*]} " == *" ${id,,} "* ]] || die "$id is no sent or dead mail"
    done
}

cmd_psql() {
    settings_load
    with_credential_keys psql -d "${settings[DATABASE_URL]}" "$@"
}

cmd_deploy() {
    settings_load
    lock_system
    local name all
    mapfile -t all < <(function_names)
    functions=("$@")
    (($#)) || functions=("${all[@]}")
    for name in "${functions[@]}"; do
        function_folder "$name" >/dev/null ||
            die "there is no function '$name'" "There are: ${all[*]}"
        [[ $(service_pid "$name") ]] || die "$name does not run" "Start everything: ./deploy.sh up"
    done
    step build "preset $preset: ${functions[*]}"
    build "${functions[@]}"
    done_step
    specs_read "${functions[@]}"
    for name in "${functions[@]}"; do
        step replace "$name"
        function_update "$name"
        done_step "new workers answer"
    done
    # A function that is in the tree but was never brought up has no place in nginx yet.
    nginx_make "$FFX_HOME/bin"
    nginx_start
}

cmd_test() {
    packages_ensure "${packages_up[@]}" "${packages_test[@]}"
    exec "$clone/tests/run" "$@"
}

cmd_bench() {
    packages_ensure "${packages_up[@]}" "${packages_bench[@]}"
    exec "$clone/tests/bench/run" "$@"
}

main() {
    local command=${1:-help}
    (($# == 0)) || shift
    case $command in
    up | down | status | logs | demo | payment | reconcile | migrate | replay | psql | rotate-keys | deploy | selftest | test | \
        bench)
        if [[ ${1:-} == --help ]]; then usage_of "$command" && return 0; fi
        "cmd_${command//-/_}" "$@"
        ;;
    help | --help | -h) usage_of "${1:-}" ;;
    *)
        usage >&2
        die "there is no command '$command'"
        ;;
    esac
}

main "$@"
