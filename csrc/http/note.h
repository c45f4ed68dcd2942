/* note.h: what the access log is told of a request, and who waits for it. */
#ifndef TUX_NOTE_H
#define TUX_NOTE_H

#include "http/http.h"
#include "log/logger.h"

/* The answer of this run's connection is over. */
void tux_note(struct tux_engine *e, struct tux_run *run);
/* No request is answered while it could not be logged, if that is the policy. */
static inline bool tux_note_must_wait(const struct tux_engine *e) { return e->http->log && e->http->log->full; }
/* Park the run until then. */
i64 tux_note_wait(struct tux_engine *e, struct tux_run *run);
/* Somebody has knocked: perhaps the log has room again. */
void tux_note_room(struct tux_engine *e);

#endif
