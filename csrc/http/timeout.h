/* timeout.h: how long a connection may wait for its client. */
#ifndef TUX_TIMEOUT_H
#define TUX_TIMEOUT_H

#include "http/http.h"

/* When the parked run has waited too long, in the engine's milliseconds; 0 = it may wait for ever. */
u64 tux_timeout_of(struct tux_engine *e, struct tux_run *run);
/* ... and now it has. */
void tux_timeout_expired(struct tux_engine *e, struct tux_run *run);

#endif
