# The table of functions in docs/api.md.  Input: array of specs.
def kilo: if . == 0 then "none" elif . % 1024 == 0 then "\(. / 1024) KiB" else "\(.) bytes" end;
def methods: if (.methods | length) >= 5 then "any" else .methods | join(", ") end;
def who: .who | map({nobody: "anybody", anon: "anonymous key", user: "user token", staff: "staff token",
    service: "service-role key", signature: "signature", key: "any key",
    foreign: "token of another issuer"}[.]) | join(" or ");
def rate: if .rate then "\(.rate.calls) in \(.rate.window_s) s\(if .rate.setting then " (`\(.rate.setting)`)" else "" end)" else "none" end;
def route_row($spec): "| [\($spec.name)](../functions/\($spec.app)/\($spec.name)/main.c) | `\($spec.route)\(.path)` | \(methods) | \(who) | \(rate)"
    + " | \(.body_max | kilo) | \($spec.timeout_ms / 1000) s | \(.summary)\(if $spec.dev_only then " (development only)" else "" end) |";
"| function | route | method | who | rate limit | body | time | what it does |",
"|---|---|---|---|---|---|---|---|",
(sort_by(.dev_only, .name)[] | . as $spec
    | if .route then .routes[] | route_row($spec)
      else "| [\(.name)](../functions/\(.app)/\(.name)/main.c) | every \(.every_ms) ms | | | | | \(.timeout_ms / 1000) s | \(.summary) |" end)
