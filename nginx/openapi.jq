# OpenAPI 3.0.3.  Input: array of specs.

def type_schema:
    if . == "uuid" then {type: "string", format: "uuid"}
    elif . == "string" or . == "number" or . == "integer" or . == "boolean" then {type: .}
    elif contains("|") then {type: "string", enum: split("|")}
    else {type: "string"} end;

def security($spec): .who | map({nobody: {}, anon: {anonKey: []}, user: {userToken: []},
    staff: {userToken: []}, service: {serviceKey: []}, signature: {($spec.signature // ""): []}, key: {anonKey: []},
    foreign: {foreignToken: []}}[.])
    | if . == [{}] then [] else . end;

def input_in($where): {name, in: $where, required, description: .text, schema: (.type | type_schema)};

def body_schema: {required: true, content: {"application/json": {schema: ({
        type: "object",
        properties: (map({(.name): ((.type | type_schema) + {description: .text})}) | add // {})
    } + (map(select(.required) | .name) | if length > 0 then {required: .} else {} end))}}};

def answers:
    (.answers | group_by(.status) | map({(.[0].status | tostring): (
        {description: (map(.text) | join("; "))}
        + if .[0].status >= 400 then {content: {"application/json": {schema: {"$ref": "#/components/schemas/Error"}}}}
          else {content: {"application/json": {schema: {type: "object"}}}} end)}) | add // {})
    | if . == {} then {"200": {description: "answered"}} else . end;

# "/orders/:id" as OpenAPI writes it, and the names in it; a star is a parameter "path".
def template: gsub(":(?<n>[A-Za-z0-9_]+)"; "{\(.n)}") | sub("/\\*$"; "/{path}");
def names: [scan("\\{([A-Za-z0-9_]+)\\}")[0]];

# A method of a route; webhook-debug takes every method, OpenAPI names those it knows.
def operation($spec; $method): .path as $path | (.path | template | names) as $in_path
    | ([$spec.routes[] | select(.path == $path) | .methods[]] | length) as $methods | {
        operationId: ([$spec.name, (.path | template | gsub("[^A-Za-z0-9]+"; "-") | sub("^-"; "") | sub("-$"; "")),
                (if $methods > 1 then ($method | ascii_downcase) else "" end)]
            | map(select(. != "")) | join("-")),
        summary: .summary,
        tags: [if $spec.dev_only then "development" else "functions" end],
        security: security($spec),
        responses: answers
    }
    + (if .rate then {"x-rate-limit": .rate} else {} end)
    + (.inputs as $inputs
       | ($inputs | map(select(.name | IN($in_path[]) | not))) as $others
       | ($in_path | map(. as $n | ($inputs | map(select(.name == $n))[0] // {name: $n, type: "string", text: "part of the path"})
            | input_in("path") + {required: true}))
         + (if $method == "GET" or $method == "DELETE" then $others | map(input_in("query")) else [] end)
       | if . == [] then {} else {parameters: .} end)
    + (if $method == "GET" or $method == "DELETE" or .body == "none" or (.inputs | length) == 0 then {}
       else {requestBody: (.inputs | map(select(.name | IN($in_path[]) | not)) | body_schema)} end);

{
    openapi: "3.0.3",
    info: {title: $app, version: $version,
        description: "Errors are {\"success\": false, \"error\": \"text\"}. Every answer allows any origin; OPTIONS answers 200 with the body ok."},
    servers: [{url: $base_url}],
    paths: ([.[] | select(.route) | . as $spec | .routes[] | . as $route
        | {path: ($spec.route + (.path | template)), methods: (.methods | map(. as $m | {($m | ascii_downcase): ($route | operation($spec; $m))}) | add)}]
        | group_by(.path) | map({(.[0].path): (map(.methods) | add)}) | add // {}),
    components: {
        securitySchemes: ({
            userToken: {type: "http", scheme: "bearer", bearerFormat: "JWT", description: "A signed-in user's access token"},
            anonKey: {type: "apiKey", in: "header", name: "apikey", description: "The anonymous (publishable) key"},
            serviceKey: {type: "http", scheme: "bearer", bearerFormat: "JWT", description: "The service-role key"}
        } + (if any(.[].routes[].who[]; . == "foreign") then {foreignToken: {type: "http", scheme: "bearer",
                bearerFormat: "JWT", description: "A token of another issuer"}} else {} end)
        + (map(select(.signature) | {(.signature): {type: "apiKey", in: "header", name: .signature,
                description: "A signature over the body"}}) | add // {})),
        schemas: {Error: {type: "object", required: ["success", "error"],
            properties: {success: {type: "boolean", enum: [false]}, error: {type: "string"}}}}
    }
}
