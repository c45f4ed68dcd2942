/* accept.h: the listeners of an engine, and accept4 as an engine performs it. */
#ifndef TUX_ACCEPT_H
#define TUX_ACCEPT_H

#include "engine/engine.h"

i64 tux_accept4(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);
/* A connection came in at the listener (or accept failed: -errno). */
void tux_accept_landed(struct tux_engine *e, u32 listener, i64 result);
/* Draining of a listener, as api.h has it: it begins, ... */
void tux_accept_drain(struct tux_engine *e, u64 line, bool shut, u32 idle_ms);
/* ... and one turn of it: parked runs get the connections of the backlog, the other parked runs end. True: more turns
 * follow. */
bool tux_accept_turn(struct tux_engine *e);
/* `count` runs end instead of accepting there again, see api.h. */
void tux_accept_shed(struct tux_engine *e, u64 line, u32 count, u32 idle_ms);
/* Take a run that is parked at accept out of its list. */
void tux_accept_unpark(struct tux_engine *e, struct tux_run *run);
/* Tell the back-end of listeners whose number of parked runs has changed. */
void tux_accept_update(struct tux_engine *e);
/* The run no longer accepts. If it was the last one, the engine gives up the listener. */
void tux_accept_leave(struct tux_engine *e, struct tux_run *run);
/* Stop accepting at every listener. */
void tux_accept_stop(struct tux_engine *e);
void tux_accept_close(struct tux_engine *e);

#endif
