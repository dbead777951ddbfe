# OpenAPI 3.0.3.  Input: array of specs.

def type_schema:
    if . == "uuid" then {type: "string", format: "uuid"}
    elif . == "string" or . == "number" or . == "integer" or . == "boolean" then {type: .}
    elif contains("|") then {type: "string", enum: split("|")}
    else {type: "string"} end;

def security:
    {user: [{userToken: []}], service: [{serviceKey: []}], signature: [{(.signature // ""): []}],
     any_token: [{userToken: []}, {serviceKey: []}]}[.auth] // [];

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

# A method on a path; webhook-debug takes every method, OpenAPI names those it knows.
def operation($method): {
        operationId: (if (.methods | length) > 1 then .name + "-" + ($method | ascii_downcase) else .name end),
        summary: .summary,
        tags: [if .dev_only then "development" else "functions" end],
        security: security,
        responses: answers
    }
    + (if .rate then {"x-rate-limit": .rate} else {} end)
    + (if (.inputs | length) == 0 then {}
       elif $method == "GET" or $method == "DELETE" then {parameters: (.inputs | map(input_in("query")))}
       else {requestBody: (.inputs | body_schema)} end);

{
    openapi: "3.0.3",
    info: {title: $app, version: $version,
        description: "Errors are {\"success\": false, \"error\": \"text\"}. Every answer allows any origin; OPTIONS answers 200 with the body ok."},
    servers: [{url: $base_url}],
    paths: (map(select(.route) | . as $spec
        | {(.route): (.methods | map(. as $m | {($m | ascii_downcase): ($spec | operation($m))}) | add)}) | add // {}),
    components: {
        securitySchemes: ({
            userToken: {type: "http", scheme: "bearer", bearerFormat: "JWT", description: "A signed-in user's access token"},
            serviceKey: {type: "http", scheme: "bearer", bearerFormat: "JWT", description: "The service-role key"}
        } + (map(select(.signature) | {(.signature): {type: "apiKey", in: "header", name: .signature,
                description: "A signature over the body"}}) | add // {})),
        schemas: {Error: {type: "object", required: ["success", "error"],
            properties: {success: {type: "boolean", enum: [false]}, error: {type: "string"}}}}
    }
}
