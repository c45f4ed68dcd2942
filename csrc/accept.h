/* floor 5 · accept.h: the ports of an engine, and accept4 as an engine performs it. */
#ifndef TUX_ACCEPT_H
#define TUX_ACCEPT_H

#include "engine.h"

i64 tux_accept4(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);
/* A connection came in on the port (or accept failed: -errno). */
void tux_accept_landed(struct tux_engine *e, u32 port, i64 result);
/* Draining of a listener, as api.h has it: it begins, ... */
void tux_accept_drain(struct tux_engine *e, u64 line, bool shut, u32 idle_ms);
/* ... and a turn of it: what the backlog still holds goes to the runs that are parked, the others end. Whether there
 * are more to come. */
bool tux_accept_turn(struct tux_engine *e);
/* So many runs end instead of accepting there again, as api.h has it. */
void tux_accept_shed(struct tux_engine *e, u64 line, u32 count, u32 idle_ms);
/* The run is parked at accept and shall wait no longer. */
void tux_accept_unpark(struct tux_engine *e, struct tux_run *run);
/* Tell the back-end of ports whose number of parked runs has changed. */
void tux_accept_update(struct tux_engine *e);
/* The run accepts no more. When it was the last, its listener is the lender's again. */
void tux_accept_leave(struct tux_engine *e, struct tux_run *run);
/* Accept nobody any more. */
void tux_accept_stop(struct tux_engine *e);
void tux_accept_close(struct tux_engine *e);

#endif
