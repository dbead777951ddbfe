/*
 * list-notes: a user reads the own notes, all or one.
 */
#include "db/query.h"
#include "fn/spec.h"
#include "fn/sqlroute.h"

static struct fn_sql list_notes = {
    .stmt = {.sql = "SELECT notes.list_notes($1::uuid)", .kind = DB_READ},
    .params = {"@user"},
};

static struct fn_sql one_note = {
    .stmt = {.sql = "SELECT notes.one_note($1::uuid, $2::bigint)", .kind = DB_READ},
    .params = {"@user", "id"},
    .missing = "There is no such note",
};

static const struct fn_input_doc one_inputs[] = {
    {"id", "integer", true, "number of the note"},
    {NULL, NULL, false, NULL},
};

static const struct fn_answer_doc list_answers[] = {
    {200, "notes [{id, words, created_at}], the newest first"},
    {401, "no valid token"},
    {0, NULL},
};

static const struct fn_answer_doc one_answers[] = {
    {200, "the note {id, words, created_at}"},
    {401, "no valid token"},
    {404, "There is no such note"},
    {0, NULL},
};

static const struct fn_route routes[] = {
    {.methods = FN_GET,
     .path = "",
     .who = FN_USER,
     .answers = list_answers,
     .sql = &list_notes},
    {.methods = FN_GET,
     .path = "/:id",
     .who = FN_USER,
     .summary = "One of the caller's notes",
     .inputs = one_inputs,
     .answers = one_answers,
     .sql = &one_note},
    {0},
};

static struct setting *const *const settings[] = {db_settings, NULL};

static const struct fn_spec spec = {
    .app = "notes",
    .name = "list-notes",
    .summary = "The caller's notes",
    .route = "/functions/v1/list-notes",
    .routes = routes,
    .timeout_ms = 5000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
