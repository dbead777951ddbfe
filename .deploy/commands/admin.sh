# shellcheck shell=bash
# Usage: ./deploy.sh admin [list|add|remove] [EMAIL] [--duty DUTY]...
# who is staff: list, add EMAIL, remove EMAIL
#
#   --duty DUTY    owner (may all; without --duty that is meant), finance, support or inventory;
#                  several by several --duty, which take the place of those there were
#
# An address that is added counts once its owner has signed up and confirmed it, and at once; one
# that is removed no longer counts, at once too.  Both are written to the audit.  Of whoever is
# staff `list` says whether they can act: nobody has signed up with the address yet, it is not
# confirmed, or its owner is suspended or banned.

# Of one address, or of all with :'email' empty.
admin_list_sql="
    select a.email, array_to_string(a.duties, ','), case
               when not a.is_active then 'switched off'
               when u.id is null then 'has not signed up'
               when u.email_confirmed_at is null then 'is not confirmed'
               when u.banned_until > now() then 'is banned'
               when s.standing is not null then 'is ' || s.standing
               else 'acts' end
    from platform.administrators as a
    left join auth.users as u on lower(u.email) = a.email and u.deleted_at is null
    left join platform.standing as s on s.user_id = u.id
    where :'email' in ('', a.email)
    order by a.email;"
admin_add_sql="
    insert into platform.administrators as a (email, duties) values (:'email', string_to_array(:'duties', ' '))
    on conflict (email) do update set is_active = true, duties = excluded.duties
     where not a.is_active or a.duties <> excluded.duties;"
admin_remove_sql="delete from platform.administrators where email = :'email' returning email;"

admin_psql() { owner_psql -F $'\t' -v email="$email" -v duties="${duties[*]:-owner}" <<<"$1"; }

main() {
    local words=() duties=() removed
    while (($#)); do
        case $1 in
        --duty)
            case ${2:-} in
            owner | finance | support | inventory) duties+=("$2") ;;
            *) refuse "--duty is one of owner, finance, support, inventory" ;;
            esac
            shift
            ;;
        *) words+=("$1") ;;
        esac
        shift
    done
    local what=${words[0]:-} email=${words[1]:-}
    case $what:${#words[@]} in
    list:1 | remove:2) ((${#duties[@]} == 0)) || refuse "--duty goes with add" ;;
    add:2) ;;
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
        [[ $removed ]] || die "'$email' is not among the staff" "Those there are: ./deploy.sh admin list"
        say "$email is no staff any more"
        ;;
    esac
}
