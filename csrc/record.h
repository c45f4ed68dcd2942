/* floor 3 · record.h: what a run works in, in one block: its cells, its buffers, the data it was given, its trace.
 *
 * Whoever submits makes it, so nothing is left to fail later. It holds a run that has no slot yet (begun elsewhere, see
 * exec.c), belongs to the engine while the run lives, and goes up with the completion when it was asked for. */
#ifndef TUX_RECORD_H
#define TUX_RECORD_H

#include "run.h"

struct tux_record {
    struct tux_record *next; /* link of the one list it is in */
    struct tux_pool *pool;   /* where its memory goes back to; NULL: freed */
    const struct tux_chain *chain;
    const u8 *data; /* the chain's, or `own` */
    u8 *own;
    u8 *buffers;
    struct tux_traced *trace; /* NULL: not asked for */
    u64 cookie, deadline_ms;
    u64 steps, progress; /* of a run that was begun elsewhere */
    u64 traced_ns;       /* when the atom at hand was begun */
    u32 traced;
    u16 pc, last_atom;
    u16 keep_cell; /* the FD cell whose descriptor survives the run; TUX_NONE16 = none */
    u8 wait;       /* enum tux_wait: COLD when only a worker may go on */
    bool kept;     /* goes up with the completion */
    bool told;     /* there is a completion, whatever the last atom says */
    i64 cells[];   /* then the buffers, the data, the trace */
};

/* A run of the chain that has not begun. NULL when there is no memory. */
struct tux_record *tux_record_open(struct tux_chain *chain, bool traced);
/* Make it as new, for another run of the same chain. */
void tux_record_again(struct tux_record *record);
/* Other bytes for a DATA cell, copied; what is shorter is followed by zeros. They fit. */
void tux_record_fill(struct tux_record *record, u16 cell, const u8 *bytes, size_t length);
/* Closes the descriptor that was kept and not taken. NULL is nothing. */
void tux_record_free(struct tux_record *record);

/* A run that works in this record, from where it stands. */
void tux_record_enter(struct tux_record *record, struct tux_run *run);
/* ... and leaves it, to be entered elsewhere. */
void tux_record_leave(struct tux_record *record, const struct tux_run *run);

/* One atom has been done; called where its result is known. */
void tux_record_note(struct tux_record *record, const struct tux_stage *stage, struct tux_run *run, i64 result);

#endif
