/* burst.h: the serial stretch "open, read, close" of many runs at once: their requests go to the kernel with
 * two io_uring_enter for all of them, and no descriptor of the process is touched.
 *
 * Nothing here waits: names are looked up with RESOLVE_CACHED and read with RWF_NOWAIT, so a stretch is either done
 * when the call returns or has left no trace, and the run then goes its usual way. */
#ifndef TUX_BURST_H
#define TUX_BURST_H

#include "chain/record.h"

struct tux_burst;

/* Does the chain begin with such a stretch? Not if the descriptor shall outlive the run, in `keep_cell`. */
bool tux_burst_fits(const struct tux_chain *chain, u16 keep_cell);

/* A ring for it. -errno where the kernel has none. */
int tux_burst_open(struct tux_burst **out);
void tux_burst_close(struct tux_burst *burst);

/* Try the stretch of up to TUX_BURST_RUNS runs of one chain that have not begun. bytes_read[i] is the result of its
 * read, or negative if the stretch of that run has not happened. The number of those that have. One thread at
 * a time. */
u32 tux_burst_try(struct tux_burst *burst, struct tux_record *const *records, u32 count, i64 *bytes_read);

/* The results of a stretch that has happened, as the run's own. False when the chain ends there, and *reason says why;
 * *result is its last. */
bool tux_burst_land(struct tux_stage *stage, struct tux_run *run, i64 bytes_read, u16 *reason, i64 *result);

#endif
