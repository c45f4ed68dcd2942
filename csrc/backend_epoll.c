/* backend_epoll.c: the contract of backend.h by readiness, for kernels and containers without io_uring.
 *
 * A connection is registered once, edge-triggered for both directions, when its first call would block; from then on no
 * epoll_ctl is needed. An edge is lost only on somebody who does not try first: every call here is tried before it
 * parks. A receive that returned less than it asked for has emptied the socket, so the next one waits for an edge
 * instead of asking in vain (one system call saved on every request). */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend.h"

enum { WORD_SLOT = 1, WORD_PORT, WORD_READY, WORD_KNOCK };

struct slot_state {
    int fd;       /* registered descriptor; -1 = none */
    int ready_fd; /* duplicate that ready() watches; -1 = none */
    bool drained; /* nothing to receive until the next edge */
    bool ended;   /* the peer has said its last: there will be no further edge, so always look */
};

static const struct slot_state FREE_SLOT = {.fd = -1, .ready_fd = -1};

struct epoll_port {
    int listener;
    u32 wanted;
    bool armed;
    bool refused; /* for want of memory, so it is tried again */
};

struct tux_epoll {
    struct tux_backend base;
    int epoll, knock_fd;
    u32 slots;
    bool refused; /* some port was */
    struct epoll_port port[TUX_PORTS_MAX];
    struct epoll_event got[TUX_EVENTS_MAX];
    u8 scratch[TUX_SCRATCH_BYTES];
    struct slot_state slot[];
};

enum { AGAIN_MS = 20 }; /* what the kernel has had no memory for is tried again after so long */

static struct tux_epoll *self(struct tux_backend *b) { return (struct tux_epoll *)(void *)b; }

static int control(struct tux_epoll *e, int operation, int fd, u32 events, u64 word)
{
    struct epoll_event event = {.events = events, .data.u64 = word};
    return epoll_ctl(e->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

static int epoll_open(struct tux_backend **out, const struct tux_backend_options *options, char why[TUX_ERROR_BYTES])
{
    struct tux_epoll *e = calloc(1, sizeof *e + options->slots * sizeof e->slot[0]);
    if (!e) return -ENOMEM;
    e->base.ops = &tux_backend_epoll;
    e->slots = options->slots;
    e->knock_fd = options->knock_fd;
    for (u32 i = 0; i < e->slots; i++) e->slot[i] = FREE_SLOT;
    for (u32 i = 0; i < TUX_PORTS_MAX; i++) e->port[i].listener = -1;
    e->epoll = epoll_create1(EPOLL_CLOEXEC);
    int failed =
        e->epoll < 0 ? -errno : control(e, EPOLL_CTL_ADD, e->knock_fd, EPOLLIN, tux_event_word(WORD_KNOCK, 0, 0));
    if (failed) {
        snprintf(why, TUX_ERROR_BYTES, "epoll: %s", strerror(-failed));
        if (e->epoll >= 0) close(e->epoll);
        free(e);
        return failed;
    }
    *out = &e->base;
    return 0;
}

static void epoll_close(struct tux_backend *b)
{
    struct tux_epoll *e = self(b);
    for (u32 i = 0; i < e->slots; i++)
        if (e->slot[i].ready_fd >= 0) close(e->slot[i].ready_fd); /* of a run that still waited */
    close(e->epoll);
    free(e);
}

/* In the set only while somebody is wanted: a listener that was shut down would report that for ever. */
static void epoll_want(struct tux_backend *b, u32 port, u32 wanted)
{
    struct tux_epoll *e = self(b);
    struct epoll_port *p = &e->port[port];
    p->wanted = wanted;
    p->refused = false;
    if (p->armed == (wanted > 0)) return;
    p->armed = wanted > 0;
    int operation = p->armed ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;
    int failed = control(e, operation, p->listener, EPOLLIN, tux_event_word(WORD_PORT, port, 0));
    if (!failed || failed == -EEXIST) return;
    p->armed = false; /* closed under us: nobody comes, its runs can be cancelled */
    e->refused |= p->refused = failed == -ENOMEM || failed == -ENOSPC;
}

/* How long to wait now: not long while a listener that is wanted is not in the set. */
static int want_again(struct tux_epoll *e, int timeout_ms)
{
    e->refused = false;
    for (u32 i = 0; i < TUX_PORTS_MAX; i++)
        if (e->port[i].refused) epoll_want(&e->base, i, e->port[i].wanted);
    return e->refused && (timeout_ms < 0 || timeout_ms > AGAIN_MS) ? AGAIN_MS : timeout_ms;
}

/* Whoever waits by an epoll set is told, and others with him (no EPOLLEXCLUSIVE). */
static bool epoll_accepting(struct tux_backend *b, u32 port)
{
    (void)b, (void)port;
    return false;
}

static int epoll_listen(struct tux_backend *b, u32 port, int listener)
{
    int flags = listener < 0 ? 0 : fcntl(listener, F_GETFL);
    if (flags < 0 || (listener >= 0 && fcntl(listener, F_SETFL, flags | O_NONBLOCK) < 0)) return -errno;
    epoll_want(b, port, 0);
    self(b)->port[port] = (struct epoll_port){.listener = listener};
    return 0;
}

static int slot_events(struct tux_epoll *e, const struct epoll_event *got, struct tux_event *events)
{
    struct tux_event event = tux_event_from_word(got->data.u64, 0);
    u32 edges = got->events, ended = EPOLLHUP | EPOLLERR;
    int count = 0;
    TUX_ASSERT(event.slot < e->slots);
    if (edges & (EPOLLIN | EPOLLRDHUP | ended)) {
        e->slot[event.slot].drained = false;
        e->slot[event.slot].ended |= (edges & (EPOLLRDHUP | ended)) != 0;
        event.kind = TUX_EVENT_INPUT;
        events[count++] = event;
    }
    if (edges & (EPOLLOUT | ended)) {
        event.kind = TUX_EVENT_WRITABLE;
        events[count++] = event;
    }
    return count;
}

/* close(2) alone would not do: an entry of the set lives as long as any descriptor of the same file (epoll(7)). */
static void unwatch(struct tux_epoll *e, struct slot_state *slot)
{
    if (slot->ready_fd < 0) return;
    int failed = control(e, EPOLL_CTL_DEL, slot->ready_fd, 0, 0);
    TUX_ASSERT(!failed);
    close(slot->ready_fd);
    slot->ready_fd = -1;
}

static int epoll_take(struct tux_backend *b, struct tux_event *events, int max, int timeout_ms)
{
    struct tux_epoll *e = self(b);
    if (__builtin_expect(e->refused, 0)) timeout_ms = want_again(e, timeout_ms);
    int got = epoll_wait(e->epoll, e->got, (max - 64) / 2, timeout_ms);
    if (got < 0) return errno == EINTR ? 0 : -errno;
    int count = 0;
    for (int i = 0; i < got; i++) {
        u64 word = e->got[i].data.u64;
        switch (word >> 56) {
        case WORD_SLOT: count += slot_events(e, &e->got[i], events + count); break;
        case WORD_PORT: { /* not so many that the connections already here starve */
            struct epoll_port *p = &e->port[(u32)word];
            int room = max - count - 2 * (got - i - 1);
            count += tux_backend_accept((u32)word, p->listener, &p->wanted, events + count, room);
            break;
        }
        case WORD_READY:
            events[count] = tux_event_from_word(word, (i64)e->got[i].events);
            unwatch(e, &e->slot[events[count].slot]);
            events[count++].kind = TUX_EVENT_READY;
            break;
        default: {
            u64 knocks;
            if (read(e->knock_fd, &knocks, sizeof knocks) < 0) TUX_ASSERT(errno == EAGAIN || errno == EINTR);
            events[count++] = (struct tux_event){.kind = TUX_EVENT_KNOCK};
        }
        }
    }
    return count;
}

static i64 park(struct tux_epoll *e, struct tux_run *run, int fd, u8 wait)
{
    struct slot_state *slot = &e->slot[run->slot];
    run->wait = wait;
    if (slot->fd == fd) return TUX_AGAIN;
    u32 events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    u64 word = tux_event_word(WORD_SLOT, run->slot, run->generation);
    int failed = control(e, EPOLL_CTL_ADD, fd, events, word);
    if (failed == -EEXIST)
        failed = control(e, EPOLL_CTL_MOD, fd, events, word); /* watched under a former generation */
    if (failed) return failed;
    slot->fd = fd;
    return TUX_AGAIN;
}

static i64 epoll_stream(struct tux_backend *b, struct tux_run *run, int fd, const u8 **data)
{
    struct tux_epoll *e = self(b);
    struct slot_state *slot = &e->slot[run->slot];
    while (!slot->drained) {
        ssize_t n = recv(fd, e->scratch, sizeof e->scratch, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) return -errno;
        if (n < 0) break;
        *data = e->scratch;
        slot->drained = n > 0 && (size_t)n < sizeof e->scratch && !slot->ended;
        return n;
    }
    return park(e, run, fd, TUX_WAIT_INPUT);
}

static void epoll_release(struct tux_backend *b) { (void)b; }

static i64 epoll_writable(struct tux_backend *b, struct tux_run *run, int fd)
{
    return park(self(b), run, fd, TUX_WAIT_WRITABLE);
}

static i64 epoll_send(struct tux_backend *b, struct tux_run *run, int fd, const u8 *bytes, size_t length, int flags)
{
    i64 landed;
    if (tux_take_landed(run, &landed) && landed < 0) return landed;
    for (;;) {
        ssize_t n = send(fd, bytes, length, flags | MSG_DONTWAIT);
        if (n >= 0) return n;
        if (errno == EINTR) continue;
        return errno == EAGAIN ? epoll_writable(b, run, fd) : -errno;
    }
}

/* A duplicate is watched, since an epoll set knows a descriptor once and several runs may wait for the same one. */
static i64 epoll_ready(struct tux_backend *b, struct tux_run *run, int fd, int poll_events)
{
    struct tux_epoll *e = self(b);
    struct slot_state *slot = &e->slot[run->slot];
    TUX_ASSERT(slot->ready_fd < 0);
    int watched = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (watched < 0) return -errno;
    u32 events = (u32)poll_events | EPOLLONESHOT; /* EPOLLIN is POLLIN, EPOLLOUT is POLLOUT */
    int failed = control(e, EPOLL_CTL_ADD, watched, events, tux_event_word(WORD_READY, run->slot, run->generation));
    if (failed) {
        close(watched);
        return failed == -EPERM ? 0 : failed; /* EPERM: regular files are always ready */
    }
    slot->ready_fd = watched;
    run->wait = TUX_WAIT_READY;
    return TUX_AGAIN;
}

static bool epoll_cancel(struct tux_backend *b, struct tux_run *run)
{
    unwatch(self(b), &self(b)->slot[run->slot]);
    return true;
}

static void epoll_hang_up(struct tux_backend *b, struct tux_run *run, int fd)
{
    struct slot_state *slot = &self(b)->slot[run->slot];
    if (slot->fd < 0 || slot->fd == fd) {
        unwatch(self(b), slot);
        *slot = FREE_SLOT;
        run->generation++;
    }
    close(fd); /* takes it out of the epoll set: nobody duplicates a connection's descriptor */
}

const struct tux_backend_ops tux_backend_epoll = {
    .name = "epoll", .open = epoll_open, .close = epoll_close, .wait = epoll_take, .listen = epoll_listen,
    .want = epoll_want, .accepting = epoll_accepting,
    .stream = epoll_stream, .release = epoll_release, .send = epoll_send,
    .writable = epoll_writable, .ready = epoll_ready, .cancel = epoll_cancel, .hang_up = epoll_hang_up,
};
