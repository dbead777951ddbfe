/* An answer out: FastCGI records, written as the socket takes them. */
#include "net/server.h"

#include <errno.h>
#include <fastcgi.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "loop/wait.h"
#include "net/internal.h"

#define WRITE_IDLE_MS                                                                              \
    10000 /* without a byte taken; however slow, a peer that takes some goes on                    \
           */
#define RECORD_CONTENT    65528
#define RECORDS_PER_WRITE 8

static void
record_header(uint8_t h[8], int type, int request_id, size_t content)
{
    h[0] = FCGI_VERSION_1;
    h[1] = (uint8_t)type;
    h[2] = (uint8_t)(request_id >> 8);
    h[3] = (uint8_t)request_id;
    h[4] = (uint8_t)(content >> 8);
    h[5] = (uint8_t)content;
    h[6] = 0; /* no padding */
    h[7] = 0;
}

/* Write all of `iov`, suspending while the socket is full. */
static bool
write_all(struct conn *c, struct iovec *iov, int count)
{
    const uint32_t watched = c->watch.events;
    bool ok = true;

    while (count > 0 && ok) {
        ssize_t n = writev(c->watch.fd, iov, count);

        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return false;
            loop_watch(&c->watch, watched | EPOLLOUT);
            c->writer = co_self();
            ok = co_wait_until(clock_ms() + WRITE_IDLE_MS);
            c->writer = NULL;
            loop_watch(&c->watch, watched);
            continue;
        }
        c->sent += (size_t)n;
        for (; count > 0 && (size_t)n >= iov->iov_len; iov++, count--)
            n -= (ssize_t)iov->iov_len;
        if (count > 0) {
            iov->iov_base = (char *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    return ok;
}

bool
send_answer(const struct net_peer *peer, struct str answer, bool last)
{
    const int request_id = peer->request_id;
    uint8_t headers[RECORDS_PER_WRITE][8];
    uint8_t end[8 + 16];
    struct iovec iov[2 * RECORDS_PER_WRITE + 1];

    record_header(end, FCGI_STDOUT, request_id, 0);
    record_header(end + 8, FCGI_END_REQUEST, request_id, 8);
    memset(end + 16, 0, 8); /* exit status 0, FCGI_REQUEST_COMPLETE */
    for (;;) {
        int count = 0;

        for (int i = 0; i < RECORDS_PER_WRITE && answer.len > 0; i++) {
            const size_t part = MIN(answer.len, RECORD_CONTENT);

            record_header(headers[i], FCGI_STDOUT, request_id, part);
            iov[count++] = (struct iovec){headers[i], 8};
            iov[count++] = (struct iovec){(void *)(uintptr_t)answer.ptr, part};
            answer.ptr += part;
            answer.len -= part;
        }
        if (answer.len == 0 && last)
            iov[count++] = (struct iovec){end, sizeof end};
        if (!write_all(peer->conn, iov, count))
            return false;
        if (answer.len == 0)
            return true;
    }
}

bool
server_send(const struct net_request *http, struct str part)
{
    return !http->peer->conn->task->gone && send_answer(http->peer, part, false);
}
