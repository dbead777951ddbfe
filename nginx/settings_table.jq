# The table of settings in docs/settings.md.  Input: array of specs.

# Most functions' default, and those that have another one.
def defaults:
    group_by(.default) | sort_by(-length)
    | "`\(.[0][0].default)`" + (.[1:] | map("; \(map(.function) | join(", ")) `\(.[0].default)`") | join(""));

"| setting | default | functions | meaning |",
"|---|---|---|---|",
(length as $all
| [.[] | .name as $function | .settings[] | . + {function: $function}] | group_by(.name)[]
| "| `\(.[0].name)`\(if .[0].secret then " (secret)" else "" end) | "
    + (if .[0].required then "**required**" elif .[0].default == "" then "empty" else defaults end)
    + " | \(if length == $all then "all" else map(.function) | join(", ") end) | \(.[0].meaning | gsub("<"; "&lt;")) |")
