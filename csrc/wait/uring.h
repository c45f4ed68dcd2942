/* uring.h: the ring itself: set-up, submission, completion, provided buffers. Knows no runs. */
#ifndef TUX_URING_H
#define TUX_URING_H

#include "wait/uring_abi.h"

struct uring {
    int fd, enter_fd; /* enter_fd: the registered number, when registering worked */
    u32 enter_flags;
    u32 *sq_head, *sq_tail, sq_mask, sq_entries;
    u32 *cq_head, *cq_tail, cq_mask;
    struct uring_sqe *sqes;
    struct uring_cqe *cqes;
    void *rings;
    size_t rings_bytes, sqes_bytes;
    bool lost; /* completions or requests were lost, and the caller was not told yet (EBADR) */
    bool refused; /* the last SQE that was asked for is `spare`, which is never submitted */
    struct uring_sqe spare;
    u32 queued_tail; /* SQEs filled up to here, not yet shown to the kernel */
};

/* A ring for the calling thread alone. 0, or -errno and one sentence in `why`. */
int uring_open(struct uring *ring, u32 sq_entries, u32 cq_entries, char *why, size_t why_bytes);
/* A ring for any thread, one at a time, with places for `files` direct descriptors. 0 or -errno. */
int uring_open_shared(struct uring *ring, u32 sq_entries, u32 files);
void uring_close(struct uring *ring);

/* The next free SQE, zeroed. Never NULL: a full queue is submitted first. When the kernel had no memory for that during
 * a tenth of a second, `refused` is set, and then each call tries once. */
struct uring_sqe *uring_sqe(struct uring *ring);

/* Show what is queued to the kernel and wait for one completion, at most timeout_ms (-1: no limit, 0: do not wait). */
int uring_submit_and_wait(struct uring *ring, int timeout_ms);

/* Submit the `count` requests that are queued, none of which waits, and hand their completions to `reap`. Those that
 * the kernel has no memory for during a tenth of a second are taken back: they did not happen, and none completes. */
typedef void (*uring_reap)(void *context, const struct uring_cqe *);
void uring_complete(struct uring *ring, u32 count, uring_reap reap, void *context);

/* A ring of `entries` receive buffers of `bytes` each, as buffer group 0. */
struct uring_buffers {
    struct uring_buf *ring;
    u8 *memory;
    u32 entries, bytes;
    u16 tail;
    size_t ring_bytes, memory_bytes;
};

int uring_buffers_open(struct uring *ring, struct uring_buffers *buffers, u32 entries, u32 bytes);
void uring_buffers_close(struct uring_buffers *buffers);
void uring_buffers_give(struct uring_buffers *buffers, u16 bid);

#endif
