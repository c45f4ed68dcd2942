/* callkit.h: what a call does when it would block: the words of call.c and its fellows. */
#ifndef TUX_CALLKIT_H
#define TUX_CALLKIT_H

#include <poll.h>

#include "chain/backend.h"
#include "base/quiet.h"

static inline i64 tux_result_of(long r) { return r < 0 ? -(i64)errno : (i64)r; }

/* Only a worker may go on. */
static inline i64 tux_cold(struct tux_run *run, const struct tux_atom *atom)
{
    if (atom->flags & SYSLET_SYNC) return -EAGAIN;
    run->wait = TUX_WAIT_COLD;
    run->fetch = 0;
    return TUX_COLD;
}

/* For a call that cannot say "not now": on an engine only a worker performs it. True when *answer is its result, or the
 * status word to return. */
static inline bool tux_elsewhere(const struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom,
                                 i64 *answer)
{
    if (tux_take_landed(run, answer)) return true;
    if (stage->place != TUX_ON_ENGINE) return false;
    *answer = tux_cold(run, atom);
    return true;
}

/* Park until `fd` is ready, or, where blocking is allowed, wait for it here. 0 when the caller may try again. A
 * descriptor that cannot be polled goes to a worker. */
static inline i64 tux_await(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, int fd,
                            short events)
{
    if (stage->place == TUX_ON_ENGINE) {
        if (atom->flags & SYSLET_SYNC) return -EAGAIN;
        i64 wait = stage->backend->ops->ready(stage->backend, run, fd, events);
        return wait == 0 ? tux_cold(run, atom) : wait;
    }
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, -1) < 0 && errno != EINTR ? -(i64)errno : 0;
}

/* After -EAGAIN: park until `fd` is ready. A descriptor may say that it is ready and still refuse: an eventfd has room
 * for some numbers and not for others, a terminal for one byte and not for two. Then try again after some time. */
static inline i64 tux_await_room(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (stage->place != TUX_ON_ENGINE || (atom->flags & SYSLET_SYNC) || poll(&p, 1, 0) != 1)
        return tux_await(stage, run, atom, fd, POLLOUT);
    run->wait = TUX_WAIT_TIMER;
    run->progress = stage->now_ms + 1;
    return TUX_AGAIN;
}

#endif
