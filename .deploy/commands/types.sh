# shellcheck shell=bash
# Usage: ./deploy.sh types [SCHEMA]
# TypeScript types of what the data API serves, for supabase-js
#
# Prints the types of SCHEMA (without: the first of REST_SCHEMAS) as the Supabase CLI's
# `supabase gen types typescript` does: Database with Tables, Views, Functions, Enums and
# CompositeTypes, for createClient<Database>().  Save them: ./deploy.sh types >database.types.ts

main() {
    (($# <= 1)) || refuse "one SCHEMA at most"
    settings_load
    local exposed=${settings[REST_SCHEMAS]:-public} text
    local schema=${1:-${exposed%%,*}}
    text=$(owner_psql -v schema="$schema" -f "$clone/.deploy/commands/types.sql")
    [[ $text ]] || die "there is no schema '$schema'" "Those that are served: REST_SCHEMAS ($exposed)"
    printf '%s\n' "$text"
}
