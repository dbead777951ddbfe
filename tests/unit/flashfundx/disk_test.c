/* The files of the spool: kept, read again, and nothing lost on the way when the arena is full. */
#include "check.h"

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/wait.h"
#include "payment-webhook/disk.h"

#define BODY "{\"payment_id\":1}"

static char *state_dir;
static size_t room; /* of the arena */
static enum err ended_with;
static bool kept;

static int
make_folder(void **state UNUSED)
{
    state_dir = check_folder();
    room = 1024 * 1024;
    assert_true(disk_open(state_dir));
    return 0;
}

static void
remove_callbacks(void)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/callbacks", state_dir);
    check_remove_folder(path);
}

static int
remove_folder(void **state UNUSED)
{
    check_remove_folder(state_dir);
    return 0;
}

static void
run_on_coroutine(void *work)
{
    struct task task = {.arena = arena_new(room), .deadline_ms = clock_ms() + 5000};
    enum err (*const *fn)(struct task *, void *) = work;

    ended_with = task_run(&task, *fn, NULL);
    arena_free(task.arena);
    loop_exit();
}

static enum err
run(enum err (*work)(struct task *, void *))
{
    co_start(run_on_coroutine, &work);
    loop_run();
    return ended_with;
}

static enum err
keep_one(struct task *task, void *unused UNUSED)
{
    kept = disk_keep(task->arena, "ipn", STR(BODY), task->deadline_ms) == NULL;
    return ERR_OK;
}

static enum err
read_back(struct task *task, void *unused UNUSED)
{
    struct disk_list list;
    const char *source;
    struct str body;

    assert_true(disk_list(&list));
    assert_int_equal(list.count, 1);
    assert_int_equal(disk_read(task, list.names[0]->d_name, &source, &body), ERR_OK);
    assert_string_equal(source, "ipn");
    check_str(body, BODY);
    disk_remove(list.names[0]->d_name);
    disk_list_release(&list);
    return ERR_OK;
}

static void
what_is_kept_is_read_again(void **state UNUSED)
{
    assert_int_equal(run(keep_one), ERR_OK);
    assert_true(kept);
    assert_int_equal(run(read_back), ERR_OK);
    remove_callbacks();
}

static void
why_it_cannot_be_kept_is_told(void **state UNUSED)
{
    remove_callbacks();
    kept = true;
    assert_int_equal(run(keep_one), ERR_OK);
    assert_false(kept);
}

/* AddressSanitizer tells of memory that nobody gave back. */
static void
a_full_arena_loses_no_memory(void **state UNUSED)
{
    remove_callbacks();
    room = 8;
    assert_int_equal(run(keep_one), ERR_MEMORY);
}

#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

static const struct CMUnitTest tests[] = {
    FOLDER_TEST(what_is_kept_is_read_again),
    FOLDER_TEST(why_it_cannot_be_kept_is_told),
    FOLDER_TEST(a_full_arena_loses_no_memory),
};

int
main(void)
{
    loop_init();
    return cmocka_run_group_tests_name("flashfundx_disk", tests, NULL, NULL);
}
