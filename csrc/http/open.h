/* open.h: an engine's beginning and end. */
#ifndef TUX_OPEN_H
#define TUX_OPEN_H

#include "engine/engine.h"

/* Takes all memory, starts the thread and the workers. -errno and one sentence in `why` if that fails. */
int tux_open(const struct tux_options *options, struct tux_engine **out, char why[TUX_ERROR_BYTES]);
void tux_close(struct tux_engine *e);

#endif
