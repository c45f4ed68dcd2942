/* worker.h: how far a worker carries on a run. */
#ifndef TUX_WORKER_H
#define TUX_WORKER_H

#include "chain/run.h"

/* May a worker go on with the atoms behind the one for which it got the run? Only if no descriptor can be armed in the
 * back-end, which belongs to the engine's thread: in chains that use files alone. */
bool tux_worker_may_go_on(const struct tux_run *run);

/* The calls that a worker then performs: those that end without waiting for another process or peer. The others return
 * TUX_AGAIN, and the run goes back to its engine. */
extern const tux_perform tux_worker_calls[TUX_CALLS_MAX];

#endif
