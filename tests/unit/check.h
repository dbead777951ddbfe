/*
 * check: what every unit test includes, and a few helpers around cmocka.
 */
#ifndef FFX_CHECK_H
#define FFX_CHECK_H

#include "base/prelude.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The text of a struct str equals a literal. */
static inline void
check_str(struct str got, const char *expected)
{
    assert_non_null(got.ptr);
    assert_int_equal(got.len, strlen(expected));
    assert_memory_equal(got.ptr, expected, got.len);
}

/* Run fn in a child process with its standard error caught; returns the wait status. */
static inline int
check_child(void (*fn)(void), char *ret_stderr, size_t size)
{
    int pipe_fds[2];
    size_t len = 0;
    int status;

    assert_int_equal(pipe(pipe_fds), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(pipe_fds[1], STDERR_FILENO);
        (void)close(pipe_fds[0]);
        (void)close(pipe_fds[1]);
        fn();
        _exit(0);
    }
    (void)close(pipe_fds[1]);
    for (;;) {
        const ssize_t n = read(pipe_fds[0], ret_stderr + len, size - 1 - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    ret_stderr[len] = '\0';
    (void)close(pipe_fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* fn ends the process with a line that has `part` in it. */
static inline void
check_dies(void (*fn)(void), const char *part)
{
    char text[4096];
    const int status = check_child(fn, text, sizeof(text));

    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, text);
}

/* A fresh folder; removed with what is in it by check_remove_folder. */
static inline char *
check_folder(void)
{
    static char path[64];

    (void)snprintf(path, sizeof(path), "/tmp/ffx-unit-XXXXXX");
    assert_non_null(mkdtemp(path));
    return path;
}

static inline void
check_remove_folder(const char *path)
{
    DIR *dir = opendir(path);

    assert_non_null(dir);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    (void)closedir(dir);
    assert_int_equal(rmdir(path), 0);
}

/* A small generator for property tests: the same numbers in every run (xorshift64). */
static inline uint64_t
check_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
