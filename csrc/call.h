/* floor 3 · call.h: what each call of the white list does. */
#ifndef TUX_CALL_H
#define TUX_CALL_H

#include "run.h"

/* The plain system calls, by number; entries of the HTTP engine are NULL. */
extern const tux_perform tux_plain_calls[TUX_CALLS_MAX];

#endif
