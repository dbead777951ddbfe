# The table of settings in docs/settings.md.  Input: array of specs.
"| setting | default | functions | meaning |",
"|---|---|---|---|",
(length as $all
| [.[] | .name as $function | .settings[] | . + {function: $function}] | group_by(.name)[]
| "| `\(.[0].name)`\(if .[0].secret then " (secret)" else "" end) | "
    + (if .[0].required then "**required**" elif .[0].default == "" then "empty" else "`\(.[0].default)`" end)
    + " | \(if length == $all then "all" else map(.function) | join(", ") end) | \(.[0].meaning | gsub("<"; "&lt;")) |")
