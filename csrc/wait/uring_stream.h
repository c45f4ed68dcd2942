/* uring_stream.h: bytes that connections have received through a ring and that no run has taken yet.
 *
 * The kernel writes into buffers that all connections of the ring share, so a connection has a buffer only for the turn
 * in which it arrived: a run that waits for input reads it there, in place. Bytes that are still unread when the next
 * turn begins (the client pipelines faster than it reads) move to memory of their own, bounded for each connection. So
 * a client that does not read cannot use up the shared buffers. */
#ifndef TUX_URING_STREAM_H
#define TUX_URING_STREAM_H

#include "chain/run.h"
#include "wait/uring.h"

/* All zero is a handle that is free. Shared buffers are numbered from 1 here; 0 is none. */
struct stream {
    struct tux_run *run; /* NULL: the handle is free */
    u32 generation;      /* of the handle */
    int fd;
    bool armed;    /* a multishot receive is in the kernel */
    bool stopping; /* ... and was cancelled because too much is unread */
    bool ended;    /* the end or an error was reported; `result` says which */
    int result;
    u16 first, last; /* shared buffers, oldest first */
    u32 unread;      /* bytes in them and in `own` */
    struct stream_own *own; /* older than the shared buffers */
};

struct streams {
    struct uring_buffers buffers;
    u16 next[TUX_STREAM_BUFFERS]; /* by buffer, from 0: the one that came after it, from 1 */
    u16 length[TUX_STREAM_BUFFERS];
    u16 lent;                    /* the shared buffer that take() has handed out, from 1 */
    struct stream_own *lent_own; /* or the memory */
    u32 touched[TUX_EVENTS_MAX]; /* streams that received in this turn */
    u32 touched_count, slots;
    struct stream *stream; /* by handle */
};

int streams_open(struct streams *s, struct uring *ring, u32 slots);
void streams_close(struct streams *s);
/* A ring is only as good as what it does: receive one byte through the very path that connections will use. */
int streams_try(struct streams *s, struct uring *ring);

/* The run's stream of this socket; NULL when it has none. */
struct stream *streams_of(struct streams *s, const struct tux_run *run, int fd);
/* ... which begins here if need be. NULL: the run has as many others as it may have. */
struct stream *streams_for(struct streams *s, struct tux_run *run, int fd);
/* Unread bytes are dropped, and bytes that still arrive are not taken for the next stream of this handle. */
void streams_end(struct streams *s, struct stream *stream);
/* One completion of a receive. True when the stream has something to see. */
bool streams_received(struct streams *s, u32 handle, u32 generation, const struct uring_cqe *cqe);
/* Give back the shared buffers that were not read in this turn. */
void streams_settle(struct streams *s);
/* The oldest unread bytes, until release: n > 0, or 0 when there are none. */
i64 streams_take(struct streams *s, struct stream *stream, const u8 **data);
void streams_release(struct streams *s);

#endif
