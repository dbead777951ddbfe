/*
 * Passwords: what a new one must be, and hashes, which are made on threads of their own class at a
 * lower priority, so that a crowd that signs in delays nobody's payment.  A crowd that is too large
 * is told to come again.
 */
#include "auth.h"

#include "crypto/digest.h"
#include "loop/offload.h"

#define WAITING_MAX 64 /* hashes of this process: some five seconds */

/* The classes of PASSWORD_REQUIRED_CHARACTERS that the password has nothing of. */
static bool
lacks_class(struct str password)
{
    struct str classes = setting_str(&cfg_password_classes);

    while (classes.len > 0) {
        const char *colon = memchr(classes.ptr, ':', classes.len);
        const size_t len = colon == NULL ? classes.len : (size_t)(colon - classes.ptr);
        bool has = len == 0;

        for (size_t i = 0; !has && i < password.len; i++)
            has = memchr(classes.ptr, password.ptr[i], len) != NULL;
        if (!has)
            return true;
        classes =
            (struct str){classes.ptr + len + (colon != NULL), classes.len - len - (colon != NULL)};
    }
    return false;
}

/* "abc:ABC" as the original says it: "abc, ABC". */
static const char *
classes_text(struct arena *a)
{
    struct buf out;

    buf_init_arena(&out, a, 4096);
    for (const char *p = setting_text(&cfg_password_classes); *p != '\0'; p++)
        if (*p == ':')
            buf_add_text(&out, ", ");
        else
            buf_add_char(&out, *p);
    return out.ptr;
}

/* All that is weak in it is told at once. */
static bool
is_strong(struct fn_req *req, struct fn_res *res, struct str password)
{
    struct arena *a = req->task->arena;
    const int64_t least = setting_int(&cfg_password_min);
    const struct {
        bool weak;
        const char *reason, *text;
    } rows[] = {
        {(int64_t)password.len < least, "\"length\"",
         arena_printf(a, "Password should be at least %lld characters.", (long long)least)},
        {lacks_class(password), "\"characters\"",
         arena_printf(a, "Password should contain at least one character of each: %s.",
                      classes_text(a))},
        {auth_password_is_common(password), "\"pwned\"",
         "Password is known to be weak and easy to guess, please choose a different one."},
    };
    struct buf reasons, text;

    buf_init_arena(&reasons, a, 256);
    buf_init_arena(&text, a, 8192);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!rows[i].weak)
            continue;
        buf_printf(&reasons, "%s%s", reasons.len == 0 ? "[" : ",", rows[i].reason);
        buf_printf(&text, "%s%s", text.len == 0 ? "" : " ", rows[i].text);
    }
    if (reasons.len == 0)
        return true;
    buf_add_char(&reasons, ']');
    fn_refuse_auth(req, res, 422, "weak_password", text.ptr, reasons.ptr);
    return false;
}

bool
auth_password_fits(struct fn_req *req, struct fn_res *res, struct str password)
{
    if (memchr(password.ptr, '\0', password.len) != NULL)
        return auth_refuse(req, res, 400, "validation_failed",
                           "Password cannot have the character U+0000");
    if (password.len > PASSWORD_BYTES_MAX)
        return auth_refuse(req, res, 400, "validation_failed",
                           "Password cannot be longer than 72 characters");
    return is_strong(req, res, password);
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
