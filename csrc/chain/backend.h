/* backend.h: how a parked run is woken: the whole contract between the engine and the kernel's event queues.
 *
 * Two back-ends keep it: backend_uring.c and backend_epoll.c. Neither runs anything: wait() only turns what the kernel
 * reports into events, and the engine handles those when the kernel's queue has been left (reap first, run later).
 * Every function belongs to the thread of the engine. Other threads wake it by writing to knock_fd.
 *
 * A stream is what one run receives from one socket. The first stream() of a run on a descriptor begins it, hang_up()
 * and detach() end it, and a run has up to TUX_RUN_STREAMS of them at once. A back-end knows a stream by its handle, a
 * number in its table of streams with a generation of its own; so what arrives for one stream is never taken for
 * another's, and wakes the run only when the run waits for that stream. */
#ifndef TUX_BACKEND_H
#define TUX_BACKEND_H

#include "chain/run.h"

enum tux_event_kind {
    TUX_EVENT_ACCEPTED, /* slot = number of the listener, result = descriptor or -errno */
    TUX_EVENT_INPUT,    /* the stream that the run waits for has something: bytes, end or error */
    TUX_EVENT_SENT,     /* result of send() */
    TUX_EVENT_WRITABLE,
    TUX_EVENT_READY,    /* result = poll(2) events */
    TUX_EVENT_KNOCK,    /* another thread has written to knock_fd */
};

struct tux_event {
    u8 kind;
    u32 slot, generation;
    i64 result;
};

struct tux_backend_options {
    u32 slots;
    int knock_fd; /* an eventfd; readable when the engine shall wake */
};

struct tux_backend;

struct tux_backend_ops {
    const char *name;
    /* 0, or -errno with one sentence that says why this kernel will not do. */
    int (*open)(struct tux_backend **out, const struct tux_backend_options *options, char why[TUX_ERROR_BYTES]);
    void (*close)(struct tux_backend *);
    /* Up to `max` events; waits `timeout_ms` (-1 = for ever) when there are none. */
    int (*wait)(struct tux_backend *, struct tux_event *events, int max, int timeout_ms);

    /* Accept at this socket, as listener number `listener`, as long as `wanted` runs are parked for it; 0
     * stops. Socket -1 gives the number up. */
    int (*listen)(struct tux_backend *, u32 listener, int socket_fd);
    void (*want)(struct tux_backend *, u32 listener, u32 wanted);
    /* After want(0): may a connection still come? And until it cannot, one may have come that nobody is told of: the
     * kernel wakes one of several who accept at a listener, and forgets that when this one is taken back. */
    bool (*accepting)(struct tux_backend *, u32 listener);

    /* The next bytes of a connection, in place: n > 0 and *data, 0 at the end, TUX_AGAIN (INPUT comes), or -errno;
     * -EMFILE if the run has TUX_RUN_STREAMS others. *data stays valid until release() or the next stream(). */
    i64 (*stream)(struct tux_backend *, struct tux_run *, int fd, const u8 **data);
    void (*release)(struct tux_backend *);
    /* Bytes sent, TUX_AGAIN (SENT or WRITABLE comes), or -errno. The bytes stay where they are until then. */
    i64 (*send)(struct tux_backend *, struct tux_run *, int fd, const u8 *bytes, size_t length, int flags);
    i64 (*writable)(struct tux_backend *, struct tux_run *, int fd);
    i64 (*ready)(struct tux_backend *, struct tux_run *, int fd, int poll_events);
    /* Take back what a parked run waits for, so that it can be ended. False: the kernel still holds memory of the run,
     * and one more event will come for it. */
    bool (*cancel)(struct tux_backend *, struct tux_run *);
    /* Close a descriptor of the run, and end its stream if it has one. Then the run moves to its next generation, so
     * that late events find a stranger. Other descriptors of the run, and their streams, stay as they are. */
    void (*hang_up)(struct tux_backend *, struct tux_run *, int fd);
    /* End the stream of a descriptor that stays open, as it is not the run's, or not any more; fd -1: all that the run
     * still has, since it ends. Bytes that came and were not taken are gone. */
    void (*detach)(struct tux_backend *, struct tux_run *, int fd);
};

/* Accept for as many runs as are wanted, up to `max`: events, of which the last may be an error. */
int tux_backend_accept(u32 listener, int socket_fd, u32 *wanted, struct tux_event *events, int max);

struct tux_backend {
    const struct tux_backend_ops *ops;
};

extern const struct tux_backend_ops tux_backend_epoll;
extern const struct tux_backend_ops tux_backend_uring;

/* Handles of streams: the first ones of all slots stand before the second ones, which are seldom used. */

static inline u32 tux_stream_handle(u32 slots, u32 slot, u32 which) { return which * slots + slot; }

/* Events carry a slot, or the handle of a stream, through the kernel, and its generation, which tells a stale one. */

static inline u64 tux_event_word(u8 kind, u32 slot, u32 generation)
{
    return (u64)kind << 56 | (u64)(generation & TUX_GENERATION_MASK) << 32 | slot;
}

static inline struct tux_event tux_event_from_word(u64 word, i64 result)
{
    return (struct tux_event){.kind = (u8)(word >> 56), .slot = (u32)word,
                              .generation = (u32)(word >> 32) & TUX_GENERATION_MASK, .result = result};
}

#endif
