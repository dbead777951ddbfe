/*
 * export-notes: a user takes all of the own notes away, however many there are: a line for each.
 */
#include "db/query.h"
#include "db/stream.h"
#include "fn/request.h"
#include "fn/spec.h"
#include "fn/stream.h"

static struct db_stmt export_notes_stmt = {.sql = "SELECT notes.export_notes($1::uuid)", .kind = DB_READ};

static enum err
export_notes(struct fn_req *req, struct fn_res *res)
{
    const struct db_step step = {.stmt = &export_notes_stmt,
                                 .params = (const char *const[]){req->caller.user_id},
                                 .param_count = 1};
    struct db_stream *notes;
    struct db_row row;

    TRY(db_stream_open(req->task, &(struct db_script){.steps = &step, .count = 1}, &notes));
    fn_stream_begin(req, res, 200, "application/x-ndjson");
    for (;;) {
        TRY(db_stream_next(notes, &row));
        if (row.result == NULL)
            return ERR_OK;
        TRY(fn_stream_add(req, res, db_str(&row, 0)));
        TRY(fn_stream_add(req, res, STR("\n")));
    }
}

static const struct fn_answer_doc answers[] = {
    {200, "a note in each line: {id, words, created_at}, the oldest first"},
    {401, "no valid token"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, NULL};

static const struct fn_spec spec = {
    .app = "notes",
    .name = "export-notes",
    .summary = "All of the caller's notes",
    .route = "/functions/v1/export-notes",
    .methods = FN_GET,
    .auth = FN_AUTH_USER,
    .timeout_ms = 5000,
    .settings = settings,
    .answers = answers,
    .handle = export_notes,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
