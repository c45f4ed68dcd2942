/* floor 3 · uring_stream.h: what connections have received through a ring and nobody has taken yet.
 *
 * The kernel writes into buffers that all connections of the ring share, so a buffer is lent to a connection only for
 * the turn in which it arrived: a run that waits for input reads it there, in place. What is still unread when the next
 * turn begins (a client that pipelines faster than it reads) moves to memory of its own, bounded for each connection.
 * So the shared buffers cannot run out because of somebody who does not read. */
#ifndef TUX_URING_STREAM_H
#define TUX_URING_STREAM_H

#include "run.h"
#include "uring.h"

struct stream {
    u32 generation;
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
    u16 next[TUX_STREAM_BUFFERS];
    u16 length[TUX_STREAM_BUFFERS];
    u16 lent;                    /* the shared buffer that take() has handed out */
    struct stream_own *lent_own; /* or the memory */
    u32 touched[TUX_EVENTS_MAX]; /* streams that received in this turn */
    u32 touched_count, count;
    struct stream *stream;
};

int streams_open(struct streams *s, struct uring *ring, u32 count);
void streams_close(struct streams *s);

/* A new connection: nothing of the former one may be taken for its own. */
void streams_begin(struct streams *s, struct stream *stream, u32 generation, int fd);
/* One completion of a receive. True when the stream's run has something to see. */
bool streams_received(struct streams *s, u32 number, u32 generation, const struct uring_cqe *cqe);
/* What nobody has read in this turn gives its shared buffers back. */
void streams_settle(struct streams *s);
/* The oldest unread bytes, until release: n > 0, or 0 when there are none. */
i64 streams_take(struct streams *s, struct stream *stream, const u8 **data);
void streams_release(struct streams *s);

#endif
