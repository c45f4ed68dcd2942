/* step.c: the interpreter of chains.
 *
 * One atom: perform its call, store the result, test the stop conditions, go on. A status word instead of a result
 * means the atom has not happened yet; the run keeps its position and the atom is tried again later, here or on a
 * worker. tuxpy/atoms/reference.py is the specification of this file. */
#include "chain/step.h"

#include <unistd.h>

#include "chain/backend.h"
#include "base/clock.h"
#include "base/quiet.h"
#include "chain/record.h"

void tux_frame_start(struct tux_frame *frame, const struct tux_chain *chain, i64 *cells, const u8 *data, u8 *buffers)
{
    for (unsigned i = 0; i < chain->cells; i++) cells[i] = chain->cell[i].value;
    *frame = (struct tux_frame){.chain = chain, .cells = cells, .data = data, .buffers = buffers, .pc = 0};
}

int tux_frame_param(struct tux_frame *frame, u16 cell, i64 value)
{
    if (cell >= frame->chain->cells || !(frame->chain->cell[cell].mode & TUX_CELL_PARAM)) return -EINVAL;
    frame->cells[cell] = value;
    return 0;
}

void tux_frame_close(struct tux_frame *frame)
{
    for (unsigned i = 0; i < frame->chain->cells; i++)
        if (frame->chain->cell[i].kind == TUX_FD && frame->cells[i] >= 0) {
            close((int)frame->cells[i]);
            frame->cells[i] = -1;
        }
}

static void trace(struct tux_stage *stage, const struct tux_run *run, i64 result)
{
    u64 at = atomic_load_explicit(stage->trace_head, memory_order_relaxed);
    stage->trace[at % TUX_TRACE_MAX] = (struct tux_trace_entry){.ns = tux_now_ns(),
                                                                .slot = run->slot,
                                                                .atom = run->frame.pc,
                                                                .depth = run->outer.chain ? 1 : 0,
                                                                .result = result};
    atomic_store_explicit(stage->trace_head, at + 1, memory_order_release);
}

void tux_give_up(struct tux_stage *stage, struct tux_run *run, u16 cell)
{
    int fd = (int)run->frame.cells[cell];
    if (run->frame.chain->sockets >> cell & 1) tux_do_not_linger(fd);
    if (stage->place == TUX_ON_ENGINE && stage->backend) {
        stage->backend->ops->hang_up(stage->backend, run, fd);
    } else {
        close(fd);
    }
}

/* Store the result and say where the frame goes: an atom, or TUX_NONE16 with *reason set when the chain has ended. */
static u16 advance(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, i64 result, u16 *reason)
{
    struct tux_frame *frame = &run->frame;
    if (__builtin_expect(stage->trace != NULL, 0)) trace(stage, run, result);
    if (__builtin_expect(run->record && run->record->trace, 0) && !run->outer.chain)
        tux_record_note(run->record, stage, run, result);
    run->steps++;
    run->progress = 0;
    run->landed_is_set = false; /* a result that arrived for this atom is not the next atom's */
    run->last_atom = frame->pc;
    if (atom->ret != TUX_NONE16) {
        if (frame->chain->cell[atom->ret].kind == TUX_FD) {
            if (frame->cells[atom->ret] >= 0) tux_give_up(stage, run, atom->ret);
            frame->cells[atom->ret] = result >= 0 ? result : -1;
        } else {
            frame->cells[atom->ret] = result;
        }
    }
    u16 stop = tux_stop_conditions(atom->flags, result);
    if (__builtin_expect(stop == 0, 1)) {
        *reason = TUX_REASON_END;
        return atom->next;
    }
    if (atom->flags & SYSLET_SKIP_TO_NEXT_ON_STOP) return (u16)(frame->pc + 1);
    run->stop_flags = stop;
    *reason = TUX_REASON_STOP;
    return TUX_NONE16;
}

bool tux_step_give(struct tux_stage *stage, struct tux_run *run, i64 result, u16 *reason)
{
    u16 next = advance(stage, run, &run->frame.chain->atom[run->frame.pc], result, reason);
    if (next == TUX_NONE16) return false;
    run->frame.pc = next;
    return true;
}

enum tux_outcome tux_step(struct tux_stage *stage, struct tux_run *run, u16 *reason, i64 *result)
{
    for (unsigned slice = TUX_SLICE_STEPS; slice > 0; slice--) {
        const struct tux_atom *atom = &run->frame.chain->atom[run->frame.pc];
        i64 got = stage->perform[atom->call](stage, run, atom);
        if (__builtin_expect(got <= TUX_ENTER, 0) &&
            atom->call != TUX_CALL_umem_add && atom->call != TUX_CALL_umem_sub) { /* theirs may be any number */
            if (got == TUX_ENTER) continue;
            return TUX_PARKED;
        }
        u16 next = advance(stage, run, atom, got, reason);
        if (__builtin_expect(run->ending == TUX_REASON_ERROR,
                             0)) { /* no condition is asked; a response takes only itself */
            next = TUX_NONE16;
            run->stop_flags = 0;
            *reason = run->outer.chain ? TUX_REASON_STOP : TUX_REASON_ERROR;
            run->ending = run->outer.chain ? 0 : run->ending;
        }
        while (next == TUX_NONE16 &&
               run->outer.chain) { /* the nested chain is over: its atom in the outer one is done */
            got = stage->leave(stage, run, got, *reason == TUX_REASON_STOP);
            run->frame = run->outer;
            run->outer.chain = NULL;
            run->stop_flags = 0; /* they were the nested chain's */
            next = advance(stage, run, &run->frame.chain->atom[run->frame.pc], got, reason);
        }
        *result = got;
        if (next == TUX_NONE16) return TUX_ENDED;
        run->frame.pc = next;
        u32 budget = run->frame.chain->budget;
        if (__builtin_expect(budget != 0 && run->steps >= budget && !run->outer.chain, 0)) {
            *reason = TUX_REASON_BUDGET;
            return TUX_ENDED;
        }
        if (__builtin_expect(run->ending, 0)) {
            *reason = run->ending;
            return TUX_ENDED;
        }
    }
    return TUX_SLICE_USED;
}
