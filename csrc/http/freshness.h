/* freshness.h: may a cached response still be used? Its witnesses are checked again as part of the request,
 * by the engine where the check cannot block, else by a worker. */
#ifndef TUX_FRESHNESS_H
#define TUX_FRESHNESS_H

#include "http/http.h"

/* USE: it holds. DEAD: it does not, and is taken out. WAIT: the run is parked until a worker has checked. */
enum tux_fresh { TUX_FRESH_USE, TUX_FRESH_DEAD, TUX_FRESH_WAIT };

enum tux_fresh tux_freshness(struct tux_engine *e, struct tux_run *run, struct tux_response *r);
/* A worker has checked the witnesses of the response. */
void tux_freshness_checked(struct tux_engine *e, struct tux_response *r);
/* Just before use, after the file's bytes were copied: is the open file still the version of the head? */
bool tux_freshness_current(struct tux_engine *e, struct tux_response *r);
/* Was its file written to just now? Then the run waits until a worker has seen that write(2) end, once for a response
 * and before a byte of the file is read. True when it waits. */
bool tux_freshness_settles(struct tux_engine *e, struct tux_run *run, struct tux_response *r);

#endif
