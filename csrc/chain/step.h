/* step.h: the interpreter. */
#ifndef TUX_STEP_H
#define TUX_STEP_H

#include "chain/run.h"

enum tux_outcome { TUX_PARKED, TUX_SLICE_USED, TUX_ENDED };

/* Run atoms until the run parks, ends, or has used its slice. On TUX_ENDED *reason says why (enum tux_reason) and
 * *result is the last atom's. */
enum tux_outcome tux_step(struct tux_stage *stage, struct tux_run *run, u16 *reason, i64 *result);

/* Give the current atom a result that was obtained elsewhere. False when the chain ends with it; *reason says why. */
bool tux_step_give(struct tux_stage *stage, struct tux_run *run, i64 result, u16 *reason);

/* Start `chain` in `frame` with fresh cells (memory given by the caller: chain->cells of them, buffer_bytes of
 * buffers). */
void tux_frame_start(struct tux_frame *frame, const struct tux_chain *chain, i64 *cells, const u8 *data, u8 *buffers);

/* Give a PARAM cell its value; -EINVAL when the cell takes none. */
int tux_frame_param(struct tux_frame *frame, u16 cell, i64 value);

/* FD cell `cell` is about to take another descriptor: close the one that it owns. On an engine the back-end does that,
 * since it may have armed it. */
void tux_give_up(struct tux_stage *stage, struct tux_run *run, u16 cell);

/* Close what the frame's FD cells still own. */
void tux_frame_close(struct tux_frame *frame);

#endif
