/* timeout.c: a head must be complete in time, a connection may idle so long, and a client must take something.
 *
 * The last is measured by what the client's TCP has acknowledged: how a socket's buffer fills and drains says nothing
 * of a slow reader, who takes a little now and then and shall have his answer. The kernel is asked four times in the
 * limit. */
#include "timeout.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define LOOKS 4u

u64 tux_timeout_of(struct tux_engine *e, struct tux_run *run)
{
    struct tux_conn *conn = tux_conn_of(run);
    if (conn->fd < 0) return 0;
    switch (run->wait) {
    case TUX_WAIT_INPUT: {
        u64 limit_ms = conn->limit_ms ? conn->limit_ms : e->stage.now_ms + e->rules.idle_ms;
        bool idle = conn->leaving && !conn->discarding && tux_conn_kept(conn) == 0;
        return idle ? tux_min_u64(limit_ms, conn->leave_ms) : limit_ms;
    }
    case TUX_WAIT_SENT:
    case TUX_WAIT_WRITABLE: conn->watched = false; return e->stage.now_ms + e->rules.send_ms / LOOKS;
    default: return 0;
    }
}

/* A number that grows with what the client takes: bytes that it has acknowledged, or, for a unix socket, those that do
 * not wait in the socket, since nothing is added while we wait. 0 where the kernel cannot say. */
static u64 acknowledged(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int waiting = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0) return info.tcpi_bytes_acked;
    return ioctl(fd, TIOCOUTQ, &waiting) == 0 ? UINT32_MAX - (u64)waiting : 0;
}

static bool takes_something(struct tux_engine *e, struct tux_conn *conn)
{
    u64 taken = acknowledged(conn->fd);
    if (!conn->watched || taken > conn->taken) conn->taken_ms = e->stage.now_ms;
    conn->watched = true;
    conn->taken = taken;
    return e->stage.now_ms - conn->taken_ms < e->rules.send_ms;
}

/* There is room in the socket though nothing has told of it: a send that was refused falsely leaves no edge behind. */
static bool has_room(const struct tux_run *run, const struct tux_conn *conn)
{
    struct pollfd one = {.fd = conn->fd, .events = POLLOUT};
    return run->wait == TUX_WAIT_WRITABLE && poll(&one, 1, 0) > 0 && (one.revents & POLLOUT);
}

void tux_timeout_expired(struct tux_engine *e, struct tux_run *run)
{
    struct tux_conn *conn = tux_conn_of(run);
    if (run->wait == TUX_WAIT_INPUT) {
        tux_land(run, -ETIME);
        tux_wake(e, run);
    } else if (!e->stop && has_room(run, conn)) {
        tux_land(run, 0);
        tux_wake(e, run);
    } else if (!e->stop && takes_something(e, conn)) {
        tux_deadline_set(&e->deadlines, run->slot, e->stage.now_ms + e->rules.send_ms / LOOKS);
    } else { /* reset, which also ends what the kernel still sends for it; the atom then fails and the chain closes */
        tux_metric_add(&e->metrics.send_timeouts, 1);
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        (void)shutdown(conn->fd, SHUT_RDWR);
    }
}
