/* life.c: how runs begin and end, and what a worker does for one. */
#include "engine/life.h"

#include <unistd.h>

#include "engine/accept.h"
#include "engine/control.h"
#include "engine/exec.h"
#include "base/quiet.h"
#include "chain/worker.h"

struct tux_run *tux_life_begin(struct tux_engine *e, struct tux_record *record)
{
    struct tux_run *run = tux_list_take(e, &e->unused);
    TUX_ASSERT(run != NULL); /* a completion was promised, and there are as many runs as promises */
    u32 slot = run->slot, generation = run->generation + 1;
    memset(run, 0, offsetof(struct tux_run, inner_cells));
    run->slot = slot;
    run->generation = generation;
    tux_record_enter(record, run);
    if (e->protocol) e->protocol->began(e, run);
    tux_metric_add(&e->metrics.runs, 1);
    return run;
}

struct tux_run *tux_life_start(struct tux_engine *e, struct tux_command *command)
{
    struct tux_record *record = command->records;
    if (!record) return NULL;
    command->records = record->next;
    record->next = NULL;
    return tux_life_begin(e, record);
}

void tux_life_arrivals(struct tux_engine *e)
{
    for (struct tux_record *record; (record = tux_exec_arrived(e)) != NULL;) {
        tux_metric_add(&e->metrics.submitted, 1);
        struct tux_run *run = tux_life_begin(e, record);
        if (record->wait == TUX_WAIT_COLD) tux_life_to_worker(e, run);
        else tux_list_add(e, &e->ready, run);
    }
}

/* Descriptors are closed by the back-end, so that nothing armed for them keeps a connection open. */
static void close_frame(struct tux_engine *e, struct tux_run *run, struct tux_frame *frame)
{
    for (unsigned i = 0; i < frame->chain->cells; i++) {
        if (frame->chain->cell[i].kind != TUX_FD || frame->cells[i] < 0) continue;
        if (i == run->record->keep_cell) continue;
        if (frame->chain->sockets >> i & 1) tux_do_not_linger((int)frame->cells[i]);
        e->backend->ops->hang_up(e->backend, run, (int)frame->cells[i]);
        frame->cells[i] = -1;
    }
}

void tux_life_end(struct tux_engine *e, struct tux_run *run, u16 reason, i64 result)
{
    struct tux_frame *own = run->outer.chain ? &run->outer : &run->frame;
    if (e->protocol) e->protocol->ended(e, run);
    tux_life_stand(e, run, TUX_WAIT_NOT);
    u16 last = run->outer.chain ? run->outer.pc : run->last_atom; /* of the run's own chain, not of a response within */
    bool success = result >= 0 && (reason == TUX_REASON_END || reason == TUX_REASON_STOP);
    bool silent = success && (own->chain->atom[last].flags & SYSLET_NO_COMPLETE) && !run->record->told;
    struct tux_completion completion = {.cookie = run->cookie, .result = result, .steps = run->steps, .last_atom = last,
                                        .reason = reason, .stop_flags = run->stop_flags};
    close_frame(e, run, own);
    e->backend->ops->detach(e->backend, run, -1);
    if (run->record->kept && !silent) completion.record = run->record;
    else tux_record_free(run->record);
    run->record = NULL;
    tux_accept_leave(e, run);
    run->frame.chain = run->outer.chain = NULL;
    run->generation++;
    tux_deadline_set(&e->deadlines, run->slot, 0);
    tux_metric_add(&e->metrics.runs, -1);
    tux_metric_add(&e->metrics.completions, 1);
    tux_metric_add(&e->metrics.steps, (i64)completion.steps);
    tux_list_push(e, &e->unused, run);
    if (silent) {
        tux_completions_release(&e->completions, 1);
        return;
    }
    tux_ring_put(&e->completions.ring, &completion);
    e->notify = true;
}

void tux_life_cold(struct tux_job *job, void *context)
{
    struct tux_engine *e = context;
    struct tux_run *run = &e->runs[job - e->cold];
    struct tux_stage stage = {.place = TUX_ON_WORKER, .perform = tux_worker_calls, .shared = e->shared};
    if (tux_worker_may_go_on(run)) {
        bool ended = tux_step(&stage, run, &run->reason, &job->result) == TUX_ENDED;
        run->worker_got = ended ? TUX_WORKER_GOT_TO_END : TUX_WORKER_GOT_ON;
    } else {
        const struct tux_atom *atom = &run->frame.chain->atom[run->frame.pc];
        tux_perform perform = e->protocol ? e->protocol->on_worker : tux_plain_calls[atom->call];
        job->result = perform(&stage, run, atom);
    }
}

void tux_life_to_worker(struct tux_engine *e, struct tux_run *run)
{
    tux_metric_add(&e->metrics.cold, 1);
    run->wait = TUX_WAIT_COLD;
    run->worker_got = TUX_WORKER_GOT_ONE;
    tux_life_stand(e, run, run->wait);
    if (run->fetch) { /* others may wait for the same window */
        tux_list_add(e, &e->windows.fetch[run->fetch - 1].waiters, run);
        return;
    }
    e->cold[run->slot].place = e->protocol ? e->protocol->place_of(run) : 0;
    e->cold[run->slot].perform = tux_life_cold;
    e->cold[run->slot].result = -ECANCELED; /* if it is never performed */
    tux_cachemiss_post(e->pool, &e->cold[run->slot]);
}

void tux_life_unclaimed(const struct tux_run *run, i64 result)
{
    if (run->worker_got != TUX_WORKER_GOT_ONE || result < 0) return;
    if (run->frame.chain->atom[run->frame.pc].call == TUX_CALL_openat2) close((int)result);
}
