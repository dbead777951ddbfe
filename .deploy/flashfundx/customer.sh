# shellcheck shell=bash
# customer: what a customer does, on the wire.

shown() { jq . <<<"$1" | sed 's/^/    /'; }

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
        -H "apikey: ${settings[SUPABASE_ANON_KEY]}" -H 'Prefer: return=representation' \
        -H 'Accept: application/vnd.pgrst.object+json, application/json;q=0.9' -H @<(printf 'Authorization: Bearer %s\n' "$token") \
        "$base_url$path") || die "$base_url does not answer" "Is the system up? ./deploy.sh status"
    answer_status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    printf '  < %s\n' "$answer_status"
}
