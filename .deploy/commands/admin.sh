# shellcheck shell=bash
# Usage: ./deploy.sh admin [list|add|remove|reset-factor] [EMAIL] [--duty DUTY]...
# who is staff: list, add EMAIL, remove EMAIL; reset-factor EMAIL
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
               else 'acts' || case when platform.has_factor(u.id) then ', with a second factor' else '' end end
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
admin_reset_sql="
    select platform.reset_factors(u.id, 'on the machine')
    from auth.users as u where lower(u.email) = :'email' and u.deleted_at is null;"

admin_psql() { owner_psql -F $'\t' -v email="$email" -v duties="${duties[*]:-owner}" <<<"$1"; }

main() {
    local words=() duties=() removed count
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
    list:1 | remove:2 | reset-factor:2) ((${#duties[@]} == 0)) || refuse "--duty goes with add" ;;
    add:2) ;;
    *) refuse "list, or add, remove or reset-factor with an EMAIL" ;;
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
    reset-factor)
        count=$(admin_psql "$admin_reset_sql")
        [[ $count ]] || die "nobody has signed up as '$email'"
        ((count)) || die "$email has no second factor"
        say "$email has no second factor any more, and is signed out"
        ;;
    esac
}
