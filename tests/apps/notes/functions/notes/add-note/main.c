/*
 * add-note: a user writes a note. Of the application that shows what one consists of.
 */
#include "db/query.h"
#include "fn/spec.h"
#include "fn/sqlroute.h"

static struct fn_sql add_note = {
    .stmt = {.sql = "SELECT notes.add_note($1::uuid, $2)", .kind = DB_WRITE},
    .params = {"@user", "words"},
};

static const struct fn_input_doc inputs[] = {
    {"words", "string", true, "what is noted"},
    {NULL, NULL, false, NULL},
};

static const struct fn_answer_doc answers[] = {
    {200, "id and created_at of the note"},
    {400, "Missing required fields: words"},
    {401, "no valid token"},
    {0, NULL},
};

static const struct fn_route routes[] = {
    {.methods = FN_POST,
     .path = "",
     .who = FN_USER,
     .body = FN_BODY_JSON,
     .body_max = 4096,
     .inputs = inputs,
     .answers = answers,
     .sql = &add_note},
    {0},
};

static struct setting *const *const settings[] = {db_settings, NULL};

static const struct fn_spec spec = {
    .app = "notes",
    .name = "add-note",
    .summary = "Write a note",
    .route = "/functions/v1/add-note",
    .routes = routes,
    .timeout_ms = 5000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
