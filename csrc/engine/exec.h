/* exec.h: opportunistic execution: a run begins on the submitting thread, and moves to the engine when it
 * would block.
 *
 * As in 2007, a run that does not miss never leaves its thread. Atoms can be tried again, so a run that parks moves
 * with its record, which holds its position. */
#ifndef TUX_EXEC_H
#define TUX_EXEC_H

#include "engine/engine.h"

/* Any thread. See api.h. */
int tux_exec(struct tux_engine *e, const struct tux_submission *submission, struct tux_completion *out);

/* The engine's thread: the next run that has moved here, NULL when there is none. */
struct tux_record *tux_exec_arrived(struct tux_engine *e);
/* ... and the next ones of a batch that its submitter works on too, at most TUX_BURST_RUNS. bytes_read[i] is not
 * negative where the run's first atoms have happened already, see burst.h. */
u32 tux_exec_shared(struct tux_engine *e, struct tux_record **records, i64 *bytes_read);
/* Frees the runs that have not begun. */
void tux_exec_close(struct tux_engine *e);

#endif
