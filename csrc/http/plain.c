/* plain.c: the transport without encryption: a connection's bytes are those of its socket. */
#include "http/transport.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "chain/backend.h"
#include "chain/call.h"
#include "base/quiet.h"

static i64 plain_receive(const struct tux_conn *conn, struct tux_stage *stage, struct tux_run *run, const u8 **data)
{
    return stage->backend->ops->stream(stage->backend, run, conn->fd, data);
}

static i64 plain_send(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return tux_plain_calls[TUX_CALL_send](stage, run, atom);
}

static i64 plain_send_file(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return tux_plain_calls[TUX_CALL_sendfile](stage, run, atom);
}

static bool plain_has_input(const struct tux_conn *conn)
{
    int bytes = 0;
    return ioctl(conn->fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

static bool plain_has_room(const struct tux_conn *conn)
{
    struct pollfd one = {.fd = conn->fd, .events = POLLOUT};
    return poll(&one, 1, 0) > 0 && (one.revents & POLLOUT);
}

/* For a unix socket: fewer bytes wait in it the more the client has read, since nothing is added while we wait. */
static u64 plain_acknowledged(const struct tux_conn *conn)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int waiting = 0;
    if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0) return info.tcpi_bytes_acked;
    return ioctl(conn->fd, TIOCOUTQ, &waiting) == 0 ? UINT32_MAX - (u64)waiting : 0;
}

static bool plain_delivered(const struct tux_conn *conn)
{
    int waiting = 0;
    return ioctl(conn->fd, TIOCOUTQ, &waiting) == 0 && waiting == 0;
}

static int plain_shut(const struct tux_conn *conn, int how) { return shutdown(conn->fd, how) < 0 ? -errno : 0; }

static void plain_reset_when_closed(const struct tux_conn *conn) { tux_reset_when_closed(conn->fd); }

static void plain_reset_now(const struct tux_conn *conn)
{
    tux_reset_when_closed(conn->fd);
    (void)shutdown(conn->fd, SHUT_RDWR);
}

static void plain_close(struct tux_conn *conn, struct tux_stage *stage, struct tux_run *run)
{
    if (conn->may_linger) tux_do_not_linger(conn->fd);
    stage->backend->ops->hang_up(stage->backend, run, conn->fd);
}

const struct tux_transport tux_transport_plain = {
    .receive = plain_receive, .send = plain_send, .send_file = plain_send_file, .has_input = plain_has_input,
    .has_room = plain_has_room, .acknowledged = plain_acknowledged, .delivered = plain_delivered, .shut = plain_shut,
    .reset_when_closed = plain_reset_when_closed, .reset_now = plain_reset_now, .close = plain_close,
};
