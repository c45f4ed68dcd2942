/* completion.h: the completions of ended runs. None is ever lost: a place in the ring is promised when a run
 * is submitted. A submission without a free place is refused and counted. */
#ifndef TUX_COMPLETION_H
#define TUX_COMPLETION_H

#include "chain/record.h"
#include "base/ring.h"

struct tux_completions {
    struct tux_ring ring;
    u32 room;
    _Atomic u32 promised; /* runs alive, and completions that were not taken yet */
};

static inline int tux_completions_open(struct tux_completions *c, u32 room)
{
    c->room = room;
    return tux_ring_open(&c->ring, sizeof(struct tux_completion), room);
}

/* Frees the records of completions that were not taken. */
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

/* Take back promises that need no completion (NO_COMPLETE), or that were not used. */
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
