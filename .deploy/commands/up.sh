# shellcheck shell=bash
# Usage: ./deploy.sh up
# install, build, migrate and start everything; harmless when it runs
#
# Brings the whole system up on 127.0.0.1 and waits until it is healthy: packages, build, settings,
# database, migrations, what the application begins with (first time only), nginx and all functions.
# Calling it again completes what is missing, replaces functions whose binary changed and restarts
# those whose settings in $FFX_HOME/env changed.  When that fails, what ran before runs again as it was.
# As an ordinary user it names missing packages instead of installing them.

main() {
    no_arguments "$@"
    local began
    began=$(now_ms)
    home_make
    lock_system
    step packages "asking Debian"
    packages_ensure "${packages_up[@]}"
    done_step "$( ((packages_installed)) && echo "$packages_installed installed" || echo "all there")"
    mapfile -t functions < <(function_names)

    system_keep
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
    system_kept
    services_prune "${functions[@]}" # only now: an up that fails leaves what served
    done_step healthy
    greet "$began"
}

greet() { # MS
    printf '\n%s is up (%s).\n\n' "$app_title" "$(seconds_since "$1")"
    # The service key opens everything for ten years: it does not go over screens and into their logs.
    printf '  %-14s %s\n' URL "$base_url" 'anon key' "${settings[SUPABASE_ANON_KEY]}" \
        'service key' "SUPABASE_SERVICE_ROLE_KEY in $(settings_file)"
    [[ ! $app_first_owner ]] || printf '  %-14s %s\n' 'first owner' "$app_first_owner, once confirmed, or ./deploy.sh admin add EMAIL"
    printf '  %-14s %s\n' settings "$(settings_file)"
    printf '\n%sStop: ./deploy.sh down\n' "${app_try:+$app_try      }"
}
