/*
 * libpq's lists of hosts, addresses and ports are read as entries (read_list, in which names are
 * looked up) and written again from another beginning (write_lists).  Read db_hosts_find first.
 */
#include "db/hosts.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netdb.h>

#include "base/buf.h"
#include "base/number.h"

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

/* ---- what libpq says only when it connects, and then each time ---- */

static const struct {
    const char *keyword;
    const char *values; /* between commas; NULL: a whole number */
    const char *problem;
} forms[] = {
    {"sslmode", ",disable,allow,prefer,require,verify-ca,verify-full,",
     "must have one of libpq's values as sslmode"},
    {"target_session_attrs", ",any,read-write,read-only,primary,standby,prefer-standby,",
     "must have one of libpq's values as target_session_attrs"},
    {"connect_timeout", NULL, "must have seconds as connect_timeout"},
    {"tcp_user_timeout", NULL, "must have milliseconds as tcp_user_timeout"},
};

static bool
has_form(const char *value, const char *values)
{
    const char *at = values == NULL ? NULL : strstr(values, value);
    int64_t n;

    if (value[0] == '\0')
        return true;
    if (values == NULL)
        return number_i64(str_of(value), &n) && n >= -1 && n <= INT32_MAX;
    return strchr(value, ',') == NULL && at != NULL && at[-1] == ',' && at[strlen(value)] == ',';
}

static size_t
pieces(const char *list)
{
    struct str piece;
    size_t count = 0;

    while (next_piece(&list, &piece))
        count++;
    return count;
}

/* One for all hosts, or one for each; an empty one is libpq's own. */
static bool
ports_ok(const struct options *o)
{
    const size_t hosts = pieces(o->hostaddr[0] != '\0' ? o->hostaddr : o->host);
    const char *ports = o->port;
    struct str piece;
    int64_t n;

    while (next_piece(&ports, &piece))
        if (piece.len > 0 && (!number_i64(piece, &n) || n < 1 || n > UINT16_MAX))
            return false;
    return pieces(o->port) == 1 || pieces(o->port) == hosts;
}

const char *
db_hosts_problem(const char *conninfo)
{
    const char *problem = NULL;
    struct options o;

    if (!read_options(conninfo, &o))
        return "must be a libpq connection string";
    if (!ports_ok(&o))
        problem = "must have ports from 1 to 65535, one for all hosts or one for each";
    else if (o.hostaddr[0] != '\0' && o.host[0] != '\0' && pieces(o.host) != pieces(o.hostaddr))
        problem = "must have as many hosts as addresses (hostaddr)";
    for (size_t i = 0; problem == NULL && i < ARRAY_LEN(forms); i++)
        if (!has_form(option(o.all, forms[i].keyword), forms[i].values))
            problem = forms[i].problem;
    PQconninfoFree(o.all);
    return problem;
}

bool
db_hosts_several(const char *conninfo)
{
    struct options o;

    if (!read_options(conninfo, &o))
        return false;
    const bool several = strchr(o.host, ',') != NULL || strchr(o.hostaddr, ',') != NULL;
    PQconninfoFree(o.all);
    return several;
}

bool
db_hosts_need_lookup(const char *conninfo)
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

struct entry {
    struct str host, port;
    char address[64];
};

struct list {
    struct entry entries[ADDRESSES_MAX];
    unsigned count;
};

static void
add(struct list *l, struct str host, struct str address, struct str port)
{
    struct entry *e = &l->entries[l->count];

    if (l->count == ADDRESSES_MAX || address.len >= sizeof e->address)
        return;
    *e = (struct entry){.host = host, .port = port};
    memcpy(e->address, address.ptr, address.len);
    l->count++;
}

static void
look_up(struct list *l, struct str host, struct str port)
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
            add(l, host, str_of(address), port);
    freeaddrinfo(found);
}

/* The lists as libpq pairs them: a host or hostaddr each, and one port for all or one for each. */
static void
read_list(const struct options *o, struct list *ret)
{
    const bool named = o->host[0] != '\0' || o->hostaddr[0] == '\0';
    const char *hosts = named ? o->host : NULL;
    const char *addresses = o->hostaddr[0] == '\0' ? NULL : o->hostaddr;
    const char *ports = o->port;
    struct str port = STR("");

    while (hosts != NULL || addresses != NULL) {
        struct str host = STR(""), address = STR("");

        (void)next_piece(&hosts, &host);
        (void)next_piece(&addresses, &address);
        (void)next_piece(&ports, &port);
        if (address.len == 0 && is_name(host))
            look_up(ret, host, port);
        else
            add(ret, host, address, port);
    }
}

/* Write the lists, from entry `first` on and round. */
static bool
write_lists(const struct list *l, unsigned first, struct db_addresses *ret)
{
    struct buf hosts, addresses, ports;

    buf_init_heap(&hosts, LIST_MAX);
    buf_init_heap(&addresses, LIST_MAX);
    buf_init_heap(&ports, LIST_MAX);
    for (unsigned i = 0; i < l->count; i++) {
        const struct entry *e = &l->entries[(first + i) % l->count];
        const char *comma = i == 0 ? "" : ",";

        buf_add_text(&hosts, comma);
        buf_add_str(&hosts, e->host);
        buf_add_text(&addresses, comma);
        buf_add_text(&addresses, e->address);
        buf_add_text(&ports, comma);
        buf_add_str(&ports, e->port);
    }
    if (hosts.overflow || addresses.overflow || ports.overflow) {
        buf_release(&hosts);
        buf_release(&addresses);
        buf_release(&ports);
        return false;
    }
    ret->hosts = hosts.ptr;
    ret->addresses = addresses.ptr;
    ret->ports = ports.ptr;
    return true;
}

void
db_hosts_find(void *addresses)
{
    struct db_addresses *ret = addresses;
    struct list l = {.count = 0};
    struct options o;

    if (!read_options(ret->conninfo, &o))
        return;
    read_list(&o, &l);
    if (l.count > 0 && write_lists(&l, ret->first % l.count, ret))
        ret->count = l.count;
    PQconninfoFree(o.all);
}

bool
db_hosts_copy(const struct db_addresses *a, unsigned first, struct db_addresses *ret)
{
    const char *hosts = a->hosts, *addresses = a->addresses, *ports = a->ports;
    struct list l = {.count = 0};
    struct str host, address, port;

    while (next_piece(&hosts, &host) && next_piece(&addresses, &address) &&
           next_piece(&ports, &port))
        add(&l, host, address, port);
    *ret = (struct db_addresses){.conninfo = a->conninfo, .first = first};
    if (l.count == 0 || !write_lists(&l, first % l.count, ret))
        return false;
    ret->count = l.count;
    return true;
}

static bool
same(struct str listed, const char *used)
{
    return listed.len == 0 || str_is(listed, used == NULL ? "" : used);
}

unsigned
db_hosts_which(const struct db_addresses *a, const char *host, const char *address,
               const char *port)
{
    const char *hosts = a->hosts, *addresses = a->addresses, *ports = a->ports;
    struct str h, ad, p;

    for (unsigned i = 0;
         next_piece(&hosts, &h) && next_piece(&addresses, &ad) && next_piece(&ports, &p); i++)
        if (same(h, host) && same(ad, address) && same(p, port))
            return (a->first + i) % a->count;
    return a->first;
}

void
db_hosts_release(struct db_addresses *a)
{
    free(a->hosts);
    free(a->addresses);
    free(a->ports);
    *a = (struct db_addresses){.conninfo = a->conninfo};
}
