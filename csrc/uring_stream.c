/* uring_stream.c: shared buffers come from the kernel, are read in place or set aside, and go back. */
#include "uring_stream.h"

#define NO_BUFFER 0xFFFFu

struct stream_own {
    u32 bytes;
    u8 data[];
};

int streams_open(struct streams *s, struct uring *ring, u32 count)
{
    *s = (struct streams){.lent = NO_BUFFER, .count = count, .stream = calloc(count, sizeof *s->stream)};
    if (!s->stream) return -ENOMEM;
    for (u32 i = 0; i < count; i++) s->stream[i].first = s->stream[i].last = NO_BUFFER;
    int failed = uring_buffers_open(ring, &s->buffers, TUX_STREAM_BUFFERS, TUX_STREAM_BYTES);
    if (failed) free(s->stream);
    return failed;
}

void streams_close(struct streams *s)
{
    free(s->lent_own);
    for (u32 i = 0; i < s->count; i++) free(s->stream[i].own);
    free(s->stream);
    uring_buffers_close(&s->buffers);
}

static u16 first_buffer(struct streams *s, struct stream *stream)
{
    u16 bid = stream->first;
    stream->first = s->next[bid];
    stream->unread -= s->length[bid];
    return bid;
}

void streams_begin(struct streams *s, struct stream *stream, u32 generation, int fd)
{
    while (stream->first != NO_BUFFER) uring_buffers_give(&s->buffers, first_buffer(s, stream));
    free(stream->own);
    *stream = (struct stream){.generation = generation, .fd = fd, .first = NO_BUFFER, .last = NO_BUFFER};
}

static void append(struct streams *s, struct stream *stream, u16 bid, u32 length)
{
    s->next[bid] = NO_BUFFER;
    s->length[bid] = (u16)length;
    if (stream->first == NO_BUFFER) stream->first = bid;
    else s->next[stream->last] = bid;
    stream->last = bid;
    stream->unread += length;
}

bool streams_received(struct streams *s, u32 number, u32 generation, const struct uring_cqe *cqe)
{
    struct stream *stream = &s->stream[number];
    bool mine = (stream->generation & TUX_GENERATION_MASK) == generation;
    if (cqe->flags & CQE_F_BUFFER) {
        u16 bid = (u16)(cqe->flags >> CQE_BUFFER_SHIFT);
        if (mine && cqe->res > 0) append(s, stream, bid, (u32)cqe->res);
        else uring_buffers_give(&s->buffers, bid);
    }
    if (!mine) return false;
    if (!(cqe->flags & CQE_F_MORE)) stream->armed = stream->stopping = false;
    if (cqe->res > 0) {
        TUX_ASSERT(s->touched_count < TUX_EVENTS_MAX);
        s->touched[s->touched_count++] = number;
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
    if (!own) return; /* then the shared buffers stay lent: worse for others, but nothing is lost */
    while (stream->first != NO_BUFFER) {
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
        if (stream->first != NO_BUFFER) set_aside(s, stream);
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
    if (stream->first == NO_BUFFER) return 0;
    s->lent = first_buffer(s, stream);
    *data = s->buffers.memory + (size_t)s->lent * s->buffers.bytes;
    return s->length[s->lent];
}

void streams_release(struct streams *s)
{
    if (s->lent != NO_BUFFER) uring_buffers_give(&s->buffers, s->lent);
    s->lent = NO_BUFFER;
    if (!s->lent_own) return;
    free(s->lent_own);
    s->lent_own = NULL;
}
