#include "check.h"

#include <fcntl.h>
#include <stdio.h>

#include "crypto/key_file.h"

static char path[64];

static void
put(const char *text)
{
    char new[80];

    (void)snprintf(new, sizeof new, "%s.new", path);
    FILE *f = fopen(new, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(new, path), 0);
}

/* What is told at `now_ms`: the text, "" for nothing new, else why not. */
static const char *
told_at(struct key_file *f, int64_t now_ms)
{
    static char ret[256];
    struct buf text;
    const char *why = NULL;

    buf_init_heap(&text, KEY_FILE_BYTES_MAX);
    const bool changed = key_file_changed(f, now_ms, 1000, &text, &why);
    (void)snprintf(ret, sizeof ret, "%s",
                   !changed      ? ""
                   : why != NULL ? why
                                 : (text.ptr == NULL ? "empty" : text.ptr));
    buf_release(&text);
    return ret;
}

static void
another_file_in_its_place_is_told_once(void **state UNUSED)
{
    struct key_file f = {.path = path};

    put("one");
    assert_string_equal(told_at(&f, 1), "one");
    assert_string_equal(told_at(&f, 2000), "");
    put("two");
    assert_string_equal(told_at(&f, 4000), "two");
    assert_string_equal(told_at(&f, 6000), "");
}

static void
it_is_looked_at_no_more_often_than_asked(void **state UNUSED)
{
    struct key_file f = {.path = path};

    put("one");
    assert_string_equal(told_at(&f, 5000), "one");
    put("two");
    assert_string_equal(told_at(&f, 5999), "");
    assert_string_equal(told_at(&f, 6000), "two");
}

static void
a_file_that_goes_and_comes_back_is_told(void **state UNUSED)
{
    struct key_file f = {.path = path};

    put("one");
    assert_string_equal(told_at(&f, 1), "one");
    assert_int_equal(unlink(path), 0);
    assert_string_equal(told_at(&f, 2000), "must be a file that this function can read");
    assert_string_equal(told_at(&f, 4000), "");
    put("two");
    assert_string_equal(told_at(&f, 6000), "two");
}

static void
one_that_is_too_long_is_refused(void **state UNUSED)
{
    struct buf text;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)KEY_FILE_BYTES_MAX + 1), 0);
    (void)close(fd);
    buf_init_heap(&text, KEY_FILE_BYTES_MAX);
    assert_string_equal(key_file_read(path, &text), "must have 256 KB at most");
    buf_release(&text);
}

static int
make_path(void **state UNUSED)
{
    (void)snprintf(path, sizeof path, "/tmp/key-file-test-%ld", (long)getpid());
    return 0;
}

static int
remove_file(void **state UNUSED)
{
    return unlink(path);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(another_file_in_its_place_is_told_once),
    cmocka_unit_test(it_is_looked_at_no_more_often_than_asked),
    cmocka_unit_test(a_file_that_goes_and_comes_back_is_told),
    cmocka_unit_test(one_that_is_too_long_is_refused),
};

int
main(void)
{
    return cmocka_run_group_tests_name("crypto_key_file", tests, make_path, remove_file);
}
