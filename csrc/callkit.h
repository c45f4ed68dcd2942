/* floor 3 · callkit.h: what a call does when it would block: the words of call.c and its fellows. */
#ifndef TUX_CALLKIT_H
#define TUX_CALLKIT_H

#include <poll.h>
#include <sys/stat.h>

#include "backend.h"

static inline i64 tux_result_of(long r) { return r < 0 ? -(i64)errno : (i64)r; }

/* Only a worker may go on. */
static inline i64 tux_cold(struct tux_run *run, const struct tux_atom *atom)
{
    if (atom->flags & SYSLET_SYNC) return -EAGAIN;
    run->wait = TUX_WAIT_COLD;
    run->fetch = 0;
    return TUX_COLD;
}

/* A call that has no way to say "not now": on an engine it has not happened before a worker has performed it. True when
 * *answer is all there is to say. */
static inline bool tux_elsewhere(const struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom,
                                 i64 *answer)
{
    if (tux_take_landed(run, answer)) return true;
    if (stage->place != TUX_ON_ENGINE) return false;
    *answer = tux_cold(run, atom);
    return true;
}

/* Park until `fd` is ready, or, where blocking is allowed, wait for it here. 0 when the caller may try again. */
static inline i64 tux_await(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, int fd,
                            short events)
{
    if (stage->place == TUX_ON_ENGINE) {
        if (atom->flags & SYSLET_SYNC) return -EAGAIN;
        return stage->backend->ops->ready(stage->backend, run, fd, events);
    }
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, -1) < 0 && errno != EINTR ? -(i64)errno : 0;
}

static inline bool tux_is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

#endif
