# shellcheck shell=bash
# application: what a system consists of.  It runs the platform and one application, APP: folders of
# that name in functions/ and migrations/, and, where it has something to say here, .deploy/APP with
# app.sh and commands/.

# What the shared parts ask an application; its app.sh says it in its own words.
app_defaults() {
    app_title=$APP          # as people call it
    app_first_owner=''      # the address of the first one of the staff
    app_try=''              # what to do first with a new system
    app_migrate=()          # options of migrations/migrate
    app_settings() { :; }   # setting_default NAME VALUE of its own settings
    app_seed() { :; }       # rows that a new database begins with
}

# app_choose [APP]: the application of this system: as given, as remembered, or flashfundx.
app_choose() {
    local -A remembered=()
    env_read "$(settings_file)" remembered
    APP=${1:-${remembered[APP]:-flashfundx}}
    [[ $APP =~ ^[a-z][a-z0-9]*$ && $APP != platform && -d $clone/functions/$APP ]] ||
        die "there is no application '$APP'" "There are: $(app_names | tr '\n' ' ')"
    [[ ${remembered[APP]:-$APP} == "$APP" ]] ||
        die "the system in $FFX_HOME is one of ${remembered[APP]}, not of $APP" \
            "Choose another folder and port: APP=$APP FFX_HOME=… FFX_PORT=… ./deploy.sh up"
    export APP
    app_defaults
    # shellcheck source=/dev/null
    [[ ! -f $clone/.deploy/$APP/app.sh ]] || source "$clone/.deploy/$APP/app.sh"
}

app_names() {
    find "$clone/functions" -mindepth 1 -maxdepth 1 -type d ! -name platform -printf '%f\n' | sort
}

# ---- its functions: the platform's and its own, which takes the place of the platform's of a name ----

function_folder() { # NAME: functions/APP/NAME; false when there is none
    local app
    for app in "$APP" platform; do
        [[ ! -f $clone/functions/$app/$1/main.c ]] || { printf '%s' "functions/$app/$1" && return; }
    done
    return 1
}

function_names() { # every folder of them with a main.c
    local main
    for main in "$clone"/functions/{platform,"$APP"}/*/main.c; do
        [[ -e $main ]] || continue
        main=${main%/main.c}
        printf '%s\n' "${main##*/}"
    done | sort -u
}

function_app() { # NAME
    local folder
    folder=$(function_folder "$1")
    basename "$(dirname "$folder")"
}

function_built() { printf '%s' "$build_dir/bin/$(function_app "$1")/$1"; } # NAME: where the build puts it
