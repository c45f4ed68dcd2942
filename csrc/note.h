/* floor 5 · note.h: what the access log is told of a request. */
#ifndef TUX_NOTE_H
#define TUX_NOTE_H

#include "engine.h"

/* The answer of this run's connection is over; `failed`: it was not sent to its end. */
void tux_note(struct tux_engine *e, struct tux_run *run, bool failed);

#endif
