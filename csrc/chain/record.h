/* record.h: the memory of one run in one block: its cells, its buffers, the data it was given, its trace.
 *
 * The submitter allocates it, so that nothing can fail later. It holds a run that has no slot yet (begun elsewhere, see
 * exec.c), belongs to the engine while the run lives, and is handed over with the completion if the submitter asked. */
#ifndef TUX_RECORD_H
#define TUX_RECORD_H

#include "chain/run.h"

struct tux_record {
    struct tux_record *next; /* link of the one list it is in */
    struct tux_pool *pool;   /* gets its memory back; NULL: it is freed */
    const struct tux_chain *chain;
    const u8 *data; /* the chain's, or `own` */
    u8 *own;
    u8 *buffers;
    struct tux_traced *trace; /* NULL: not asked for */
    u64 cookie, deadline_ms;
    u64 steps, progress; /* of a run that began elsewhere */
    u64 traced_ns;       /* when the current atom began */
    u32 traced;
    u16 pc, last_atom;
    u16 keep_cell; /* the FD cell whose descriptor survives the run; TUX_NONE16 = none */
    u8 wait;       /* enum tux_wait: COLD when only a worker may go on */
    bool kept;     /* goes up with the completion */
    bool told;     /* there is a completion even if the last atom has NO_COMPLETE */
    i64 cells[];   /* then the buffers, the data, the trace */
};

/* A run of the chain that has not begun. NULL when there is no memory. */
struct tux_record *tux_record_open(struct tux_chain *chain, bool traced);
/* Make it as new, for another run of the same chain. */
void tux_record_again(struct tux_record *record);
/* Copy other bytes into a DATA cell, and zeros behind them. The caller has checked that they fit. */
void tux_record_fill(struct tux_record *record, u16 cell, const u8 *bytes, size_t length);
/* Also closes the descriptor that was kept and not taken. NULL does nothing. */
void tux_record_free(struct tux_record *record);

/* Let the run work in this record, from the atom that is next. */
void tux_record_enter(struct tux_record *record, struct tux_run *run);
/* Save the run's position in the record, to be entered elsewhere. */
void tux_record_leave(struct tux_record *record, const struct tux_run *run);

/* One atom has its result: add it to the trace. */
void tux_record_note(struct tux_record *record, const struct tux_stage *stage, struct tux_run *run, i64 result);

#endif
