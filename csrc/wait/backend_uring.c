/* backend_uring.c: the contract of backend.h by completion.
 *
 * An accept loop is one multishot accept, a read loop is one multishot receive into provided buffers, a send is one
 * SQE. The io_uring_enter that waits also submits them, so a turn with many connections costs one system call. A chain
 * does not notice.
 *
 * Traps: a multishot without F_MORE has ended and must be armed again; ENOBUFS is no error of the connection; close(2)
 * under an armed receive would leave the connection open, so it is cancelled first, in the same submission; completions
 * of a former stream carry an old generation, but their buffers must still be given back.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chain/backend.h"
#include "wait/uring_stream.h"

enum { WORD_ACCEPT = 1, WORD_ACCEPT_POLL, WORD_RECV, WORD_SEND, WORD_WRITABLE, WORD_READY, WORD_KNOCK, WORD_IGNORED };

struct uring_listener {
    int fd;
    u32 generation; /* of the request that is armed: another socket may take this place */
    u32 wanted;
    bool armed, multishot;
};

struct tux_uring {
    struct tux_backend base;
    struct uring ring;
    struct streams streams;
    u32 slots;
    int knock_fd;
    struct uring_listener listener[TUX_LISTENERS_MAX];
};

static struct tux_uring *self(struct tux_backend *b) { return (struct tux_uring *)(void *)b; }

static struct uring_sqe *prepare(struct tux_uring *u, u8 opcode, int fd, u64 word)
{
    struct uring_sqe *sqe = uring_sqe(&u->ring);
    sqe->opcode = opcode;
    sqe->fd = fd;
    sqe->user_data = word;
    return sqe;
}

/* The same where no caller can be told that it is refused: then all is armed and cancelled anew, see arm_all. */
static struct uring_sqe *must(struct tux_uring *u, u8 opcode, int fd, u64 word)
{
    struct uring_sqe *sqe = prepare(u, opcode, fd, word);
    u->ring.lost |= u->ring.refused;
    return sqe;
}

static void arm_knock(struct tux_uring *u)
{
    must(u, OP_POLL_ADD, u->knock_fd, tux_event_word(WORD_KNOCK, 0, 0))->op_flags = POLLIN;
}

static void uring_close_all(struct tux_backend *b)
{
    struct tux_uring *u = self(b);
    uring_close(&u->ring);
    streams_close(&u->streams);
    free(u);
}

static int uring_backend_open(struct tux_backend **out, const struct tux_backend_options *options,
                              char why[TUX_ERROR_BYTES])
{
    struct tux_uring *u = calloc(1, sizeof *u);
    if (!u) return -ENOMEM;
    u->base.ops = &tux_backend_uring;
    u->slots = options->slots;
    u->knock_fd = options->knock_fd;
    for (u32 i = 0; i < TUX_LISTENERS_MAX; i++) u->listener[i].fd = -1;
    int failed = uring_open(&u->ring, 1024, 8192, why, TUX_ERROR_BYTES);
    if (failed == -ENOMEM) failed = uring_open(&u->ring, 256, 2048, why, TUX_ERROR_BYTES);
    if (failed) {
        free(u);
        return failed;
    }
    failed = streams_open(&u->streams, &u->ring, u->slots);
    if (failed) {
        snprintf(why, TUX_ERROR_BYTES, "io_uring is there but takes no receive buffers: %s", strerror(-failed));
        uring_close(&u->ring);
        free(u);
        return failed;
    }
    failed = streams_try(&u->streams, &u->ring);
    if (failed) {
        snprintf(why, TUX_ERROR_BYTES, "io_uring is there but its self-test failed: %s", strerror(-failed));
        uring_close_all(&u->base);
        return failed;
    }
    arm_knock(u);
    *out = &u->base;
    return 0;
}

static u64 accept_word(const struct tux_uring *u, u32 listener)
{
    const struct uring_listener *p = &u->listener[listener];
    return tux_event_word(p->multishot ? WORD_ACCEPT : WORD_ACCEPT_POLL, listener, p->generation);
}

/* Multishot accept takes all that the backlog holds, so it is used only while there are more free runs than a backlog
 * can have. With fewer runs a poll says when to accept, and exactly as many connections are taken as runs are free. */
static void arm_accept(struct tux_uring *u, u32 listener)
{
    struct uring_listener *p = &u->listener[listener];
    if (p->armed || p->wanted == 0 || p->fd < 0) return;
    p->armed = true;
    p->multishot = p->wanted > TUX_BACKLOG;
    u8 opcode = p->multishot ? OP_ACCEPT : OP_POLL_ADD;
    struct uring_sqe *sqe = must(u, opcode, p->fd, accept_word(u, listener));
    sqe->ioprio = p->multishot ? ACCEPT_MULTISHOT : 0;
    sqe->op_flags = p->multishot ? SOCK_NONBLOCK | SOCK_CLOEXEC : POLLIN;
}

static struct uring_sqe *cancel(struct tux_uring *u, u64 word)
{
    struct uring_sqe *sqe = must(u, OP_ASYNC_CANCEL, -1, tux_event_word(WORD_IGNORED, 0, 0));
    sqe->addr = word;
    sqe->flags = SQE_CQE_SKIP_SUCCESS;
    return sqe;
}

static int uring_listen(struct tux_backend *b, u32 listener, int socket_fd)
{
    struct tux_uring *u = self(b);
    struct uring_listener *p = &u->listener[listener];
    int flags = socket_fd < 0 ? 0 : fcntl(socket_fd, F_GETFL);
    if (flags < 0 || (socket_fd >= 0 && fcntl(socket_fd, F_SETFL, flags | O_NONBLOCK) < 0)) return -errno;
    if (p->armed) cancel(u, accept_word(u, listener));
    *p = (struct uring_listener){.fd = socket_fd, .generation = (p->generation + 1) & TUX_GENERATION_MASK};
    return 0;
}

static void uring_want(struct tux_backend *b, u32 listener, u32 wanted)
{
    struct tux_uring *u = self(b);
    struct uring_listener *p = &u->listener[listener];
    p->wanted = wanted;
    if (!p->armed) arm_accept(u, listener);
    else if (p->multishot && wanted <= TUX_BACKLOG) cancel(u, accept_word(u, listener));
}

/* A poll wakes all engines at a listener; an accept wakes only one of them. */
static bool uring_accepting(struct tux_backend *b, u32 listener)
{
    const struct uring_listener *p = &self(b)->listener[listener];
    return p->armed && p->multishot;
}

static u64 receive_word(const struct tux_uring *u, const struct stream *stream)
{
    return tux_event_word(WORD_RECV, (u32)(stream - u->streams.stream), stream->generation);
}

/* Bytes of a client that pipelines faster than it reads wait in the socket and not in our memory. */
static void hold_back(struct tux_uring *u, struct stream *stream)
{
    if (stream->unread < TUX_STREAM_UNREAD_MAX || !stream->armed || stream->stopping) return;
    stream->stopping = true;
    cancel(u, receive_word(u, stream));
}

/* One completion of a receive: the event for the run, if it waits for this stream and not for its other one. */
static int received(struct tux_uring *u, const struct uring_cqe *cqe, struct tux_event *event)
{
    u32 handle = event->slot;
    if (handle >= u->slots * TUX_RUN_STREAMS) return 0;
    if (!streams_received(&u->streams, handle, event->generation, cqe)) return 0;
    struct stream *stream = &u->streams.stream[handle];
    const struct tux_run *run = stream->run;
    hold_back(u, stream);
    if (handle != tux_stream_handle(u->slots, run->slot, run->stream)) return 0;
    event->kind = TUX_EVENT_INPUT;
    event->slot = run->slot;
    event->generation = run->generation & TUX_GENERATION_MASK;
    return 1;
}

/* Turn one completion into events, mostly one; 0 when it concerns no run. */
static int completed(struct tux_uring *u, const struct uring_cqe *cqe, struct tux_event *events, int max)
{
    struct tux_event event = tux_event_from_word(cqe->user_data, cqe->res);
    u8 word = event.kind;
    if (word == WORD_SEND && event.slot >= u->slots) return 0;
    bool accepts = word == WORD_ACCEPT || word == WORD_ACCEPT_POLL;
    if (accepts && u->listener[event.slot].generation != event.generation) { /* of a former listener */
        if (word == WORD_ACCEPT && cqe->res >= 0) close(cqe->res);
        return 0;
    }
    switch (word) {
    case WORD_RECV:
        if (!received(u, cqe, &event)) return 0;
        break;
    case WORD_SEND: event.kind = TUX_EVENT_SENT; break;
    case WORD_WRITABLE: event.kind = TUX_EVENT_WRITABLE; break;
    case WORD_READY: event.kind = TUX_EVENT_READY; break;
    case WORD_ACCEPT: {
        struct uring_listener *p = &u->listener[event.slot];
        if (!(cqe->flags & CQE_F_MORE)) p->armed = false;
        if (cqe->res >= 0 && p->wanted > 0) p->wanted--;
        if (cqe->res == -ECANCELED || cqe->res == -EINTR || cqe->res == -ECONNABORTED || cqe->res == -EAGAIN) {
            arm_accept(u, event.slot);
            return 0;
        }
        event.kind = TUX_EVENT_ACCEPTED;
        if (cqe->res >= 0) arm_accept(u, event.slot);
        break;
    }
    case WORD_ACCEPT_POLL: {
        struct uring_listener *p = &u->listener[event.slot];
        p->armed = false;
        int count = cqe->res < 0 ? 0 : tux_backend_accept(event.slot, p->fd, &p->wanted, events, max);
        if (count == 0 || events[count - 1].result >= 0) arm_accept(u, event.slot);
        return count;
    }
    case WORD_KNOCK: {
        u64 knocks;
        if (read(u->knock_fd, &knocks, sizeof knocks) < 0) TUX_ASSERT(errno == EAGAIN || errno == EINTR);
        arm_knock(u);
        event.kind = TUX_EVENT_KNOCK;
        break;
    }
    default: return 0;
    }
    events[0] = event;
    return 1;
}

/* Completions were lost. Every multishot request may have ended with one of them, and streams may lack bytes. */
static void arm_all(struct tux_uring *u)
{
    arm_knock(u);
    for (u32 handle = 0; handle < u->slots * TUX_RUN_STREAMS; handle++) {
        struct stream *stream = &u->streams.stream[handle];
        if (!stream->armed) continue;
        cancel(u, receive_word(u, stream));
        stream->ended = true;
        stream->result = -EIO;
    }
    for (u32 listener = 0; listener < TUX_LISTENERS_MAX; listener++) {
        struct uring_listener *p = &u->listener[listener];
        if (!p->armed) continue;
        cancel(u, accept_word(u, listener));
        p->generation = (p->generation + 1) & TUX_GENERATION_MASK;
        p->armed = false;
        arm_accept(u, listener);
    }
}

static int uring_take(struct tux_backend *b, struct tux_event *events, int max, int timeout_ms)
{
    struct tux_uring *u = self(b);
    struct uring *ring = &u->ring;
    streams_settle(&u->streams);
    int failed = uring_submit_and_wait(ring, timeout_ms);
    if (failed < 0) {
        if (failed == -EBADR) arm_all(u);
        return failed;
    }
    u32 head = *ring->cq_head, tail = atomic_load_explicit((_Atomic u32 *)(void *)ring->cq_tail, memory_order_acquire);
    int count = 0;
    for (; head != tail && count < max - 64; head++)
        count += completed(u, &ring->cqes[head & ring->cq_mask], events + count, 64);
    atomic_store_explicit((_Atomic u32 *)(void *)ring->cq_head, head, memory_order_release);
    return count;
}

static void uring_release(struct tux_backend *b) { streams_release(&self(b)->streams); }

static i64 uring_stream(struct tux_backend *b, struct tux_run *run, int fd, const u8 **data)
{
    struct tux_uring *u = self(b);
    struct stream *stream = streams_for(&u->streams, run, fd);
    if (!stream) return -EMFILE;
    i64 n = streams_take(&u->streams, stream, data);
    if (n > 0) return n;
    if (stream->ended) return stream->result;
    if (!stream->armed) {
        struct uring_sqe *sqe = prepare(u, OP_RECV, fd, receive_word(u, stream));
        sqe->flags = SQE_BUFFER_SELECT;
        sqe->ioprio = RECV_MULTISHOT;
        if (u->ring.refused) return -ENOMEM;
        stream->armed = true;
    }
    run->wait = TUX_WAIT_INPUT;
    run->stream = (u8)((u32)(stream - u->streams.stream) / u->slots);
    return TUX_AGAIN;
}

static i64 poll_for(struct tux_uring *u, struct tux_run *run, int fd, u8 word, u32 events, u8 wait)
{
    prepare(u, OP_POLL_ADD, fd, tux_event_word(word, run->slot, run->generation))->op_flags = events;
    if (u->ring.refused) return -ENOMEM;
    run->wait = wait;
    return TUX_AGAIN;
}

static i64 uring_writable(struct tux_backend *b, struct tux_run *run, int fd)
{
    return poll_for(self(b), run, fd, WORD_WRITABLE, POLLOUT, TUX_WAIT_WRITABLE);
}

static i64 uring_ready(struct tux_backend *b, struct tux_run *run, int fd, int poll_events)
{
    return poll_for(self(b), run, fd, WORD_READY, (u32)poll_events, TUX_WAIT_READY);
}

static i64 uring_send(struct tux_backend *b, struct tux_run *run, int fd, const u8 *bytes, size_t length, int flags)
{
    struct tux_uring *u = self(b);
    i64 landed;
    if (tux_take_landed(run, &landed) && (run->woken_for == TUX_WAIT_SENT || landed < 0)) return landed;
    /* MORE: sendfile(2), which has no opcode, follows on the same socket, so these bytes must be sent first. DONTWAIT:
     * a copy is sent while it is in the processor's cache, and its memory is needed for the next one. */
    if (flags & (MSG_MORE | MSG_DONTWAIT)) {
        ssize_t n = send(fd, bytes, length, flags | MSG_DONTWAIT);
        if (n >= 0) return n;
        return errno == EAGAIN || errno == EINTR ? uring_writable(b, run, fd) : -errno;
    }
    struct uring_sqe *sqe = prepare(u, OP_SEND, fd, tux_event_word(WORD_SEND, run->slot, run->generation));
    sqe->addr = (u64)(uintptr_t)bytes;
    sqe->len = (u32)length;
    sqe->op_flags = (u32)(flags | MSG_WAITALL);
    if (u->ring.refused) return -ENOMEM;
    run->wait = TUX_WAIT_SENT;
    return TUX_AGAIN;
}

static bool uring_cancel(struct tux_backend *b, struct tux_run *run)
{
    struct tux_uring *u = self(b);
    switch (run->wait) {
    case TUX_WAIT_SENT: cancel(u, tux_event_word(WORD_SEND, run->slot, run->generation)); return false;
    case TUX_WAIT_WRITABLE: cancel(u, tux_event_word(WORD_WRITABLE, run->slot, run->generation)); return true;
    case TUX_WAIT_READY: cancel(u, tux_event_word(WORD_READY, run->slot, run->generation)); return true;
    default: return true;
    }
}

static void uring_hang_up(struct tux_backend *b, struct tux_run *run, int fd)
{
    struct tux_uring *u = self(b);
    struct stream *stream = streams_of(&u->streams, run, fd);
    if (!stream) {
        close(fd); /* nothing is armed */
        return;
    }
    if (stream->armed) cancel(u, receive_word(u, stream))->flags |= SQE_IO_HARDLINK;
    must(u, OP_CLOSE, fd, tux_event_word(WORD_IGNORED, 0, 0))->flags = SQE_CQE_SKIP_SUCCESS;
    if (u->ring.refused) { /* ends a receive that could not be cancelled, too */
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
    streams_end(&u->streams, stream);
    run->generation++;
}

static void uring_detach(struct tux_backend *b, struct tux_run *run, int fd)
{
    struct tux_uring *u = self(b);
    for (u32 which = 0; which < TUX_RUN_STREAMS; which++) {
        struct stream *stream = &u->streams.stream[tux_stream_handle(u->slots, run->slot, which)];
        if (!stream->run || (fd >= 0 && stream->fd != fd)) continue;
        if (stream->armed) cancel(u, receive_word(u, stream));
        streams_end(&u->streams, stream);
        run->generation++;
    }
}

const struct tux_backend_ops tux_backend_uring = {
    .name = "uring", .open = uring_backend_open, .close = uring_close_all, .wait = uring_take, .listen = uring_listen,
    .want = uring_want, .accepting = uring_accepting,
    .stream = uring_stream, .release = uring_release, .send = uring_send,
    .writable = uring_writable, .ready = uring_ready, .cancel = uring_cancel, .hang_up = uring_hang_up,
    .detach = uring_detach,
};
