/* floor 3 · worker.h: how far a worker goes on with a run that has come to it. */
#ifndef TUX_WORKER_H
#define TUX_WORKER_H

#include "run.h"

/* May a worker go on with what follows the atom for which the run has come? Only where no descriptor can be armed in
 * the back-end, which belongs to the engine's thread: in chains that deal with files alone. */
bool tux_worker_may_go_on(const struct tux_run *run);

/* What a worker then performs: all that finishes without waiting for somebody else. The rest answers TUX_AGAIN, and the
 * run goes back to its engine. */
extern const tux_perform tux_worker_calls[TUX_CALLS_MAX];

#endif
