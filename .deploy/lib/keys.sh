# shellcheck shell=bash disable=SC2016
# keys: in $FFX_HOME/keys, the keys that functions follow while they run.
#
#   tokens.json   public keys of access tokens (JWKs, with when they were `made` and `replaced`) and API
#                 keys (name, role, sha256); everybody may read it
#   signing       the private key that signs, auth's alone; its public part is the current one
#   next          the private key that will, root's alone
#
# What a key is, is told by these files, not written down: a command that was interrupted is called again.

keys_folder() { printf '%s' "$FFX_HOME/keys"; }
keys_file() { printf '%s' "$(keys_folder)/tokens.json"; }
signing_file() { printf '%s' "$(keys_folder)/signing"; }
next_file() { printf '%s' "$(keys_folder)/next"; }

base64url() { base64 -w0 | tr '+/' '-_' | tr -d '='; }

# Keys go through pipes and files, never through argv.
private_key_make() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER 2>/dev/null | base64url
}

# public_jwk FILE: the public part of a private key (RFC 7517); its id is its thumbprint (RFC 7638).
public_jwk() {
    local key point x y kid
    key=$(tr -- '-_' '+/' <"$1")
    while ((${#key} % 4)); do key+==; done
    # The point is the end of the public key: 32 bytes of x and as many of y.
    point=$(base64 -d <<<"$key" | openssl pkey -inform DER -pubout -outform DER | tail -c 64 | base64 -w0)
    x=$(base64 -d <<<"$point" | head -c 32 | base64url)
    y=$(base64 -d <<<"$point" | tail -c 32 | base64url)
    kid=$(printf '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' "$x" "$y" | openssl dgst -sha256 -binary | base64url)
    printf '{"kty":"EC","crv":"P-256","x":"%s","y":"%s","alg":"ES256","kid":"%s","use":"sig","key_ops":["verify"]}' "$x" "$y" "$kid"
}

# kid_of FILE: nothing where there is no such file.
kid_of() { [[ ! -f $1 ]] || public_jwk "$1" | jq -r .kid; }

# keys_change JQ_ARGUMENTS…: the new tokens.json is there as a whole, or the old one.
keys_change() {
    local new
    new=$(mktemp "$(keys_file).XXXXXX")
    jq "$@" "$(keys_file)" >"$new"
    chmod 644 "$new"
    mv -f "$new" "$(keys_file)"
}

# private_key_put FILE: from standard input.
private_key_put() {
    (umask 077 && cat >"$1.new")
    mv -f "$1.new" "$1"
}

# keys_publish FILE: the public part of a private key joins tokens.json, unless it is there.
keys_publish() {
    keys_change --argjson jwk "$(public_jwk "$1")" --argjson now "$(date +%s)" '
        if any(.keys[]; .kid == $jwk.kid) then . else .keys += [$jwk + {made: $now}] end'
}

# Make what is missing.  A system from before has its key among its settings; it signs on.
keys_make() {
    mkdir -p "$(keys_folder)"
    chmod 711 "$(keys_folder)"
    if [[ ! -f $(signing_file) ]]; then
        if [[ ${settings[JWT_SIGNING_KEY]:-} ]]; then
            printf '%s\n' "${settings[JWT_SIGNING_KEY]}"
        else
            private_key_make
        fi | private_key_put "$(signing_file)"
    fi
    give www-data "$(signing_file)"
    [[ -f $(keys_file) ]] || printf '{"keys":[],"api_keys":[]}\n' >"$(keys_file)"
    keys_publish "$(signing_file)"
}
