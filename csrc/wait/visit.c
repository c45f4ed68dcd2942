/* visit.c: the contract of backend.h for a run on its submitter's thread. Nothing is ever armed, so hanging up is
 * close(2). The functions that are missing here are never called for such a run. */
#include "wait/visit.h"

#include <sys/socket.h>
#include <unistd.h>

static i64 park(struct tux_run *run)
{
    run->wait = TUX_WAIT_READY;
    return TUX_AGAIN;
}

static i64 visit_send(struct tux_backend *b, struct tux_run *run, int fd, const u8 *bytes, size_t length, int flags)
{
    (void)b;
    ssize_t n = send(fd, bytes, length, flags | MSG_DONTWAIT);
    if (n >= 0) return n;
    return errno == EAGAIN ? park(run) : -(i64)errno; /* EINTR: the caller asks again */
}

static i64 visit_writable(struct tux_backend *b, struct tux_run *run, int fd)
{
    (void)b, (void)fd;
    return park(run);
}

static i64 visit_ready(struct tux_backend *b, struct tux_run *run, int fd, int poll_events)
{
    (void)b, (void)fd, (void)poll_events;
    return park(run);
}

static void visit_hang_up(struct tux_backend *b, struct tux_run *run, int fd)
{
    (void)b, (void)run;
    close(fd);
}

const struct tux_backend_ops tux_backend_visit = {
    .name = "visit", .send = visit_send, .writable = visit_writable, .ready = visit_ready, .hang_up = visit_hang_up,
};
