/* cachemiss.h: the threads that may block, so that the engine never does. */
#ifndef TUX_CACHEMISS_H
#define TUX_CACHEMISS_H

#include "base/base.h"

/* One piece of blocking work. The engine owns it until it is posted and again when it comes back; in between it belongs
 * to the pool. Runs, responses and fetches have one each, so the queues are bounded by what the engine holds. */
struct tux_job {
    struct tux_job *next;
    void (*perform)(struct tux_job *job, void *context);
    i64 result;
    u64 place; /* the number of its file system, if that may hang; 0: it is near */
    bool begun; /* a worker performs it; for the pool alone */
};

struct tux_cachemiss;

/* `threads` workers, one more for light jobs, and some for jobs that are far, which start with the first such job: at
 * most half of them work for one file system. Each finished job makes `knock_fd` (an eventfd) readable. */
int tux_cachemiss_open(struct tux_cachemiss **out, unsigned threads, int knock_fd, void *context);
void tux_cachemiss_post(struct tux_cachemiss *pool, struct tux_job *job);
/* A short job for which requests wait, such as the check of a decision: done before all jobs that are not light. */
void tux_cachemiss_post_light(struct tux_cachemiss *pool, struct tux_job *job);
/* The finished jobs, oldest first, as a list; NULL when there are none. */
struct tux_job *tux_cachemiss_take(struct tux_cachemiss *pool);
u32 tux_cachemiss_queued(struct tux_cachemiss *pool);
/* Workers that perform a job now. */
u32 tux_cachemiss_busy(struct tux_cachemiss *pool);
/* Ends each worker after its current job, and waits for that up to a second. Jobs still queued are not performed;
 * take() gives them back too. False: a worker hangs in the kernel, so its job and the pool must never be freed. */
bool tux_cachemiss_stop(struct tux_cachemiss *pool);
/* Has it been stopped, and did that leave a worker that hangs? For the engine's thread. */
bool tux_cachemiss_is_over(const struct tux_cachemiss *pool);
bool tux_cachemiss_hangs(const struct tux_cachemiss *pool);
void tux_cachemiss_close(struct tux_cachemiss *pool);

#endif
