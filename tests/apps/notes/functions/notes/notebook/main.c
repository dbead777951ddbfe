/*
 * notebook: how many notes there are, one of the caller's, and all of them, however many there are.
 */
#include "db/query.h"
#include "db/stream.h"
#include "fn/failure.h"
#include "fn/request.h"
#include "fn/spec.h"
#include "fn/sqlroute.h"
#include "fn/stream.h"

static struct db_stmt export_notes = {.sql = "SELECT notes.export_notes($1::uuid)", .kind = DB_READ};
static struct fn_sql count_notes = {.stmt = {.sql = "SELECT notes.count_notes()", .kind = DB_READ}};
static struct fn_sql one_note = {
    .stmt = {.sql = "SELECT notes.one_note($1::uuid, $2::bigint)", .kind = DB_READ},
    .params = {"@user", "id"},
};

/* A line for each, as they come. */
static enum err
all_notes(struct fn_req *req, struct fn_res *res)
{
    const struct db_step step = {.stmt = &export_notes,
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

static const struct fn_input_doc one_inputs[] = {
    {"id", "integer", true, "number of the note"},
    {NULL, NULL, false, NULL},
};

static const struct fn_route routes[] = {
    {.methods = FN_GET, .path = "/count", .who = FN_NOBODY, .sql = &count_notes},
    {.methods = FN_GET, .path = "/all", .who = FN_USER, .handle = all_notes},
    {.methods = FN_GET, .path = "/:id", .who = FN_USER, .inputs = one_inputs, .sql = &one_note},
    {0},
};

static struct setting *const *const settings[] = {db_settings, NULL};

static const struct fn_spec spec = {
    .app = "notes",
    .name = "notebook",
    .summary = "The notes of everybody counted, and the caller's",
    .route = "/functions/v1/notebook",
    .routes = routes,
    .failure = fn_failure_rest,
    .timeout_ms = 5000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
