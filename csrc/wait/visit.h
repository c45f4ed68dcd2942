/* visit.h: the back-end of a run that is not on an engine yet. It waits for nothing: a call that would wait
 * parks the run at once, which is the sign to move it to an engine. */
#ifndef TUX_VISIT_H
#define TUX_VISIT_H

#include "chain/backend.h"

extern const struct tux_backend_ops tux_backend_visit;

#endif
