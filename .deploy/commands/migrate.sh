# shellcheck shell=bash
# Usage: ./deploy.sh migrate
# apply new migrations
#
# Applies the migrations that this database has not seen.  A changed applied file is refused by name.

main() {
    no_arguments "$@"
    settings_load
    database_migrate
}
