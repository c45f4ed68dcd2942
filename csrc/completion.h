/* floor 4 · completion.h: the records of ended runs. None is ever lost: its place is promised when the run is
 * submitted, and a submission for which there is none is refused and counted. */
#ifndef TUX_COMPLETION_H
#define TUX_COMPLETION_H

#include "record.h"
#include "ring.h"

struct tux_completions {
    struct tux_ring ring;
    u32 room;
    _Atomic u32 promised; /* runs alive, and records nobody has taken yet */
};

static inline int tux_completions_open(struct tux_completions *c, u32 room)
{
    c->room = room;
    return tux_ring_open(&c->ring, sizeof(struct tux_completion), room);
}

/* Records that nobody has taken go with them. */
static inline void tux_completions_close(struct tux_completions *c)
{
    struct tux_completion left;
    while (c->ring.items && tux_ring_take(&c->ring, &left, 1) == 1) tux_record_free(left.record);
    tux_ring_close(&c->ring);
}

/* Any thread: promise `count` places, or -ENOBUFS. */
static inline int tux_completions_promise(struct tux_completions *c, u32 count)
{
    u32 promised = atomic_load(&c->promised);
    do {
        if (count > c->room - promised) return -ENOBUFS;
    } while (!atomic_compare_exchange_weak(&c->promised, &promised, promised + count));
    return 0;
}

/* A promise that needs no record (NO_COMPLETE), or that was not used. */
static inline void tux_completions_release(struct tux_completions *c, u32 count)
{
    atomic_fetch_sub(&c->promised, count);
}

static inline u32 tux_completions_take(struct tux_completions *c, struct tux_completion *out, u32 max)
{
    u32 count = tux_ring_take(&c->ring, out, max);
    tux_completions_release(c, count);
    return count;
}

#endif
