/* Names that were looked up, and what a thread does for one that was not. */
#include "net/lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/url.h"
#include "loop/offload.h"

#define NAMES_KEPT     16
#define FRESH_MS       60000
#define PATIENCE_MS    500 /* while there is an old answer */
#define NAME_SIZE      256 /* RFC 1035, 2.3.4 */
#define ADDRESSES_SIZE 512

/* What a thread fills; on the heap, for it may outlast who asked. */
struct answer {
    char name[NAME_SIZE];
    char addresses[ADDRESSES_SIZE]; /* "": none */
    int64_t found_ms;
};

static struct answer *kept[NAMES_KEPT];

/* In a thread of the pool. */
static void
ask(void *arg)
{
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct answer *a = arg;
    struct addrinfo *found = NULL;
    char address[64];
    size_t len = 0;

    if (getaddrinfo(a->name, NULL, &wanted, &found) != 0)
        return;
    for (const struct addrinfo *f = found; f != NULL; f = f->ai_next) {
        const bool six = f->ai_family == AF_INET6;

        if (getnameinfo(f->ai_addr, f->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) != 0 ||
            len + strlen(address) + sizeof ",[]" > sizeof a->addresses)
            continue;
        len += (size_t)snprintf(a->addresses + len, sizeof a->addresses - len,
                                six ? "%s[%s]" : "%s%s", len == 0 ? "" : ",", address);
    }
    freeaddrinfo(found);
    a->found_ms = clock_ms();
}

/* Where `name` is kept, else where it will be: a free place, or that of the oldest answer. */
static struct answer **
place_of(struct str name)
{
    struct answer **oldest = &kept[0];

    for (size_t i = 0; i < NAMES_KEPT; i++) {
        if (kept[i] == NULL || str_is(name, kept[i]->name))
            return &kept[i];
        if (kept[i]->found_ms < (*oldest)->found_ms)
            oldest = &kept[i];
    }
    return oldest;
}

static const struct answer *
find(struct str name)
{
    const struct answer *a = *place_of(name);

    return a != NULL && str_is(name, a->name) ? a : NULL;
}

/* An answer takes the place of an older one; that there is none does not. */
static void
keep(void *answer)
{
    struct answer *a = answer, **place = place_of(str_of(a->name));

    if (a->addresses[0] == '\0') {
        free(a);
        return;
    }
    free(*place);
    *place = a;
}

static bool
is_address(struct str host)
{
    char text[NAME_SIZE];
    uint8_t address[16];

    if (host.ptr[0] == '[')
        return true;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, address) == 1;
}

/* NULL: nothing was found in time. */
static const struct answer *
look_up(struct str host, int64_t deadline_ms)
{
    const struct answer *known = find(host);

    if (known != NULL && clock_ms() - known->found_ms < FRESH_MS)
        return known;
    struct answer *a = calloc(1, sizeof *a);
    if (a == NULL)
        die("no memory for a lookup");
    memcpy(a->name, host.ptr, host.len);
    if (known != NULL)
        deadline_ms = MIN(deadline_ms, clock_ms() + PATIENCE_MS);
    if (offload(OFFLOAD_LOOKUP, ask, a, keep, deadline_ms))
        keep(a);
    return find(host); /* another may have taken its place while we waited */
}

enum err
lookup_url(struct task *task, const char *url, int64_t deadline_ms, const char **ret)
{
    const struct str host = url_host(str_of(url));

    *ret = NULL;
    if (host.len == 0 || host.len >= NAME_SIZE)
        return fail_detail(&task->fail, ERR_UPSTREAM, "no host name in %s", url);
    if (is_address(host))
        return ERR_OK;
    const struct answer *known = look_up(host, deadline_ms);
    if (known == NULL)
        return fail_detail(&task->fail, ERR_UPSTREAM, "cannot look up %.*s", (int)host.len,
                           host.ptr);
    *ret = arena_printf(task->arena, "+%.*s:%d:%s", (int)host.len, host.ptr, url_port(str_of(url)),
                        known->addresses);
    return ERR_OK;
}
