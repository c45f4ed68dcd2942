/* uring_stream.c: shared buffers come from the kernel, are read in place or set aside, and go back. */
#include "wait/uring_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include "chain/backend.h"

struct stream_own {
    u32 bytes;
    u8 data[];
};

_Static_assert(TUX_STREAM_BUFFERS < UINT16_MAX, "a buffer's number, from 1, fits");

int streams_open(struct streams *s, struct uring *ring, u32 slots)
{
    *s = (struct streams){.slots = slots, .stream = calloc((size_t)slots * TUX_RUN_STREAMS, sizeof *s->stream)};
    if (!s->stream) return -ENOMEM;
    int failed = uring_buffers_open(ring, &s->buffers, TUX_STREAM_BUFFERS, TUX_STREAM_BYTES);
    if (failed) free(s->stream);
    return failed;
}

void streams_close(struct streams *s)
{
    free(s->lent_own);
    for (u32 i = 0; i < s->slots * TUX_RUN_STREAMS; i++) free(s->stream[i].own);
    free(s->stream);
    uring_buffers_close(&s->buffers);
}

int streams_try(struct streams *s, struct uring *ring)
{
    int pair[2], failed = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
    if (write(pair[1], "x", 1) != 1) failed = -EIO;
    struct uring_sqe *sqe = uring_sqe(ring);
    sqe->opcode = OP_RECV;
    sqe->fd = pair[0];
    sqe->flags = SQE_BUFFER_SELECT;
    sqe->ioprio = RECV_MULTISHOT;
    shutdown(pair[1], SHUT_WR);
    bool received = false, ended = false;
    for (int turn = 0; !failed && !ended && turn < 8; turn++) {
        failed = uring_submit_and_wait(ring, 1000);
        if (failed > 0) failed = 0;
        u32 head = *ring->cq_head,
            tail = atomic_load_explicit((_Atomic u32 *)(void *)ring->cq_tail, memory_order_acquire);
        for (; head != tail; head++) {
            const struct uring_cqe *cqe = &ring->cqes[head & ring->cq_mask];
            if (cqe->res < 0) failed = cqe->res;
            if (cqe->res == 1 && (cqe->flags & CQE_F_BUFFER)) {
                received = true;
                uring_buffers_give(&s->buffers, (u16)(cqe->flags >> CQE_BUFFER_SHIFT));
            }
            ended |= !(cqe->flags & CQE_F_MORE);
        }
        atomic_store_explicit((_Atomic u32 *)(void *)ring->cq_head, head, memory_order_release);
    }
    close(pair[0]);
    close(pair[1]);
    return failed ? failed : received && ended ? 0 : -EIO;
}

/* Takes the oldest shared buffer out of the stream. */
static u16 first_buffer(struct streams *s, struct stream *stream)
{
    u16 bid = (u16)(stream->first - 1);
    stream->first = s->next[bid];
    stream->unread -= s->length[bid];
    return bid;
}

struct stream *streams_of(struct streams *s, const struct tux_run *run, int fd)
{
    for (u32 which = 0; which < TUX_RUN_STREAMS; which++) {
        struct stream *stream = &s->stream[tux_stream_handle(s->slots, run->slot, which)];
        if (stream->run && stream->fd == fd) return stream;
    }
    return NULL;
}

struct stream *streams_for(struct streams *s, struct tux_run *run, int fd)
{
    struct stream *known = streams_of(s, run, fd);
    if (known) return known;
    for (u32 which = 0; which < TUX_RUN_STREAMS; which++) {
        struct stream *stream = &s->stream[tux_stream_handle(s->slots, run->slot, which)];
        if (stream->run) continue;
        stream->run = run;
        stream->fd = fd;
        return stream;
    }
    return NULL;
}

void streams_end(struct streams *s, struct stream *stream)
{
    while (stream->first) uring_buffers_give(&s->buffers, first_buffer(s, stream));
    free(stream->own);
    *stream = (struct stream){.generation = stream->generation + 1};
}

static void append(struct streams *s, struct stream *stream, u16 bid, u32 length)
{
    u16 number = (u16)(bid + 1);
    s->next[bid] = 0;
    s->length[bid] = (u16)length;
    if (!stream->first) stream->first = number;
    else s->next[stream->last - 1] = number;
    stream->last = number;
    stream->unread += length;
}

bool streams_received(struct streams *s, u32 handle, u32 generation, const struct uring_cqe *cqe)
{
    struct stream *stream = &s->stream[handle];
    bool mine = stream->run && (stream->generation & TUX_GENERATION_MASK) == generation;
    if (cqe->flags & CQE_F_BUFFER) {
        u16 bid = (u16)(cqe->flags >> CQE_BUFFER_SHIFT);
        if (mine && cqe->res > 0) append(s, stream, bid, (u32)cqe->res);
        else uring_buffers_give(&s->buffers, bid);
    }
    if (!mine) return false;
    if (!(cqe->flags & CQE_F_MORE)) stream->armed = stream->stopping = false;
    if (cqe->res > 0) {
        TUX_ASSERT(s->touched_count < TUX_EVENTS_MAX);
        s->touched[s->touched_count++] = handle;
        return true;
    }
    if (cqe->res == -ECANCELED || cqe->res == -ENOBUFS || cqe->res == -EINTR || cqe->res == -EAGAIN)
        return true; /* the run looks, finds nothing unread and arms again */
    stream->ended = true;
    stream->result = cqe->res;
    return true;
}

static void set_aside(struct streams *s, struct stream *stream)
{
    u32 before = stream->own ? stream->own->bytes : 0, at = before;
    struct stream_own *own = realloc(stream->own, sizeof *own + stream->unread);
    if (!own) return; /* the shared buffers stay in use: others have fewer, but nothing is lost */
    while (stream->first) {
        u16 bid = first_buffer(s, stream);
        memcpy(own->data + at, s->buffers.memory + (size_t)bid * s->buffers.bytes, s->length[bid]);
        at += s->length[bid];
        uring_buffers_give(&s->buffers, bid);
    }
    own->bytes = at;
    stream->own = own;
    stream->unread += at - before;
}

void streams_settle(struct streams *s)
{
    for (u32 i = 0; i < s->touched_count; i++) {
        struct stream *stream = &s->stream[s->touched[i]];
        if (stream->first) set_aside(s, stream);
    }
    s->touched_count = 0;
}

i64 streams_take(struct streams *s, struct stream *stream, const u8 **data)
{
    streams_release(s);
    if (stream->own) {
        s->lent_own = stream->own;
        stream->own = NULL;
        stream->unread -= s->lent_own->bytes;
        *data = s->lent_own->data;
        return s->lent_own->bytes;
    }
    if (!stream->first) return 0;
    u16 bid = first_buffer(s, stream);
    s->lent = (u16)(bid + 1);
    *data = s->buffers.memory + (size_t)bid * s->buffers.bytes;
    return s->length[bid];
}

void streams_release(struct streams *s)
{
    if (s->lent) uring_buffers_give(&s->buffers, (u16)(s->lent - 1));
    s->lent = 0;
    if (!s->lent_own) return;
    free(s->lent_own);
    s->lent_own = NULL;
}
