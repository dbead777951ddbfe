# shellcheck shell=bash
# Usage: ./deploy.sh admin [list|add|remove] [EMAIL]
# who administers: list, add EMAIL, remove EMAIL
#
# An address that is added counts once its owner has signed up and confirmed it, and at once; one
# that is removed no longer counts, at once too.  Both are written to the audit.  Of whoever
# administers `list` says whether they can: nobody has signed up with the address yet, it is not
# confirmed, or its owner is banned.

# Of one address, or of all with :'email' empty.
admin_list_sql="
    select a.email, case
               when not a.is_active then 'switched off'
               when u.id is null then 'has not signed up'
               when u.email_confirmed_at is null then 'is not confirmed'
               when u.banned_until > now() then 'is banned'
               else 'administers' end
    from platform.administrators as a
    left join auth.users as u on lower(u.email) = a.email and u.deleted_at is null
    where :'email' in ('', a.email)
    order by a.email;"
admin_add_sql="
    insert into platform.administrators as a (email) values (:'email')
    on conflict (email) do update set is_active = true where not a.is_active;"
admin_remove_sql="delete from platform.administrators where email = :'email' returning email;"

admin_psql() { owner_psql -F $'\t' -v email="$email" <<<"$1"; }

main() {
    local what=${1:-} email=${2:-} removed
    case $what:$# in
    list:1 | add:2 | remove:2) ;;
    *) refuse "list, or add or remove with an EMAIL" ;;
    esac
    email=${email,,}
    if [[ $what != list && ! $email =~ ^[^[:space:]@]+@[^[:space:]@]+$ ]]; then refuse "'$email' is no e-mail address"; fi
    settings_load
    case $what in
    list) admin_psql "$admin_list_sql" ;;
    add) admin_psql "$admin_add_sql$admin_list_sql" ;;
    remove)
        removed=$(admin_psql "$admin_remove_sql")
        [[ $removed ]] || die "'$email' is no administrator's" "Those there are: ./deploy.sh admin list"
        say "$email no longer administers"
        ;;
    esac
}
