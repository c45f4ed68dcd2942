/* floor 5 · life.h: a run's beginning, its time with a worker, its end. */
#ifndef TUX_LIFE_H
#define TUX_LIFE_H

#include "engine.h"

struct tux_command;

_Static_assert(TUX_WAITS == TUX_WAIT_KINDS, "metrics.h counts the reasons for which a run is parked");

/* A run in this record, from where it stands. Whoever asks for it sees to it that it goes on. */
struct tux_run *tux_life_begin(struct tux_engine *e, struct tux_record *record);
/* The next of the runs that were submitted; NULL when they are all there. */
struct tux_run *tux_life_start(struct tux_engine *e, struct tux_command *command);
/* Those that others have begun, or have left to us, see exec.h. */
void tux_life_arrivals(struct tux_engine *e);
/* Its record goes up with the completion, or is freed. */
void tux_life_end(struct tux_engine *e, struct tux_run *run, u16 reason, i64 result);

/* Only a worker may go on. It comes back as a job that performs tux_life_cold. */
void tux_life_to_worker(struct tux_engine *e, struct tux_run *run);
void tux_life_cold(struct tux_job *job, void *engine);
/* A worker has made a descriptor, and its run will not come to take it. */
void tux_life_unclaimed(const struct tux_run *run, i64 result);

/* The run has paused, or ended: it is counted where it stands now. */
static inline void tux_life_stand(struct tux_engine *e, struct tux_run *run, u8 wait)
{
    if (run->stands == wait) return;
    if (run->stands != TUX_WAIT_NOT) tux_metric_add(&e->metrics.parked[run->stands], -1);
    if (wait != TUX_WAIT_NOT) tux_metric_add(&e->metrics.parked[wait], 1);
    run->stands = wait;
}

#endif
