/*
 * Passwords: what a new one must be, and hashes, which are made on threads of their own class at a
 * lower priority, so that a crowd that signs in delays nobody's payment.  A crowd that is too large
 * is told to come again.
 */
#include "auth.h"

#include "crypto/digest.h"
#include "loop/offload.h"

#define WAITING_MAX 64 /* hashes of this process: some ten seconds of two threads */

bool
auth_password_fits(struct fn_req *req, struct fn_res *res, struct str password)
{
    struct arena *a = req->task->arena;
    const int64_t least = setting_int(&cfg_password_min);

    if (memchr(password.ptr, '\0', password.len) != NULL)
        return auth_refuse(req, res, 400, "validation_failed",
                           "Password cannot have the character U+0000");
    if (password.len > PASSWORD_BYTES_MAX)
        return auth_refuse(req, res, 400, "validation_failed",
                           "Password cannot be longer than 72 characters");
    if ((int64_t)password.len < least) {
        fn_refuse_auth(
            req, res, 422, "weak_password",
            arena_printf(a, "Password should be at least %lld characters.", (long long)least),
            "[\"length\"]");
        return false;
    }
    return true;
}

/* On the heap: a thread may still be at it when the request has given up. */
struct work {
    char password[PASSWORD_BYTES_MAX + 1];
    char hash[512]; /* to compare with; "": there is nobody */
    char new_hash[PASSWORD_HASH_SIZE];
    bool compare;
    enum password_match match;
    int cost;
};

static size_t waiting;

static void
work_on_thread(void *arg)
{
    struct work *w = arg;

    w->match = w->compare ? password_check(w->hash, w->password, w->cost) : PASSWORD_RIGHT_OLD;
    if (w->match == PASSWORD_RIGHT_OLD)
        password_hash(w->password, w->cost, w->new_hash);
}

static void
drop(void *arg)
{
    struct work *w = arg;

    crypto_wipe(w, sizeof *w);
    free(w);
    waiting--;
}

static enum err
do_work(struct fn_req *req, const char *hash, bool compare, struct str password,
        enum password_match *ret_match, const char **ret_new)
{
    struct work *w;

    if (waiting >= WAITING_MAX || (w = calloc(1, sizeof *w)) == NULL) {
        req->task->fail.retry_after_s = 5;
        return fail_set(&req->task->fail, ERR_UNAVAILABLE, "Too many people are signing in");
    }
    waiting++;
    w->compare = compare;
    w->cost = (int)setting_int(&cfg_password_cost);
    memcpy(w->password, password.ptr, password.len);
    if (hash != NULL)
        (void)snprintf(w->hash, sizeof w->hash, "%s", hash);
    if (!offload(OFFLOAD_HASH, work_on_thread, w, drop, req->task->deadline_ms))
        return fail_set(&req->task->fail, ERR_UNAVAILABLE, "Too many people are signing in");
    *ret_match = w->match;
    *ret_new = w->new_hash[0] == '\0' ? NULL : arena_copy(req->task->arena, str_of(w->new_hash));
    drop(w);
    return ERR_OK;
}

enum err
auth_hash(struct fn_req *req, struct str password, const char **ret)
{
    enum password_match match;

    return do_work(req, NULL, false, password, &match, ret);
}

enum err
auth_compare(struct fn_req *req, const char *hash, struct str password, bool *ret_right,
             const char **ret_new)
{
    enum password_match match;

    if (password.len > PASSWORD_BYTES_MAX || memchr(password.ptr, '\0', password.len) != NULL) {
        password = STR("");
        hash = NULL; /* nobody's, and it takes as long */
    }
    TRY(do_work(req, hash, true, password, &match, ret_new));
    *ret_right = match != PASSWORD_WRONG;
    return ERR_OK;
}
