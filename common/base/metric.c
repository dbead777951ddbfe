/*
 * Two halves that share the layout of a file (struct file): counting in the own one, which is
 * mapped, and rendering of everybody's, which are read.
 */
#include "base/metric.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/shared.h"

#define SUFFIX       ".metrics"
#define NAME_MAX_LEN 64 /* of a service */

/* Bounds of the duration histogram; le is the bound's text in seconds. */
static const struct {
    int64_t us;
    const char *le;
} buckets[] = {
    {500, "0.0005"}, {1000, "0.001"},  {2000, "0.002"},  {5000, "0.005"},
    {10000, "0.01"}, {20000, "0.02"},  {50000, "0.05"},  {100000, "0.1"},
    {200000, "0.2"}, {500000, "0.5"},  {1000000, "1"},   {2000000, "2"},
    {5000000, "5"},  {10000000, "10"}, {30000000, "30"}, {INT64_MAX, "+Inf"},
};

static const struct {
    const char *name;
    const char *type;
    const char *help;
} table[METRIC_MAX] = {
#define X(id, name, type, help) [id] = {name, type, help},
    METRIC_TABLE(X)
#undef X
};

struct histogram {
    int64_t bucket[ARRAY_LEN(buckets)]; /* not cumulative */
    int64_t duration_us;
};

enum { CLASS_2XX, CLASS_4XX, CLASS_5XX, CLASSES };

static const char *const class_names[CLASSES] = {"2xx", "4xx", "5xx"};

struct route {
    char label[METRIC_LABEL_SIZE]; /* "": no such route */
    int64_t answers[CLASSES];
    struct histogram durations;
};

#define VERSION 5

struct file {
    struct shared_head head;
    int64_t values[METRIC_MAX];
    struct histogram durations;
    struct route routes[METRIC_ROUTES_MAX];
};

/* Until a file is mapped, and when none can be, the process counts for itself. */
static struct file private_file;
static struct file *file = &private_file;

static struct shared_head
right_head(void)
{
    struct shared_head head;

    shared_head_init(&head, "ffxmetr", VERSION, sizeof(struct file));
    return head;
}

bool
metric_open(const char *run_dir, const char *service)
{
    const struct shared_head right = right_head();
    struct file *map = shared_map(run_dir, service, SUFFIX, &right, NULL);

    if (map == NULL)
        return false;
    if (file != &private_file)
        shared_unmap(file, &right);
    file = map;
    return true;
}

/* ---- counting ---- */

void
metric_add(enum metric id, int64_t n)
{
    MUST((unsigned)id < METRIC_MAX);
    __atomic_fetch_add(&file->values[id], n, __ATOMIC_RELAXED);
}

void
metric_set_max(enum metric id, int64_t n)
{
    MUST((unsigned)id < METRIC_MAX);
    int64_t seen = __atomic_load_n(&file->values[id], __ATOMIC_RELAXED);
    while (n > seen && !__atomic_compare_exchange_n(&file->values[id], &seen, n, true,
                                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

void
metric_set(enum metric id, int64_t n)
{
    MUST((unsigned)id < METRIC_MAX);
    __atomic_store_n(&file->values[id], n, __ATOMIC_RELAXED);
}

static void
observe(struct histogram *h, int64_t duration_us)
{
    const int64_t us = MAX(duration_us, 0);
    size_t i = 0;

    while (us > buckets[i].us)
        i++;
    __atomic_fetch_add(&h->bucket[i], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&h->duration_us, us, __ATOMIC_RELAXED);
}

void
metric_observe_us(int64_t duration_us)
{
    observe(&file->durations, duration_us);
}

void
metric_routes(const char *const *labels, size_t count)
{
    MUST(count <= METRIC_ROUTES_MAX);
    for (size_t i = 0; i < METRIC_ROUTES_MAX; i++) {
        struct route fresh = {0};
        struct route *r = &file->routes[i];

        if (i < count)
            (void)snprintf(fresh.label, sizeof(fresh.label), "%s", labels[i]);
        if (strncmp(r->label, fresh.label, sizeof(fresh.label)) != 0)
            *r = fresh;
    }
}

void
metric_route(size_t route, int status, int64_t duration_us)
{
    MUST(route < METRIC_ROUTES_MAX);
    struct route *r = &file->routes[route];

    __atomic_fetch_add(
        &r->answers[status < 400 ? CLASS_2XX : status < 500 ? CLASS_4XX : CLASS_5XX], 1,
        __ATOMIC_RELAXED);
    observe(&r->durations, duration_us);
}

/* ---- reading ---- */

struct service {
    char name[NAME_MAX_LEN + 1];
    struct file file;
};

/* NAME of "NAME.metrics"; false for other files. */
static bool
service_name(const char *file_name, char ret[NAME_MAX_LEN + 1])
{
    const size_t len = strlen(file_name);
    const size_t suffix = sizeof(SUFFIX) - 1;

    if (len <= suffix || len - suffix > NAME_MAX_LEN ||
        strcmp(file_name + len - suffix, SUFFIX) != 0)
        return false;
    for (size_t i = 0; i < len - suffix; i++) {
        const char c = file_name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    memcpy(ret, file_name, len - suffix);
    ret[len - suffix] = '\0';
    return true;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct service *)a)->name, ((const struct service *)b)->name);
}

/* The file FOLDER/NAME, when it has our layout. */
static bool
read_file(int folder, const char *name, struct file *ret)
{
    const struct shared_head right = right_head();
    const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return false;
    const bool ok =
        shared_head_ok(fd, &right) && pread(fd, ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret);
    (void)close(fd);
    return ok;
}

int64_t
metric_of(const char *run_dir, const char *service, enum metric id)
{
    char path[512];
    struct file one;

    MUST((unsigned)id < METRIC_MAX);
    (void)snprintf(path, sizeof(path), "%s/%s" SUFFIX, run_dir, service);
    return read_file(AT_FDCWD, path, &one) ? one.values[id] : 0;
}

/* ---- printing ---- */

/* Read at most `most` files of run_dir, in the order of their names; with `ret` NULL count them. */
static size_t
read_services(const char *run_dir, struct service *ret, size_t most)
{
    DIR *dir = opendir(run_dir);
    char name[NAME_MAX_LEN + 1];
    size_t count = 0;

    if (dir == NULL)
        return 0;
    for (const struct dirent *e = readdir(dir); e != NULL && count < most; e = readdir(dir)) {
        if (!service_name(e->d_name, name))
            continue;
        if (ret == NULL) {
            count++;
            continue;
        }
        memcpy(ret[count].name, name, sizeof(name));
        if (read_file(dirfd(dir), e->d_name, &ret[count].file))
            count++;
    }
    (void)closedir(dir);
    if (ret != NULL)
        qsort(ret, count, sizeof(ret[0]), by_name);
    return count;
}

/* Do two rows of the table belong to one metric (equal up to the labels)? */
static bool
same_metric(const char *a, const char *b)
{
    const size_t len = strcspn(a, "{");

    return strncmp(a, b, len) == 0 && b[len] == '{';
}

static void
render_table(const struct service *services, size_t count, struct buf *out)
{
    for (size_t id = 0; id < METRIC_MAX; id++) {
        const char *name = table[id].name;
        const int plain = (int)strcspn(name, "{");
        const char *comma = name[strlen(name) - 1] == '{' ? "" : ",";

        if (id == 0 || !same_metric(table[id - 1].name, name))
            buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", plain, name, table[id].help, plain,
                       name, table[id].type);
        for (size_t i = 0; i < count; i++)
            buf_printf(out, "%s%sfunction=\"%s\"} %lld\n", name, comma, services[i].name,
                       (long long)services[i].file.values[id]);
    }
}

/* One histogram of these labels (`function="x"`). */
static void
render_durations(const char *name, const char *labels, const struct histogram *h, struct buf *out)
{
    int64_t below = 0;

    for (size_t k = 0; k < ARRAY_LEN(buckets); k++) {
        below += h->bucket[k];
        buf_printf(out, "%s_bucket{%s,le=\"%s\"} %lld\n", name, labels, buckets[k].le,
                   (long long)below);
    }
    buf_printf(out, "%s_sum{%s} %lld.%06lld\n", name, labels, (long long)(h->duration_us / 1000000),
               (long long)(h->duration_us % 1000000));
    buf_printf(out, "%s_count{%s} %lld\n", name, labels, (long long)below);
}

static void
render_histogram(const struct service *services, size_t count, struct buf *out)
{
#define HISTOGRAM "ffx_request_duration_seconds"
    char labels[128];

    buf_add_text(out, "# HELP " HISTOGRAM " Time to serve a request\n"
                      "# TYPE " HISTOGRAM " histogram\n");
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(labels, sizeof(labels), "function=\"%s\"", services[i].name);
        render_durations(HISTOGRAM, labels, &services[i].file.durations, out);
    }
#undef HISTOGRAM
}

/* render(labels, route, out) for every route of every function; labels: `function="x",route="y"`. */
static void
each_route(const struct service *services, size_t count, struct buf *out,
           void (*render)(const char *labels, const struct route *r, struct buf *out))
{
    char labels[128 + METRIC_LABEL_SIZE];

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < METRIC_ROUTES_MAX; k++) {
            const struct route *r = &services[i].file.routes[k];

            if (r->label[0] == '\0')
                continue;
            (void)snprintf(labels, sizeof(labels), "function=\"%s\",route=\"%.*s\"",
                           services[i].name, METRIC_LABEL_SIZE - 1, r->label);
            render(labels, r, out);
        }
}

static void
render_answers(const char *labels, const struct route *r, struct buf *out)
{
    for (size_t c = 0; c < CLASSES; c++)
        buf_printf(out, "ffx_route_requests_total{%s,class=\"%s\"} %lld\n", labels,
                   class_names[c], (long long)r->answers[c]);
}

static void
render_route_durations(const char *labels, const struct route *r, struct buf *out)
{
    render_durations("ffx_route_duration_seconds", labels, &r->durations, out);
}

static void
render_routes(const struct service *services, size_t count, struct buf *out)
{
    buf_add_text(out, "# HELP ffx_route_requests_total Requests answered, by route\n"
                      "# TYPE ffx_route_requests_total counter\n");
    each_route(services, count, out, render_answers);
    buf_add_text(out, "# HELP ffx_route_duration_seconds Time to serve a request, by route\n"
                      "# TYPE ffx_route_duration_seconds histogram\n");
    each_route(services, count, out, render_route_durations);
}

void
metric_render(const char *run_dir, struct buf *out)
{
    const size_t most = read_services(run_dir, NULL, SIZE_MAX);

    if (most == 0)
        return;
    /* not on the stack: a coroutine's is too small for it */
    struct service *services = out->arena != NULL ? ARENA_ARRAY(out->arena, struct service, most)
                                                  : calloc(most, sizeof(*services));
    if (services == NULL)
        die("out of memory");
    const size_t count = read_services(run_dir, services, most);
    if (count > 0) {
        render_table(services, count, out);
        render_histogram(services, count, out);
        render_routes(services, count, out);
    }
    if (out->arena == NULL)
        free(services);
}
