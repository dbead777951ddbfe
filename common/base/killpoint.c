#include "base/killpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/setting.h"
#include "base/shared.h"

#define POINTS_MAX 256
#define NAME_SIZE  192
#define LONG_ID    6 /* digits in a row that are somebody's id and not part of a name */

static struct {
    char name[NAME_SIZE];
    unsigned passed;
} points[POINTS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A URL's path, ids replaced: names are the same in every run. */
static void
take_path(const char *path, char ret[NAME_SIZE])
{
    size_t n = 0;

    while (*path != '\0' && *path != '?' && n < NAME_SIZE - 1) {
        const size_t digits = strspn(path, "0123456789");

        if (digits >= LONG_ID) {
            ret[n++] = 'N';
            path += digits;
        } else {
            ret[n++] = *path++;
        }
    }
    ret[n] = '\0';
}

/* The SQL function that a statement calls, or NULL. */
static const char *
called(const char *sql)
{
    static const char select[] = "SELECT ";
    const char *from = strstr(sql, "FROM ");

    if (from != NULL)
        return from + strlen("FROM ");
    return strncmp(sql, select, strlen(select)) == 0 ? sql + strlen(select) : NULL;
}

static void
shorten(const char *what, char ret[NAME_SIZE])
{
    const char *function = called(what), *host = strstr(what, "://");

    if (host != NULL)
        take_path(host + 3 + strcspn(host + 3, "/"), ret);
    else if (function != NULL)
        (void)snprintf(ret, NAME_SIZE, "%.*s", (int)strcspn(function, "("), function);
    else
        (void)snprintf(ret, NAME_SIZE, "%s", what);
}

static unsigned
count(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        if (points[i].name[0] == '\0')
            memcpy(points[i].name, name, strlen(name) + 1);
        if (strcmp(points[i].name, name) == 0)
            return ++points[i].passed;
    }
    die("more than %d kill points", POINTS_MAX);
}

static void
file_name(const char *suffix, char ret[512])
{
    (void)snprintf(ret, 512, "%s/%s.%s", setting_text(&cfg_run_dir), program_invocation_short_name,
                   suffix);
}

static void
write_down(const char *line)
{
    char path[512];

    file_name("kill-log", path);
    const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return;
    MUST(write(fd, line, strlen(line)) == (ssize_t)strlen(line));
    (void)close(fd);
}

static bool
is_meant(const char *line)
{
    char path[512], wanted[2 * NAME_SIZE];

    file_name("kill-at", path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const ssize_t n = read(fd, wanted, sizeof wanted);
    (void)close(fd);
    return n == (ssize_t)strlen(line) && memcmp(wanted, line, (size_t)n) == 0 && unlink(path) == 0;
}

void
killpoint_pass(const char *kind, const char *what, const char *step)
{
    char subject[NAME_SIZE], name[NAME_SIZE], line[2 * NAME_SIZE];

    shorten(what, subject);
    if (snprintf(name, sizeof name, "%s %s %s", kind, subject, step) >= (int)sizeof name)
        die("a kill point's name is too long: %s", name);
    (void)pthread_mutex_lock(&lock);
    (void)snprintf(line, sizeof line, "%s %s #%u\n", program_invocation_short_name, name,
                   count(name));
    write_down(line);
    if (is_meant(line))
        (void)raise(SIGKILL);
    (void)pthread_mutex_unlock(&lock);
}
