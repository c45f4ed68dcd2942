/* loop.h: the engine's thread. */
#ifndef TUX_LOOP_H
#define TUX_LOOP_H

/* Opens the back-end, reports that, and turns until the command STOP. The argument is the engine. */
void *tux_loop(void *engine);

#endif
