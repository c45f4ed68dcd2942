/* serve.h: the calls of a connection: recv_proxy, recv_head, decide, respond. */
#ifndef TUX_SERVE_H
#define TUX_SERVE_H

#include "http/http.h"

/* The calls of a connection, over the plain ones of the engine's table. */
void tux_serve_calls(tux_perform table[TUX_CALLS_MAX]);
/* A response chain has ended: 1 keep the connection, 0 close it, -errno it broke. */
i64 tux_serve_leave(struct tux_stage *stage, struct tux_run *run, i64 result, bool stopped);

/* The run's connection, if it has one, may make one more request until then, whose answer says that it was the last. */
void tux_serve_leaves(struct tux_engine *e, struct tux_run *run, u64 leave_ms);
/* The run parks, so input is released: copy a head that is not decided yet. */
void tux_serve_hold_head(struct tux_engine *e, struct tux_run *run);
/* The run's connection is closed, or is the run's no more: what is held for it and its request is given back. */
void tux_serve_closed(struct tux_engine *e, struct tux_run *run);
/* The run ends, and its connection with it: that is closed first. */
void tux_serve_end(struct tux_engine *e, struct tux_run *run);

#endif
