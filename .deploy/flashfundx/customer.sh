# shellcheck shell=bash
# customer: what a customer does, on the wire and in the database.

shown() { jq . <<<"$1" | sed 's/^/    /'; }

# as_customer SQL [psql -v variables]: run SQL under row level security, as the customer's own
# requests do.  Prints what it returns.
as_customer() {
    local sql=$1
    shift
    # The two settings answer with a row each; only the statement's own rows are wanted.
    with_credential_keys owner_psql -v claims="$demo_claims" "$@" <<-SQL
		begin;
		select set_config('request.jwt.claims', :'claims', true) \gset ignored_
		set local role authenticated;
		$sql
		commit;
	SQL
}

# ask METHOD PATH TOKEN [JSON]: sets `answer` and `answer_status`, and shows both sides.
ask() {
    local method=$1 path=$2 token=$3 body=${4:-} out=()
    printf '  > %s %s\n' "$method" "$base_url$path"
    if [[ $body ]]; then
        shown "$body"
        out=(-H 'Content-Type: application/json' --data-binary "$body")
    fi
    # The token goes in by a file descriptor: command lines can be read by everybody.
    answer=$(curl -sS --noproxy '*' --max-time 40 -X "$method" -w '\n%{http_code}' "${out[@]}" \
        -H "apikey: ${settings[SUPABASE_ANON_KEY]}" -H @<(printf 'Authorization: Bearer %s\n' "$token") \
        "$base_url$path") || die "$base_url does not answer" "Is the system up? ./deploy.sh status"
    answer_status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    printf '  < %s\n' "$answer_status"
}
