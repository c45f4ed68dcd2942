/* backend_epoll.c: the contract of backend.h by readiness, for kernels and containers without io_uring.
 *
 * A connection is registered once, edge-triggered for both directions, when its first call would block; from then on no
 * epoll_ctl is needed. No edge is lost, because every call is tried before its run parks. A receive that returned fewer
 * bytes than it asked for has emptied the socket, so the next one waits for an edge instead of trying in vain: one
 * system call less for every request. */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chain/backend.h"

enum { WORD_STREAM = 1, WORD_LISTENER, WORD_READY, WORD_KNOCK };

/* A socket that a run receives from, or has waited for to be writable. */
struct epoll_stream {
    struct tux_run *run; /* NULL: the handle is free */
    int fd;
    u32 generation; /* of the handle */
    bool received;  /* stream() was called */
    bool watched;   /* the descriptor is in the set */
    bool drained;   /* nothing to receive until the next edge */
    bool ended;     /* the peer has closed: no further edge will come, so always try */
};

struct epoll_listener {
    int fd;
    u32 wanted;
    bool armed;
    bool refused; /* the kernel had no memory, so it is tried again */
};

struct tux_epoll {
    struct tux_backend base;
    int epoll, knock_fd;
    u32 slots;
    bool refused; /* some listener was */
    struct epoll_listener listener[TUX_LISTENERS_MAX];
    struct epoll_event got[TUX_EVENTS_MAX];
    u8 scratch[TUX_SCRATCH_BYTES];
    int *ready_fd; /* by slot: the duplicate that ready() watches; -1 = none */
    struct epoll_stream stream[]; /* by handle */
};

enum { AGAIN_MS = 20 }; /* how soon a registration is tried again for which the kernel had no memory */

static struct tux_epoll *self(struct tux_backend *b) { return (struct tux_epoll *)(void *)b; }

static int control(struct tux_epoll *e, int operation, int fd, u32 events, u64 word)
{
    struct epoll_event event = {.events = events, .data.u64 = word};
    return epoll_ctl(e->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

static int epoll_open(struct tux_backend **out, const struct tux_backend_options *options, char why[TUX_ERROR_BYTES])
{
    struct tux_epoll *e = calloc(1, sizeof *e + (size_t)options->slots * TUX_RUN_STREAMS * sizeof e->stream[0]);
    int *ready_fd = calloc(options->slots, sizeof *ready_fd);
    if (!e || !ready_fd) {
        free(e);
        free(ready_fd);
        return -ENOMEM;
    }
    e->base.ops = &tux_backend_epoll;
    e->slots = options->slots;
    e->knock_fd = options->knock_fd;
    e->ready_fd = ready_fd;
    for (u32 i = 0; i < e->slots; i++) e->ready_fd[i] = -1;
    for (u32 i = 0; i < TUX_LISTENERS_MAX; i++) e->listener[i].fd = -1;
    e->epoll = epoll_create1(EPOLL_CLOEXEC);
    int failed =
        e->epoll < 0 ? -errno : control(e, EPOLL_CTL_ADD, e->knock_fd, EPOLLIN, tux_event_word(WORD_KNOCK, 0, 0));
    if (failed) {
        snprintf(why, TUX_ERROR_BYTES, "epoll: %s", strerror(-failed));
        if (e->epoll >= 0) close(e->epoll);
        free(e->ready_fd);
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
        if (e->ready_fd[i] >= 0) close(e->ready_fd[i]); /* of a run that still waited */
    close(e->epoll);
    free(e->ready_fd);
    free(e);
}

/* A listener is in the set only while a connection is wanted: if it was shut down, it would report that for ever. */
static void epoll_want(struct tux_backend *b, u32 listener, u32 wanted)
{
    struct tux_epoll *e = self(b);
    struct epoll_listener *p = &e->listener[listener];
    p->wanted = wanted;
    p->refused = false;
    if (p->armed == (wanted > 0)) return;
    p->armed = wanted > 0;
    int operation = p->armed ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;
    int failed = control(e, operation, p->fd, EPOLLIN, tux_event_word(WORD_LISTENER, listener, 0));
    if (!failed || failed == -EEXIST) return;
    p->armed = false; /* it was closed by others: no connection comes, and its runs can be cancelled */
    e->refused |= p->refused = failed == -ENOMEM || failed == -ENOSPC;
}

/* The time to wait: short while a wanted listener could not be added to the set. */
static int want_again(struct tux_epoll *e, int timeout_ms)
{
    e->refused = false;
    for (u32 i = 0; i < TUX_LISTENERS_MAX; i++)
        if (e->listener[i].refused) epoll_want(&e->base, i, e->listener[i].wanted);
    return e->refused && (timeout_ms < 0 || timeout_ms > AGAIN_MS) ? AGAIN_MS : timeout_ms;
}

/* The kernel wakes every epoll set that waits for a listener (no EPOLLEXCLUSIVE), so it has told others, too. */
static bool epoll_accepting(struct tux_backend *b, u32 listener)
{
    (void)b, (void)listener;
    return false;
}

static int epoll_listen(struct tux_backend *b, u32 listener, int socket_fd)
{
    int flags = socket_fd < 0 ? 0 : fcntl(socket_fd, F_GETFL);
    if (flags < 0 || (socket_fd >= 0 && fcntl(socket_fd, F_SETFL, flags | O_NONBLOCK) < 0)) return -errno;
    epoll_want(b, listener, 0);
    self(b)->listener[listener] = (struct epoll_listener){.fd = socket_fd};
    return 0;
}

static int stream_events(struct tux_epoll *e, const struct epoll_event *got, struct tux_event *events)
{
    struct tux_event event = tux_event_from_word(got->data.u64, 0);
    u32 handle = event.slot, edges = got->events, ended = EPOLLHUP | EPOLLERR;
    TUX_ASSERT(handle < e->slots * TUX_RUN_STREAMS);
    struct epoll_stream *stream = &e->stream[handle];
    struct tux_run *run = stream->run;
    if (!run || (stream->generation & TUX_GENERATION_MASK) != event.generation) return 0; /* it has ended meanwhile */
    bool input = edges & (EPOLLIN | EPOLLRDHUP | ended), writable = edges & (EPOLLOUT | ended);
    if (input) stream->drained = false;
    stream->ended |= (edges & (EPOLLRDHUP | ended)) != 0;
    if (handle != tux_stream_handle(e->slots, run->slot, run->stream)) return 0; /* the run waits for its other one */
    int count = 0;
    event.slot = run->slot;
    event.generation = run->generation & TUX_GENERATION_MASK;
    if (input) {
        event.kind = TUX_EVENT_INPUT;
        events[count++] = event;
    }
    if (writable) {
        event.kind = TUX_EVENT_WRITABLE;
        events[count++] = event;
    }
    return count;
}

/* close(2) alone would not do: an entry of the set lives as long as any descriptor of the same file (epoll(7)). */
static void unwatch(struct tux_epoll *e, u32 slot)
{
    int fd = e->ready_fd[slot];
    if (fd < 0) return;
    int failed = control(e, EPOLL_CTL_DEL, fd, 0, 0);
    TUX_ASSERT(!failed);
    close(fd);
    e->ready_fd[slot] = -1;
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
        case WORD_STREAM: count += stream_events(e, &e->got[i], events + count); break;
        case WORD_LISTENER: { /* a bounded number, so that connections already here are not starved */
            struct epoll_listener *p = &e->listener[(u32)word];
            int room = max - count - 2 * (got - i - 1);
            count += tux_backend_accept((u32)word, p->fd, &p->wanted, events + count, room);
            break;
        }
        case WORD_READY:
            events[count] = tux_event_from_word(word, (i64)e->got[i].events);
            unwatch(e, events[count].slot);
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

static struct epoll_stream *stream_of(struct tux_epoll *e, const struct tux_run *run, int fd)
{
    for (u32 which = 0; which < TUX_RUN_STREAMS; which++) {
        struct epoll_stream *stream = &e->stream[tux_stream_handle(e->slots, run->slot, which)];
        if (stream->run && stream->fd == fd) return stream;
    }
    return NULL;
}

static void end_stream(struct epoll_stream *stream)
{
    *stream = (struct epoll_stream){.generation = stream->generation + 1};
}

/* The run's stream of this socket, which begins here if need be. A socket that the run has only written to gives its
 * place away, and is registered again when the run waits for it once more. NULL: all places are taken. */
static struct epoll_stream *stream_for(struct tux_epoll *e, struct tux_run *run, int fd)
{
    struct epoll_stream *stream = stream_of(e, run, fd);
    if (stream) return stream;
    for (u32 which = TUX_RUN_STREAMS; which-- > 0;) {
        struct epoll_stream *place = &e->stream[tux_stream_handle(e->slots, run->slot, which)];
        if (!place->run || (!place->received && !(stream && !stream->run))) stream = place;
    }
    if (!stream) return NULL;
    end_stream(stream);
    stream->run = run;
    stream->fd = fd;
    return stream;
}

static i64 park(struct tux_epoll *e, struct epoll_stream *stream, u8 wait)
{
    struct tux_run *run = stream->run;
    u32 handle = (u32)(stream - e->stream);
    run->wait = wait;
    run->stream = (u8)(handle / e->slots);
    if (stream->watched) return TUX_AGAIN;
    u32 events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    u64 word = tux_event_word(WORD_STREAM, handle, stream->generation);
    int failed = control(e, EPOLL_CTL_ADD, stream->fd, events, word);
    if (failed == -EEXIST) failed = control(e, EPOLL_CTL_MOD, stream->fd, events, word); /* of a former stream */
    if (failed) return failed;
    stream->watched = true;
    return TUX_AGAIN;
}

static i64 epoll_stream(struct tux_backend *b, struct tux_run *run, int fd, const u8 **data)
{
    struct tux_epoll *e = self(b);
    struct epoll_stream *stream = stream_for(e, run, fd);
    if (!stream) return -EMFILE;
    stream->received = true;
    while (!stream->drained) {
        ssize_t n = recv(fd, e->scratch, sizeof e->scratch, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) return -errno;
        if (n < 0) break;
        *data = e->scratch;
        stream->drained = n > 0 && (size_t)n < sizeof e->scratch && !stream->ended;
        return n;
    }
    return park(e, stream, TUX_WAIT_INPUT);
}

static void epoll_release(struct tux_backend *b) { (void)b; }

static i64 epoll_writable(struct tux_backend *b, struct tux_run *run, int fd)
{
    struct epoll_stream *stream = stream_for(self(b), run, fd);
    return stream ? park(self(b), stream, TUX_WAIT_WRITABLE) : -EMFILE;
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
    TUX_ASSERT(e->ready_fd[run->slot] < 0);
    int watched = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (watched < 0) return -errno;
    u32 events = (u32)poll_events | EPOLLONESHOT; /* EPOLLIN is POLLIN, EPOLLOUT is POLLOUT */
    int failed = control(e, EPOLL_CTL_ADD, watched, events, tux_event_word(WORD_READY, run->slot, run->generation));
    if (failed) {
        close(watched);
        return failed == -EPERM ? 0 : failed; /* EPERM: regular files are always ready */
    }
    e->ready_fd[run->slot] = watched;
    run->wait = TUX_WAIT_READY;
    return TUX_AGAIN;
}

static bool epoll_cancel(struct tux_backend *b, struct tux_run *run)
{
    unwatch(self(b), run->slot);
    return true;
}

static void epoll_hang_up(struct tux_backend *b, struct tux_run *run, int fd)
{
    struct epoll_stream *stream = stream_of(self(b), run, fd);
    if (stream) {
        unwatch(self(b), run->slot);
        end_stream(stream);
        run->generation++;
    }
    close(fd); /* also takes it out of the epoll set: a connection's descriptor has no duplicates */
}

static void epoll_detach(struct tux_backend *b, struct tux_run *run, int fd)
{
    struct tux_epoll *e = self(b);
    for (u32 which = 0; which < TUX_RUN_STREAMS; which++) {
        struct epoll_stream *stream = &e->stream[tux_stream_handle(e->slots, run->slot, which)];
        if (!stream->run || (fd >= 0 && stream->fd != fd)) continue;
        if (stream->watched) (void)control(e, EPOLL_CTL_DEL, stream->fd, 0, 0);
        end_stream(stream);
        run->generation++;
    }
}

const struct tux_backend_ops tux_backend_epoll = {
    .name = "epoll", .open = epoll_open, .close = epoll_close, .wait = epoll_take, .listen = epoll_listen,
    .want = epoll_want, .accepting = epoll_accepting,
    .stream = epoll_stream, .release = epoll_release, .send = epoll_send,
    .writable = epoll_writable, .ready = epoll_ready, .cancel = epoll_cancel, .hang_up = epoll_hang_up,
    .detach = epoll_detach,
};
