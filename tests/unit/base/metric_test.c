#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/metric.h"

static char *dir;
static struct buf out;

static int
set_up(void **state UNUSED)
{
    dir = check_folder();
    buf_init_heap(&out, 1024 * 1024);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    buf_release(&out);
    check_remove_folder(dir);
    return 0;
}

static const char *
render(void)
{
    buf_clear(&out);
    metric_render(dir, &out);
    return buf_str(&out).len > 0 ? out.ptr : "";
}

static void
rendered(const char *line)
{
    const char *text = render();

    if (strstr(text, line) == NULL)
        fail_msg("\"%s\" is not in:\n%s", line, text);
}

static void
path_of(const char *name, char ret[256])
{
    (void)snprintf(ret, 256, "%s/%s", dir, name);
}

static void
put_file(const char *name, const void *bytes, size_t len)
{
    char path[256];

    path_of(name, path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(close(fd), 0);
}

static void
file_is_for_owner_and_group(void **state UNUSED)
{
    char path[256];
    struct stat st;

    const mode_t mask = umask(077);
    assert_true(metric_open(dir, "shop"));
    (void)umask(mask);
    path_of("shop.metrics", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void
nothing_is_left_aside(void **state UNUSED)
{
    int files = 0;

    assert_true(metric_open(dir, "shop"));
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        files += e->d_name[0] != '.';
    (void)closedir(d);
    assert_int_equal(files, 1);
}

static void
metric_with_a_label_gets_another(void **state UNUSED)
{
    assert_true(metric_open(dir, "shop"));
    metric_add(METRIC_REQUESTS_4XX, 3);
    rendered("\nffx_requests_total{class=\"4xx\",function=\"shop\"} 3\n");
}

static void
metric_without_label_gets_one(void **state UNUSED)
{
    assert_true(metric_open(dir, "shop"));
    metric_add(METRIC_DB_QUERIES, 2);
    metric_add(METRIC_DB_QUERIES, 5);
    rendered("\nffx_db_queries_total{function=\"shop\"} 7\n");
}

static void
gauge_goes_down_again(void **state UNUSED)
{
    assert_true(metric_open(dir, "shop"));
    metric_add(METRIC_STACK_HIGH_WATER, 3);
    metric_add(METRIC_STACK_HIGH_WATER, -2);
    rendered("\nffx_coroutine_stack_high_water_bytes{function=\"shop\"} 1\n");
}

static void
maximum_is_kept(void **state UNUSED)
{
    assert_true(metric_open(dir, "shop"));
    metric_set_max(METRIC_STACK_HIGH_WATER, 500);
    metric_set_max(METRIC_STACK_HIGH_WATER, 300);
    rendered("\nffx_coroutine_stack_high_water_bytes{function=\"shop\"} 500\n");
}

static void
help_and_type_stand_once_per_metric(void **state UNUSED)
{
    assert_true(metric_open(dir, "shop"));
    assert_true(metric_open(dir, "health"));
    const char *text = render();
    const char *first = strstr(text, "# TYPE ffx_requests_total counter\n");
    assert_non_null(first);
    assert_null(strstr(first + 1, "# TYPE ffx_requests_total"));
    first = strstr(text, "# HELP ffx_requests_total Requests answered\n");
    assert_non_null(first);
    assert_null(strstr(first + 1, "# HELP ffx_requests_total"));
}

static void
every_function_is_rendered(void **state UNUSED)
{
    assert_true(metric_open(dir, "shop"));
    metric_add(METRIC_RUNS, 1);
    assert_true(metric_open(dir, "payment-webhook"));
    metric_add(METRIC_RUNS, 2);
    rendered("ffx_scheduled_runs_total{function=\"payment-webhook\"} 2\n"
             "ffx_scheduled_runs_total{function=\"shop\"} 1\n");
}

static void
histogram_is_cumulative(void **state UNUSED)
{
    assert_true(metric_open(dir, "shop"));
    metric_observe_us(0);
    metric_observe_us(500); /* le means <= */
    metric_observe_us(501);
    metric_observe_us(30000000);
    metric_observe_us(40000000);
    rendered("# TYPE ffx_request_duration_seconds histogram\n");
    rendered("ffx_request_duration_seconds_bucket{function=\"shop\",le=\"0.0005\"} 2\n"
             "ffx_request_duration_seconds_bucket{function=\"shop\",le=\"0.001\"} 3\n");
    rendered("le=\"10\"} 3\nffx_request_duration_seconds_bucket{function=\"shop\",le=\"30\"} 4\n"
             "ffx_request_duration_seconds_bucket{function=\"shop\",le=\"+Inf\"} 5\n"
             "ffx_request_duration_seconds_sum{function=\"shop\"} 70.001001\n"
             "ffx_request_duration_seconds_count{function=\"shop\"} 5\n");
}

static void
negative_duration_counts_as_none(void **state UNUSED)
{
    assert_true(metric_open(dir, "shop"));
    metric_observe_us(-5);
    rendered("ffx_request_duration_seconds_sum{function=\"shop\"} 0.000000\n");
}

static void
counts_survive_the_process(void **state UNUSED)
{
    assert_true(metric_open(dir, "shop"));
    metric_add(METRIC_RUNS, 41);
    assert_true(metric_open(dir, "other")); /* unmaps the first */
    assert_true(metric_open(dir, "shop"));
    metric_add(METRIC_RUNS, 1);
    rendered("ffx_scheduled_runs_total{function=\"shop\"} 42\n");
}

static void
file_of_another_layout_is_replaced(void **state UNUSED)
{
    static char wrong[5000];

    put_file("shop.metrics", wrong, sizeof(wrong));
    assert_true(metric_open(dir, "shop"));
    metric_add(METRIC_RUNS, 1);
    rendered("ffx_scheduled_runs_total{function=\"shop\"} 1\n");
}

/* The bytes of a good file of the service `shop`. */
static size_t
good_bytes(char *ret, size_t size)
{
    char path[256];

    assert_true(metric_open(dir, "shop"));
    metric_add(METRIC_RUNS, 5);
    path_of("shop.metrics", path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    const ssize_t len = read(fd, ret, size);
    (void)close(fd);
    assert_true(len > 16 && (size_t)len < size);
    return (size_t)len;
}

static void
file_of_another_version_is_replaced(void **state UNUSED)
{
    static char bytes[64 * 1024];

    const size_t len = good_bytes(bytes, sizeof(bytes));
    bytes[8]++; /* the version */
    put_file("other.metrics", bytes, len);
    assert_true(metric_open(dir, "other"));
    rendered("ffx_scheduled_runs_total{function=\"other\"} 0\n");
}

static void
replacing_does_not_touch_the_old_file(void **state UNUSED)
{
    char path[256];
    struct stat old;
    struct stat now;

    put_file("shop.metrics", "old", 3);
    path_of("shop.metrics", path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(metric_open(dir, "shop"));
    assert_int_equal(fstat(fd, &old), 0);
    assert_int_equal(stat(path, &now), 0);
    (void)close(fd);
    assert_int_equal(old.st_size, 3);
    assert_int_not_equal(old.st_ino, now.st_ino);
}

static void
broken_files_are_not_rendered(void **state UNUSED)
{
    put_file("broken.metrics", "x", 1);
    assert_string_equal(render(), "");
}

static void
files_of_other_names_are_not_rendered(void **state UNUSED)
{
    static const char *const names[] = {".metrics",    "shop.metrics.1234", "x\"y.metrics",
                                        "x y.metrics", "X.metrics",         "shop.limits",
                                        "metrics"};
    static char bytes[64 * 1024];
    char path[256];

    const size_t len = good_bytes(bytes, sizeof(bytes));
    path_of("shop.metrics", path);
    assert_int_equal(unlink(path), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        put_file(names[i], bytes, len);
    assert_string_equal(render(), "");
    put_file("az-09_.metrics", bytes, len);
    rendered("ffx_scheduled_runs_total{function=\"az-09_\"} 5\n");
}

static void
every_metric_has_help_and_type(void **state UNUSED)
{
    static const char *const lines[] = {
#define X(id, name, type, help) name "|" type "|" help,
        METRIC_TABLE(X)
#undef X
    };

    assert_true(metric_open(dir, "shop"));
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *type = strchr(lines[i], '|') + 1;
        const char *help = strchr(type, '|') + 1;
        const int name_len = (int)strcspn(lines[i], "{");
        char expected[256];

        (void)snprintf(expected, sizeof(expected), "# HELP %.*s %s\n# TYPE %.*s %.*s\n", name_len,
                       lines[i], help, name_len, lines[i], (int)(help - type - 1), type);
        rendered(expected);
    }
}

static void
missing_folder_renders_nothing(void **state UNUSED)
{
    metric_render("/nonexistent", &out);
    assert_int_equal(out.len, 0);
}

static void
use_without_file(void)
{
    if (metric_open("/nonexistent", "shop"))
        _exit(1);
    metric_add(METRIC_RUNS, 1);
    metric_set_max(METRIC_STACK_HIGH_WATER, 1);
    metric_observe_us(1);
}

static void
without_a_file_counting_still_works(void **state UNUSED)
{
    char text[256];

    assert_int_equal(check_child(use_without_file, text, sizeof(text)), 0);
}

static void
long_folder_is_refused(void **state UNUSED)
{
    char path[1000];

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_false(metric_open(path, "shop"));
}

#define PROCESSES 8
#define EACH      2000

/* Workers that start together, over a file of an old layout, count into one file. */
static void
processes_count_together(void **state UNUSED)
{
    char expected[128];
    pid_t pids[PROCESSES];

    put_file("shop.metrics", "old layout", 10);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            if (!metric_open(dir, "shop"))
                _exit(1);
            for (int k = 0; k < EACH; k++)
                metric_add(METRIC_RUNS, 1);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    (void)snprintf(expected, sizeof(expected), "ffx_scheduled_runs_total{function=\"shop\"} %d\n",
                   PROCESSES * EACH);
    rendered(expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void
there_is_no_last_service(void **state UNUSED)
{
    char name[32], line[64];

    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "shop-%d", i);
        assert_true(metric_open(dir, name));
    }
    for (int i = 0; i < 200; i++) {
        (void)snprintf(line, sizeof(line), "\nffx_db_queries_total{function=\"shop-%d\"} 0\n", i);
        rendered(line);
    }
}

static void
routes_are_counted_apart(void **state UNUSED)
{
    const char *const labels[] = {"GET /a", "POST /a/:id"};

    assert_true(metric_open(dir, "shop"));
    metric_routes(labels, 2);
    metric_route(0, 200, 700);
    metric_route(0, 304, 700);
    metric_route(1, 404, 1);
    metric_route(1, 503, 1);
    rendered("# TYPE ffx_route_requests_total counter\n"
             "ffx_route_requests_total{function=\"shop\",route=\"GET /a\",class=\"2xx\"} 2\n"
             "ffx_route_requests_total{function=\"shop\",route=\"GET /a\",class=\"4xx\"} 0\n");
    rendered("{function=\"shop\",route=\"POST /a/:id\",class=\"4xx\"} 1\n"
             "ffx_route_requests_total{function=\"shop\",route=\"POST /a/:id\",class=\"5xx\"} 1\n");
    rendered("ffx_route_duration_seconds_bucket{function=\"shop\",route=\"GET /a\",le=\"0.001\"} 2\n");
    rendered("ffx_route_duration_seconds_sum{function=\"shop\",route=\"GET /a\"} 0.001400\n");
}

static void
a_route_with_another_label_begins_anew(void **state UNUSED)
{
    const char *const before[] = {"GET /a", "GET /b"}, *const after[] = {"GET /a", "GET /c"};

    assert_true(metric_open(dir, "shop"));
    metric_routes(before, 2);
    metric_route(0, 200, 1);
    metric_route(1, 200, 1);
    metric_routes(after, 2);
    rendered("route=\"GET /a\",class=\"2xx\"} 1\n");
    rendered("route=\"GET /c\",class=\"2xx\"} 0\n");
    assert_null(strstr(render(), "GET /b"));
}

static const struct CMUnitTest tests[] = {
    TEST(routes_are_counted_apart),
    TEST(a_route_with_another_label_begins_anew),
    TEST(there_is_no_last_service),
    TEST(file_is_for_owner_and_group),
    TEST(nothing_is_left_aside),
    TEST(metric_with_a_label_gets_another),
    TEST(metric_without_label_gets_one),
    TEST(gauge_goes_down_again),
    TEST(maximum_is_kept),
    TEST(help_and_type_stand_once_per_metric),
    TEST(every_function_is_rendered),
    TEST(histogram_is_cumulative),
    TEST(negative_duration_counts_as_none),
    TEST(counts_survive_the_process),
    TEST(file_of_another_layout_is_replaced),
    TEST(file_of_another_version_is_replaced),
    TEST(replacing_does_not_touch_the_old_file),
    TEST(broken_files_are_not_rendered),
    TEST(files_of_other_names_are_not_rendered),
    TEST(every_metric_has_help_and_type),
    TEST(missing_folder_renders_nothing),
    TEST(without_a_file_counting_still_works),
    TEST(long_folder_is_refused),
    TEST(processes_count_together),
};

int
main(void)
{
    return cmocka_run_group_tests_name("base_metric", tests, NULL, NULL);
}
