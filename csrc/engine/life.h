/* life.h: a run's beginning, its time with a worker, its end. */
#ifndef TUX_LIFE_H
#define TUX_LIFE_H

#include "engine/engine.h"

struct tux_command;

_Static_assert(TUX_WAITS == TUX_WAIT_KINDS, "metrics.h counts the reasons for which a run is parked");

/* A run in this record, from its position. The caller lets it go on. */
struct tux_run *tux_life_begin(struct tux_engine *e, struct tux_record *record);
/* The next run of the command; NULL when all have begun. */
struct tux_run *tux_life_start(struct tux_engine *e, struct tux_command *command);
/* Take the runs that other threads have begun or submitted, see exec.h. */
void tux_life_arrivals(struct tux_engine *e);
/* End the run. Its record is handed over with the completion, or freed. */
void tux_life_end(struct tux_engine *e, struct tux_run *run, u16 reason, i64 result);

/* Only a worker may go on. It comes back as a job that performs tux_life_cold. */
void tux_life_to_worker(struct tux_engine *e, struct tux_run *run);
void tux_life_cold(struct tux_job *job, void *engine);
/* A worker has opened a descriptor for a run that will not take it: close it. */
void tux_life_unclaimed(const struct tux_run *run, i64 result);

/* The run has parked or ended: count it under its new wait reason. */
static inline void tux_life_stand(struct tux_engine *e, struct tux_run *run, u8 wait)
{
    if (run->counted_as == wait) return;
    if (run->counted_as != TUX_WAIT_NOT) tux_metric_add(&e->metrics.parked[run->counted_as], -1);
    if (wait != TUX_WAIT_NOT) tux_metric_add(&e->metrics.parked[wait], 1);
    run->counted_as = wait;
}

#endif
