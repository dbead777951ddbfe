/*
 * list-notes: a user reads the own notes.
 */
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/spec.h"
#include "json/write.h"

static struct db_stmt list_notes_stmt = {.sql = "SELECT notes.list_notes($1::uuid)", .kind = DB_READ};

static enum err
list_notes(struct fn_req *req, struct fn_res *res)
{
    struct db_row row;

    TRY(db_one(req->task, &list_notes_stmt, DB_PARAMS(req->caller.user_id), &row));

    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    jw_bool_at(w, "success", true);
    jw_key(w, "notes");
    jw_raw(w, db_str(&row, 0));
    jw_close(w);
    return ERR_OK;
}

static const struct fn_answer_doc answers[] = {
    {200, "notes [{id, words, created_at}], the newest first"},
    {401, "no valid token"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, NULL};

static const struct fn_spec spec = {
    .app = "notes",
    .name = "list-notes",
    .summary = "The caller's notes",
    .route = "/functions/v1/list-notes",
    .methods = FN_GET,
    .auth = FN_AUTH_USER,
    .timeout_ms = 5000,
    .settings = settings,
    .answers = answers,
    .handle = list_notes,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
