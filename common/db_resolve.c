#include "db_resolve.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netdb.h>

#include "buf.h"

#define ADDRESSES_MAX 32 /* of all hosts together */
#define LIST_MAX      8192

struct options {
    PQconninfoOption *all;
    const char *host;
    const char *hostaddr;
    const char *port;
};

static const char *
option(const PQconninfoOption *all, const char *keyword)
{
    for (; all->keyword != NULL; all++)
        if (strcmp(all->keyword, keyword) == 0)
            return all->val == NULL ? "" : all->val;
    return "";
}

static bool
read_options(const char *conninfo, struct options *ret)
{
    ret->all = PQconninfoParse(conninfo, NULL);
    if (ret->all == NULL)
        return false;
    ret->host = option(ret->all, "host");
    ret->hostaddr = option(ret->all, "hostaddr");
    ret->port = option(ret->all, "port");
    return true;
}

/* The next piece of a comma-separated list; false at its end. */
static bool
next_piece(const char **list, struct str *ret)
{
    if (*list == NULL)
        return false;

    const char *comma = strchr(*list, ',');
    *ret = comma == NULL ? str_of(*list) : (struct str){*list, (size_t)(comma - *list)};
    *list = comma == NULL ? NULL : comma + 1;
    return true;
}

static bool
is_name(struct str host)
{
    char text[256];
    uint8_t address[16];

    if (host.len == 0 || host.ptr[0] == '/' || host.ptr[0] == '@' || host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1;
}

bool
db_resolve_needed(const char *conninfo)
{
    struct options o;
    struct str host;
    bool needed = false;

    if (!read_options(conninfo, &o))
        return false;
    if (o.hostaddr[0] == '\0')
        for (const char *list = o.host; next_piece(&list, &host);)
            needed = needed || is_name(host);
    PQconninfoFree(o.all);
    return needed;
}

struct lists {
    struct buf hosts, addresses, ports;
    int count;
};

static void
add(struct lists *l, struct str host, const char *address, struct str port)
{
    const char *comma = l->count == 0 ? "" : ",";

    if (l->count == ADDRESSES_MAX)
        return;
    buf_add_text(&l->hosts, comma);
    buf_add_str(&l->hosts, host);
    buf_add_text(&l->addresses, comma);
    buf_add_text(&l->addresses, address);
    buf_add_text(&l->ports, comma);
    buf_add_str(&l->ports, port);
    l->count++;
}

static void
look_up(struct lists *l, struct str host, struct str port)
{
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char name[256], address[64];

    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    if (getaddrinfo(name, NULL, &wanted, &found) != 0)
        return;
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) == 0)
            add(l, host, address, port);
    freeaddrinfo(found);
}

void
db_resolve(void *addresses)
{
    struct db_addresses *ret = addresses;
    struct options o;
    struct lists l = {.count = 0};
    struct str host, port = STR("");

    if (!read_options(ret->conninfo, &o))
        return;
    buf_init_heap(&l.hosts, LIST_MAX);
    buf_init_heap(&l.addresses, LIST_MAX);
    buf_init_heap(&l.ports, LIST_MAX);
    /* One port stands for all hosts, or there is one for each. */
    const char *ports = o.port;
    for (const char *hosts = o.host; next_piece(&hosts, &host);) {
        (void)next_piece(&ports, &port);
        if (is_name(host))
            look_up(&l, host, port);
        else
            add(&l, host, "", port);
    }
    PQconninfoFree(o.all);
    if (l.count == 0 || l.hosts.overflow || l.addresses.overflow || l.ports.overflow) {
        buf_release(&l.hosts);
        buf_release(&l.addresses);
        buf_release(&l.ports);
        return;
    }
    ret->hosts = l.hosts.ptr;
    ret->addresses = l.addresses.ptr;
    ret->ports = l.ports.ptr;
}

void
db_resolve_release(struct db_addresses *a)
{
    free(a->hosts);
    free(a->addresses);
    free(a->ports);
}
