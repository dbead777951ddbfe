/* What health finds in RUN_DIR, and that it closes it again. */
#include "check.h"

#include <fcntl.h>

#include "base/shared.h"
#include "health/checks.h"

static char *dir;
static struct buf problems;

static void
make_file(const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static int
set_up(void **state UNUSED)
{
    struct setting *const settings[] = {&cfg_run_dir};

    dir = check_folder();
    (void)setenv("RUN_DIR", dir, 1);
    buf_init_heap(&problems, 10000);
    assert_true(settings_load(settings, 1, &problems));
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    buf_release(&problems);
    check_remove_folder(dir);
    return 0;
}

static int
first_free_descriptor(void)
{
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    (void)close(fd);
    return fd;
}

static enum err
check_functions(struct task *task, void *ok)
{
    struct fn_res *res = ARENA_NEW(task->arena, struct fn_res);
    struct fn_req req = {.task = task};

    buf_init_arena(&res->body, task->arena, 64 * 1024);
    struct json_writer *w = fn_json(res, 200);
    jw_open(w);
    *(bool *)ok = health_functions(&req, w, "functions");
    jw_close(w);
    return ERR_OK;
}

static void
a_socket_without_a_worker_is_told_of(void **state UNUSED)
{
    struct task task = {.arena = arena_new((size_t)1024 * 1024)};
    bool ok = false;

    assert_int_equal(task_run(&task, check_functions, &ok), ERR_OK);
    assert_true(ok);
    make_file("a.sock");
    assert_int_equal(task_run(&task, check_functions, &ok), ERR_OK);
    assert_false(ok);
    arena_free(task.arena);
}

static void
the_folder_is_closed_whatever_ends_the_look(void **state UNUSED)
{
    const int before = first_free_descriptor();
    char name[64];

    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "%050d.sock", i);
        make_file(name);
    }
    for (size_t room = 256; room <= 16384; room += 256) {
        struct task task = {.arena = arena_new(room)};
        bool ok;
        const enum err e = task_run(&task, check_functions, &ok);

        if (room == 256)
            assert_int_equal(e, ERR_MEMORY);
        if (room == 16384)
            assert_int_equal(e, ERR_OK);
        arena_free(task.arena);
        assert_int_equal(first_free_descriptor(), before);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(a_socket_without_a_worker_is_told_of),
    TEST(the_folder_is_closed_whatever_ends_the_look),
};

int
main(void)
{
    return cmocka_run_group_tests_name("health_checks", tests, NULL, NULL);
}
