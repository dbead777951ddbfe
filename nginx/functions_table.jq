# The table of functions in docs/api.md.  Input: array of specs.
def kilo: if . == 0 then "none" elif . % 1024 == 0 then "\(. / 1024) KiB" else "\(.) bytes" end;
def methods: if (.methods | length) >= 5 then "any" else .methods | join(", ") end;
def auth: {none: "none", signature: "signature", user: "user token", service: "service-role key",
    any_token: "user token or service-role key"}[.auth];
def rate: if .rate then "\(.rate.calls) in \(.rate.window_s) s" else "none" end;
"| function | route | method | auth | rate limit | body | time | what it does |",
"|---|---|---|---|---|---|---|---|",
(sort_by(.dev_only, .name)[] | "| [\(.name)](../functions/\(.app)/\(.name)/main.c) | "
    + (if .route then "`\(.route)\(if .subpaths then "[/…]" else "" end)` | \(methods) | \(auth) | \(rate) | \(.body_max | kilo)"
       else "every \(.every_ms) ms | | | |" end)
    + " | \(.timeout_ms / 1000) s | \(.summary)\(if .dev_only then " (development only)" else "" end) |")
