/* deadline.h: one time limit per slot, in a dense array that is swept.
 *
 * Setting a limit is one store, several times a request. Finding the expired ones is a walk over 8 bytes a slot, every
 * TUX_SWEEP_MS at most and only when one may have expired (10,000 slots: about 5 µs). A list per class of limit would
 * make the rare operation cheap and the common one expensive. */
#ifndef TUX_DEADLINE_H
#define TUX_DEADLINE_H

#include "base/base.h"

struct tux_deadlines {
    u64 *at_ms; /* by slot; 0 = none */
    u32 slots;
    u64 next_ms; /* not later than the earliest limit; UINT64_MAX when there is none */
};

static inline void tux_deadline_set(struct tux_deadlines *d, u32 slot, u64 at_ms)
{
    d->at_ms[slot] = at_ms;
    if (at_ms != 0 && at_ms < d->next_ms) d->next_ms = at_ms;
}

/* The next expired slot at or behind `from`, its limit taken off; TUX_NONE32 when the sweep is done, and then next_ms
 * is exact again. Start with from = 0 and next_ms set to UINT64_MAX by tux_deadline_sweep_begin. */
static inline void tux_deadline_sweep_begin(struct tux_deadlines *d) { d->next_ms = UINT64_MAX; }

static inline u32 tux_deadline_sweep(struct tux_deadlines *d, u32 from, u64 now_ms)
{
    for (u32 slot = from; slot < d->slots; slot++) {
        u64 at = d->at_ms[slot];
        if (at == 0) continue;
        if (at <= now_ms) {
            d->at_ms[slot] = 0;
            return slot;
        }
        if (at < d->next_ms) d->next_ms = at;
    }
    return TUX_NONE32;
}

#endif
