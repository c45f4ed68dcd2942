/* epoch.h: which rules does the engine still refer to? An epoch is the time in which the rules of one number
 * are in force. Questions and checks that began in an earlier epoch are counted until they end; once none is left, the
 * engine says so, and the roots of the earlier rules can be closed. */
#ifndef TUX_EPOCH_H
#define TUX_EPOCH_H

#include "http/http.h"

/* e->http->rules are new. `asked`: questions that the judge has not answered yet. */
void tux_epoch_begins(struct tux_engine *e, u32 asked);
/* A question was answered. */
void tux_epoch_answered(struct tux_engine *e, const struct tux_request *request);
/* A worker begins to check the witnesses of a response, and has done so. */
void tux_epoch_check_begins(struct tux_engine *e, struct tux_response *r);
void tux_epoch_check_ends(struct tux_engine *e, const struct tux_response *r);

#endif
