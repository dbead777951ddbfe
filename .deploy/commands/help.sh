# shellcheck shell=bash
# Usage: ./deploy.sh help [COMMAND]
# this list, or the text of one command

help_group() { # TITLE FOLDER: a line per command that is in use
    local file synopsis summary
    printf '\n%s:\n' "$1"
    for file in "$2"/*.sh; do
        [[ $(command_path "$(basename "$file" .sh)") == "$file" ]] || continue
        { read -r _ && read -r synopsis && read -r summary; } <"$file"
        synopsis=${synopsis#\# Usage: ./deploy.sh }
        printf '  %s%*s%s\n' "$synopsis" $((25 - ${#synopsis})) '' "${summary#\# }"
    done
}

main() {
    if (($#)); then
        command_load "$1"
        usage
        return
    fi
    echo "Usage: ./deploy.sh COMMAND [ARGUMENTS]"
    help_group "The platform" "$clone/.deploy/commands"
    [[ ! -d $clone/.deploy/$APP/commands ]] || help_group "The application $APP" "$clone/.deploy/$APP/commands"
    cat <<'TEXT'

./deploy.sh COMMAND --help tells more.

Environment:
  FFX_HOME    folder of the system         (default: .local beside deploy.sh)
  FFX_PORT    port of nginx on 127.0.0.1   (default: the last one, at first 54321)
  FFX_PRESET  CMake preset: release, asan  (default: release)
  APP         the application              (default: the last one, at first flashfundx)

Several systems with different folders and ports can run side by side.
TEXT
}
