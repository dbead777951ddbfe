/*
 * add-note: a user writes a note. Of the application that shows what one consists of.
 */
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/spec.h"
#include "json/tree.h"
#include "json/write.h"

static struct db_stmt add_note_stmt = {.sql = "SELECT id, created_at FROM notes.add_note($1::uuid, $2)",
                                       .kind = DB_WRITE};

static enum err
parse(struct fn_req *req, const char **ret_words)
{
    const struct json *words = json_get(req->json, "words");

    if (words == NULL || json_type(words) != JSON_STRING || json_text(words).len == 0)
        return fail_set(&req->task->fail, ERR_INVALID, "Missing required fields: words");
    *ret_words = arena_copy(req->task->arena, json_text(words));
    return ERR_OK;
}

static enum err
add_note(struct fn_req *req, struct fn_res *res)
{
    const char *words;
    struct db_row row;

    TRY(parse(req, &words));
    TRY(db_one(req->task, &add_note_stmt, DB_PARAMS(req->caller.user_id, words), &row));

    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    jw_bool_at(w, "success", true);
    jw_text_at(w, "id", db_text(&row, 0));
    jw_text_at(w, "created_at", db_text(&row, 1));
    jw_close(w);
    return ERR_OK;
}

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

static struct setting *const *const settings[] = {db_settings, NULL};

static const struct fn_spec spec = {
    .app = "notes",
    .name = "add-note",
    .summary = "Write a note",
    .route = "/functions/v1/add-note",
    .methods = FN_POST,
    .auth = FN_AUTH_USER,
    .json_body = true,
    .body_max = 4096,
    .timeout_ms = 5000,
    .settings = settings,
    .inputs = inputs,
    .answers = answers,
    .handle = add_note,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
