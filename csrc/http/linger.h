/* linger.h: the end of a connection, so that the last answer is not lost: close and discard. */
#ifndef TUX_LINGER_H
#define TUX_LINGER_H

#include "http/http.h"

i64 tux_linger_close(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);
i64 tux_linger_discard(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);

#endif
