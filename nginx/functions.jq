# nginx's view of the functions.  Input everywhere: an array of specs (NAME --spec).

def signed: any(.who[]; . == "signature");

def upstream_name: "fn_" + (.name | gsub("-"; "_"));
def routed: map(select(.route != null)) | sort_by(.route);

# One upstream per function.  With a single server failure counting would only add errors
# (max_fails=0).  Connections are kept, which is safe because the runtime reads every body to its end,
# but not for long: replaced workers end once nginx has closed theirs.
def upstreams($run_dir): routed | map("
upstream \(upstream_name) {
    server \"unix:\($run_dir)/\(.name).sock\" max_fails=0;
    keepalive 32;
    keepalive_requests 512;
    keepalive_time 5s;
    keepalive_timeout 2s;
}") | join("\n");

# "/orders/:id" and "/files/*" as regular expressions of an address.
def address: gsub(":[A-Za-z0-9_]+"; "[^/?]+") | sub("/\\*$"; "/[^?]*");

# What is allowed at each address, for the 405 of a method that nginx itself refuses.
def allowed_methods: "
map $request_uri $allowed_methods {
    default OPTIONS;"
    + (routed | map(.route as $route | .routes | group_by(.path)[] | [.[].methods[]] as $methods
        | "
    \"~^\($route)\(.[0].path | address)([?]|$)\" \"\(["GET", "POST", "PUT", "PATCH", "DELETE"] | map(select(IN($methods[])))
        + (if any($methods[]; . == "GET") then ["HEAD"] else [] end) + ["OPTIONS"] | join(", "))\";") | join("")) + "
}";

# Lines of a map: addresses without a limit per client.  Signed callbacks about everybody come
# from a handful of addresses, and one that is refused is lost.  Only this exact spelling: $request_uri
# is what the client wrote.
def unlimited: "# Signed requests, whose sender is known by the signature\n"
    + (routed | map(.route as $route | .routes[] | select(signed)
        | "\"~^\($route)\(.path)(\\?|$)\" \"\";\n") | join(""));

# The addresses of a function: the route itself, and all behind it.  What one of them may carry is the
# most of any route there; the function knows each one's own bound.  body_max 0 becomes 1: to nginx, 0 means
# "no limit".  The body stays in memory up to 256 KiB.  nginx waits two seconds longer than the
# function's own budget.
def location($conf_dir; $match; $routes; $path): ([$routes[].body_max, 1] | max) as $body | "
    location \($match) {
        client_max_body_size \($body);
        client_body_buffer_size \([[$body, 1024] | max, 262144] | min);
        fastcgi_read_timeout \(((.timeout_ms + 999) / 1000 | floor) + 2)s;
\(if any($routes[]; signed) then "        client_body_timeout 5s; # between two reads: a provider sends it at once
        limit_conn signed_callers 256;
" else "" end)\(if .compressed then "        gzip on;
" else "" end)        include \"\($conf_dir)/fastcgi.conf\";
        fastcgi_param SCRIPT_NAME \"\(.route)\";
        \($path)
        fastcgi_pass \(upstream_name);
    }";

# (?s) and \z: a line break in the address must not end the path early.
def locations($conf_dir): (routed | map(
    (.routes | map(select(.path == ""))) as $itself | (.routes | map(select(.path != ""))) as $behind
    | "\n    # \(.name): \(.summary)"
    + location($conf_dir; "= \(.route)"; $itself; "fastcgi_param PATH_INFO \"\";")
    + if $behind == [] then "" else location($conf_dir; "\(.route)/"; $behind;
        "fastcgi_split_path_info \"(?s)^(\(.route))(/.*)\\z\";\n"
        + "        fastcgi_param PATH_INFO $fastcgi_path_info;") end) | join("\n"))
    + (map(select(.name == "health") | "

    # Numbers for Prometheus: from this machine only, and only under this address.
    location = \(.route)/metrics { return 404; }"
    + (location($conf_dir; "= /metrics"; []; "fastcgi_param PATH_INFO /metrics;")
        | sub("\\{\n"; "{\n        allow 127.0.0.1;\n        allow ::1;\n        deny all;\n")))
    | join(""));
