/*
 * What the files of the server share.
 *
 *   server.c  connections: accepted, served, closed
 *   fcgi.c    a request in: libfcgi, reading through our OS layer
 *   send.c    an answer out
 */
#ifndef FFX_NET_INTERNAL_H
#define FFX_NET_INTERNAL_H

#include "base/task.h"
#include "loop/loop.h"
#include "net/request.h"

struct conn {
    struct loop_watch watch;
    struct task *task;        /* of the request that is served, or NULL */
    struct co *reader;        /* coroutine that waits for input, or NULL */
    struct co *writer;        /* coroutine that waits for room, or NULL */
    int64_t read_deadline_ms; /* of the request being read */
    size_t sent;              /* bytes of the answer that the socket took, records' heads too */
    bool busy;                /* a coroutine serves this connection */
    bool input;               /* something arrived while busy */
    bool gone;                /* the peer has closed */
    bool hup;                 /* the peer sends nothing more; told once, so we keep it */
};

/* ---- server.c ---- */

/* By descriptor: libfcgi's OS layer knows nothing else. */
struct conn *conn_of(int fd);

/* ---- fcgi.c ---- */

enum body_state { BODY_COMPLETE, BODY_TOO_LARGE, BODY_BROKEN };

struct incoming {
    int request_id;
    bool keep; /* the peer wants the connection kept */
};

void fcgi_init(void);
/* Read one request, its body up to what `body_limit` says (server.h); BODY_BROKEN also when the
 * parameters were. */
enum body_state fcgi_read(struct conn *c,
                          size_t (*body_limit)(struct task *task, struct net_request *http),
                          struct task *task, struct net_request *ret, struct incoming *ret_in);

/* ---- send.c ---- */

struct net_peer {
    struct conn *conn;
    int request_id;
};

/* STDOUT records with the answer; for the last part of it the empty record that ends them, and
 * END_REQUEST. */
NODISCARD bool send_answer(const struct net_peer *peer, struct str answer, bool last);

#endif
