/* floor 5 · decide.h: the call in the middle of a request's way. */
#ifndef TUX_DECIDE_H
#define TUX_DECIDE_H

#include "engine.h"

/* The status of what the head at hand gets; from then on it is the connection's `chosen`. */
i64 tux_decide(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);

#endif
