/*
 * payment-history: everything that is known about one payment, in order, for staff:
 * events with their raw bodies, transitions, bookings, delivery, mails, what staff did.
 */
#include "db/query.h"
#include "db/rows.h"
#include "fn/answer.h"
#include "fn/caller.h"
#include "fn/failure.h"
#include "fn/spec.h"
#include "json/write.h"
#include "net/query.h"

static struct db_stmt payment_history_stmt = {
    .sql = "SELECT outcome, history FROM backend.payment_history_for($1, $2, $3::jsonb)",
    .kind = DB_READ};

static bool
looks_like_id(struct str s)
{
    if (s.len == 0 || s.len > 64)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '-' || c == '_'))
            return false;
    }
    return true;
}

static enum err
parse(struct fn_req *req, const char **ret_id)
{
    struct str id;

    if (!query_get(req->task->arena, req->http->query, "id", &id) || id.len == 0)
        return fail_set(&req->task->fail, ERR_INVALID, "Missing required parameters: id");
    if (!looks_like_id(id))
        return fail_set(&req->task->fail, ERR_NOT_FOUND, "Payment not found");
    *ret_id = arena_copy(req->task->arena, id);
    return ERR_OK;
}

static enum err
payment_history(struct fn_req *req, struct fn_res *res)
{
    static const struct fn_outcome refusals[] = {
        {"forbidden", ERR_FORBIDDEN, "For support and finance only"},
        {"not_found", ERR_NOT_FOUND, "Payment not found"},
        {NULL, ERR_OK, NULL},
    };
    const char *id;
    struct db_row row;

    TRY(parse(req, &id));
    TRY(db_one(req->task, &payment_history_stmt,
               DB_PARAMS(id, caller_staff_id(&req->caller),
                         caller_staff_claims(req->task->arena, &req->caller)),
               &row));
    TRY(fn_outcome(req->task, refusals, db_text(&row, 0)));

    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    jw_bool_at(w, "success", true);
    jw_key(w, "history");
    jw_raw(w, db_str(&row, 1));
    jw_close(w);
    return ERR_OK;
}

static const struct fn_input_doc inputs[] = {
    {"id", "string", true, "order id (FFX and 9 digits), payment id or invoice id"},
    {NULL, NULL, false, NULL},
};

static const struct fn_answer_doc answers[] = {
    {200, "history: entries [{at, what, detail}] in order of time, and the rows as they are now; "
          "credentials are masked"},
    {400, "Missing required parameters: id"},
    {401, "no valid token"},
    {403, "For staff only; For support and finance only"},
    {404, "Payment not found"},
    {0, NULL},
};

static struct setting *const *const settings[] = {db_settings, NULL};

static const struct fn_route routes[] = {
    {
        .methods = FN_GET,
        .path = "",
        .who = FN_STAFF | FN_SERVICE,
        .rate_calls = 60,
        .rate_window_s = 60,
        .inputs = inputs,
        .answers = answers,
        .handle = payment_history,
    },
    {0},
};

static const struct fn_spec spec = {
    .app = "flashfundx",
    .name = "payment-history",
    .summary = "Everything that is known about one payment, in order",
    .route = "/functions/v1/payment-history",
    .routes = routes,
    .memory_max = (size_t)32 * 1024 * 1024, /* a history of 5 MB is held three times */
    .timeout_ms = 10000,
    .settings = settings,
};

int
main(int argc, char **argv)
{
    return fn_main(&spec, argc, argv);
}
