/*
 * The cache of this process.  A load runs on a coroutine of its own, and one at a time; who has
 * nothing to read waits for it, everybody else reads the one of before.  That one is freed by the
 * last task that reads it.
 */
#include "rest/cache/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "db/array.h"
#include "db/listen.h"
#include "db/query.h"
#include "loop/timer.h"
#include "loop/wait.h"

#define NAMES_MAX      32
#define LOAD_MS        30000
#define LOAD_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define AGAIN_MS       1000 /* after a load that failed */
#define ONCE_MORE_MS   5000 /* after the start: until then nobody listened, perhaps */

/* ---- settings ---- */

struct names {
    const char *items[NAMES_MAX + 1];
    size_t count;
    char *text;
};

/* `text` is changed.  False: too many, none between two commas, or too long for a name. */
static bool
split(char *text, struct names *ret)
{
    char *rest = text;

    ret->count = 0;
    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        name += strspn(name, " ");
        for (size_t len = strlen(name); len > 0 && name[len - 1] == ' '; len--)
            name[len - 1] = '\0';
        if (name[0] == '\0' || strlen(name) > 63 || ret->count == NAMES_MAX)
            return false;
        ret->items[ret->count++] = name;
    }
    ret->items[ret->count] = NULL;
    return true;
}

static const char *
check_names(const char *text)
{
    struct names names;
    char *copy = strdup(text);

    if (copy == NULL)
        die("out of memory");
    bool good = split(copy, &names);
    for (size_t i = 0; good && i < names.count; i++)
        good = strchr(names.items[i], ' ') == NULL && strcmp(names.items[i], "pg_catalog") != 0 &&
               strcmp(names.items[i], "information_schema") != 0;
    free(copy);
    return good
               ? NULL
               : "must be names of schemas without blanks, with commas between, none the catalog's";
}

struct setting cfg_rest_schemas = {
    .env = "REST_SCHEMAS",
    .kind = SETTING_TEXT,
    .fallback = "public",
    .meaning = "schemas that are served, with commas between; the first is the usual one",
    .check = check_names,
};

struct setting cfg_rest_extra_path = {
    .env = "REST_EXTRA_PATH",
    .kind = SETTING_TEXT,
    .fallback = "extensions",
    .meaning = "schemas in which functions and types are found too, with commas between",
    .check = check_names,
};

static const char *const *
names_of(const struct setting *s, struct names *names, size_t *ret_count)
{
    if (names->text == NULL) {
        names->text = strdup(setting_text(s));
        if (names->text == NULL)
            die("out of memory");
        if (names->text[0] != '\0' && !split(names->text, names))
            die("%s was not checked", s->env);
    }
    *ret_count = names->count;
    return names->items;
}

const char *const *
cache_schemas(size_t *ret_count)
{
    static struct names names;

    return names_of(&cfg_rest_schemas, &names, ret_count);
}

const char *const *
cache_extra_path(size_t *ret_count)
{
    static struct names names;

    return names_of(&cfg_rest_extra_path, &names, ret_count);
}

/* ---- loading ---- */

struct waiter {
    struct co *co;
    struct waiter *next;
    bool told;
};

static struct cache_whole *now;
static struct waiter *waiters;
static bool loading;
static bool again; /* something changed while it was loaded */

static void start_load(void);

static void
again_fired(struct loop_timer *t UNUSED)
{
    start_load();
}

static void
once_more_fired(struct loop_timer *t UNUSED)
{
    if (now != NULL)
        start_load();
}

static struct loop_timer again_timer = {.fire = again_fired};
static struct loop_timer once_more_timer = {.fire = once_more_fired};

static void
free_unless_read(struct cache_whole *w)
{
    if (w->retired && w->users == 0)
        cache_free(&w->cache);
}

static void
stop_reading(void *whole)
{
    struct cache_whole *w = whole;

    w->users--;
    free_unless_read(w);
}

static void
replace(struct cache *c)
{
    struct cache_whole *old = now;

    now = CONTAINER_OF(c, struct cache_whole, cache);
    if (old != NULL) {
        old->retired = true;
        free_unless_read(old);
    }
}

static const char *
array_of(struct arena *a, const char *const *items, size_t count)
{
    char *text = arena_bytes(a, db_array_size(items, count));

    db_array_write(text, items, count);
    return text;
}

static enum err
load(struct task *task, void *arg UNUSED)
{
    static struct db_stmt stmt = {
        .sql = "SELECT kind, value FROM platform.rest_schema($1::text[], $2::text[])",
        .kind = DB_READ};
    const int64_t began_ms = clock_ms();
    struct db_result *r;
    const char *why = NULL;
    size_t schema_count;
    size_t extra_count;
    const char *const *schemas = cache_schemas(&schema_count);
    const char *const *extra = cache_extra_path(&extra_count);

    TRY(db_query(task, &stmt,
                 DB_PARAMS(array_of(task->arena, schemas, schema_count),
                           array_of(task->arena, extra, extra_count)),
                 &r));
    const size_t count = (size_t)db_rows(r);
    const int64_t asked_ms = clock_ms();
    const char **rows = ARENA_ARRAY(task->arena, const char *, 2 * count);
    for (size_t i = 0; i < count; i++) {
        const struct db_row row = db_row(r, (int)i);

        rows[2 * i] = db_text(&row, 0);
        rows[2 * i + 1] = db_text(&row, 1);
        if (rows[2 * i] == NULL || rows[2 * i + 1] == NULL)
            return fail_detail(&task->fail, ERR_INTERNAL, "rest_schema: a row has NULL");
    }
    struct cache *c = cache_decode(task->arena, rows, count, &why);
    if (c == NULL)
        return fail_detail(&task->fail, ERR_INTERNAL, "rest_schema: %s", why);
    log_event(LOG_INFO, "schema_cache_loaded", NULL, NULL,
              LOG_NUM("tables", (int64_t)c->table_count),
              LOG_NUM("functions", (int64_t)c->routine_count), LOG_NUM("bytes", (int64_t)c->bytes),
              LOG_NUM("asked_ms", asked_ms - began_ms), LOG_NUM("read_ms", clock_ms() - asked_ms));
    replace(c);
    return ERR_OK;
}

static void
tell_waiters(void)
{
    while (waiters != NULL) {
        struct waiter *w = waiters;

        waiters = w->next;
        w->told = true;
        co_wake(w->co);
    }
}

static void
load_on_coroutine(void *arg UNUSED)
{
    enum err e;

    do {
        struct task task = {.arena = arena_new(LOAD_BYTES_MAX),
                            .deadline_ms = clock_ms() + LOAD_MS};

        again = false;
        e = task_run(&task, load, NULL);
        if (e != ERR_OK)
            log_event((enum log_level)err_info(e)->log_level, "schema_cache_failed", NULL,
                      fail_reason(&task.fail, e), LOG_TEXT("kind", err_info(e)->name));
        arena_free(task.arena);
        tell_waiters();
    } while (e == ERR_OK && again);
    loading = false;
    if (e != ERR_OK && now != NULL)
        loop_timer_set(&again_timer, clock_ms() + AGAIN_MS);
}

static void
start_load(void)
{
    again = true;
    if (loading)
        return;
    loading = true;
    loop_timer_clear(&again_timer);
    co_start(load_on_coroutine, NULL);
}

static void
notified(const char *payload)
{
    if ((payload[0] == '\0' || strcmp(payload, "reload schema") == 0) && (now != NULL || loading))
        start_load();
}

static void
missed(void)
{
    if (now != NULL || loading)
        start_load();
}

void
cache_start(void)
{
    static struct db_listen listen = {.channel = "pgrst", .notified = notified, .missed = missed};

    db_listen(&listen);
    loop_timer_set(&once_more_timer, clock_ms() + ONCE_MORE_MS);
}

/* False: the time is over. */
static bool
wait_for_load(struct task *task)
{
    struct waiter self = {.co = co_self(), .next = waiters};

    MUST(self.co != NULL);
    waiters = &self;
    if (!loading)
        start_load();
    while (!self.told)
        if (!co_wait_until(task->deadline_ms) && !self.told) {
            struct waiter **at = &waiters;

            while (*at != &self)
                at = &(*at)->next;
            *at = self.next;
            return false;
        }
    return true;
}

enum err
cache_get(struct task *task, const struct cache **ret)
{
    if (now == NULL && !wait_for_load(task))
        return fail_detail(&task->fail, ERR_UNAVAILABLE, "the schema cache is not there in time");
    if (now == NULL)
        return fail_detail(&task->fail, ERR_UNAVAILABLE, "the schema cache could not be loaded");
    now->users++;
    *ret = &now->cache;
    arena_defer(task->arena, stop_reading, now);
    return ERR_OK;
}
