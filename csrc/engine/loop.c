/* loop.c: the engine's thread. One turn: hand everything queued to the kernel and wait · turn its events into woken
 * runs · take what other threads have sent · run every woken run until it parks · look at time limits.
 *
 * Events are reaped first and handled later, so no run runs in the middle of reaping. An event for a run that ended
 * meanwhile has an old generation, and is dropped. */
#include "engine/loop.h"

#include <poll.h>
#include <unistd.h>

#include "engine/accept.h"
#include "wait/burst.h"
#include "base/clock.h"
#include "engine/control.h"
#include "engine/exec.h"
#include "engine/life.h"

/* --- the life of a run ---------------------------------------------------------------------------------------- */

/* The run shall end: now if the kernel and workers do not use its memory, else when its event comes. */
static void end_early(struct tux_engine *e, struct tux_run *run, u8 reason)
{
    run->ending = reason;
    switch (run->wait) {
    case TUX_WAIT_NOT: case TUX_WAIT_DECISION: case TUX_WAIT_FRESH: case TUX_WAIT_COLD:
    case TUX_WAIT_LOG: return;
    case TUX_WAIT_ACCEPT: tux_accept_unpark(e, run); break;
    default:
        if (!e->backend->ops->cancel(e->backend, run)) return;
        run->wait = TUX_WAIT_NOT;
    }
    run->last_atom = run->frame.pc; /* the atom at which it was stopped, not the one before */
    tux_life_end(e, run, reason, -ECANCELED);
}

/* Run until the run parks, ends or has used its slice; then start its wait. */
static void go(struct tux_engine *e, struct tux_run *run)
{
    u16 reason = TUX_REASON_END;
    i64 result = 0;
    bool late = run->deadline_ms && e->stage.now_ms >= run->deadline_ms; /* a run that never parks is not swept */
    if (__builtin_expect(late && !run->ending, 0)) run->ending = TUX_REASON_DEADLINE;
    enum tux_outcome outcome = tux_step(&e->stage, run, &reason, &result);
    if (e->protocol && outcome != TUX_ENDED) e->protocol->paused(e, run);
    e->backend->ops->release(e->backend);
    if (outcome == TUX_ENDED) {
        if (run->ending) reason = run->ending; /* it was cancelled during its last atom */
        tux_life_end(e, run, reason, result);
    } else if (__builtin_expect(run->ending && run->wait != TUX_WAIT_NOT && run->wait != TUX_WAIT_COLD, 0)) {
        end_early(e, run, run->ending);
    } else if (outcome == TUX_SLICE_USED || run->wait == TUX_WAIT_NOT) {
        tux_list_add(e, outcome == TUX_SLICE_USED ? &e->ready : &e->bulk, run);
    } else if (run->wait == TUX_WAIT_COLD) {
        tux_life_to_worker(e, run); /* who may have it by now */
        return;
    } else {
        u64 limit = e->protocol ? e->protocol->parked(e, run) : 0;
        if (run->wait == TUX_WAIT_TIMER) limit = run->progress;
        if (run->deadline_ms && (limit == 0 || run->deadline_ms < limit)) limit = run->deadline_ms;
        tux_deadline_set(&e->deadlines, run->slot, limit);
    }
    if (run->frame.chain) tux_life_stand(e, run, run->wait);
}

/* Events were lost, and perhaps bytes with them, so no waiting run knows how far it is. Connections end; a send from
 * memory ends by its time limit. */
static void end_the_lost(struct tux_engine *e)
{
    for (u32 i = 0; i < e->options.slots; i++) {
        struct tux_run *run = &e->runs[i];
        bool waits = run->wait == TUX_WAIT_INPUT || run->wait == TUX_WAIT_WRITABLE || run->wait == TUX_WAIT_READY;
        if (!run->frame.chain || (!waits && run->wait != TUX_WAIT_SENT)) continue;
        if (!e->protocol || !e->protocol->leads(run)) {
            end_early(e, run, TUX_REASON_CANCELLED);
        } else if (waits) {
            if (run->wait != TUX_WAIT_INPUT) tux_land(run, -EIO);
            tux_wake(e, run);
        }
    }
}

/* --- events --------------------------------------------------------------------------------------------------- */

static const u8 wait_of_event[] = {
    [TUX_EVENT_INPUT] = TUX_WAIT_INPUT, [TUX_EVENT_SENT] = TUX_WAIT_SENT, [TUX_EVENT_WRITABLE] = TUX_WAIT_WRITABLE,
    [TUX_EVENT_READY] = TUX_WAIT_READY,
};

static void handle(struct tux_engine *e, const struct tux_event *event)
{
    if (event->kind == TUX_EVENT_ACCEPTED) {
        tux_accept_landed(e, event->slot, event->result);
        return;
    }
    if (event->kind == TUX_EVENT_KNOCK || event->slot >= e->options.slots) return;
    struct tux_run *run = &e->runs[event->slot];
    if ((run->generation & TUX_GENERATION_MASK) != event->generation || run->wait != wait_of_event[event->kind]) return;
    if (event->kind != TUX_EVENT_INPUT) tux_land(run, event->result);
    tux_wake(e, run);
}

static void landed(struct tux_engine *e, struct tux_run *run, i64 result)
{
    tux_land(run, result);
    tux_wake(e, run);
}

static void back_from_worker(struct tux_engine *e, struct tux_run *run, i64 result)
{
    if (run->worker_got == TUX_WORKER_GOT_TO_END) {
        run->wait = TUX_WAIT_NOT;
        tux_life_end(e, run, run->ending ? run->ending : run->reason, result);
    } else if (run->worker_got == TUX_WORKER_GOT_ONE) {
        landed(e, run, result);
    } else {
        tux_wake(e, run);
    }
}

static void fetched(struct tux_engine *e, struct tux_fetch *fetch)
{
    for (struct tux_run *run; (run = tux_list_take(e, &fetch->waiters)) != NULL;) landed(e, run, fetch->job.result);
    tux_window_done(&e->windows, fetch, e->stage.now_ms);
}

static void take_jobs(struct tux_engine *e)
{
    for (struct tux_job *job = tux_cachemiss_take(e->pool), *next; job; job = next) {
        next = job->next;
        struct tux_fetch *fetch = tux_window_of_job(&e->windows, job);
        if (fetch) fetched(e, fetch);
        else if (job->perform == tux_life_cold) back_from_worker(e, &e->runs[job - e->cold], job->result);
        else e->protocol->worked(e, job, false);
    }
}

static void take_commands(struct tux_engine *e)
{
    for (struct tux_command *command; (command = tux_control_take(e)) != NULL; tux_control_free(e, command)) {
        tux_life_arrivals(e); /* runs submitted before this command, which may be to cancel them */
        switch (command->kind) {
        case TUX_COMMAND_SUBMIT:
            tux_metric_add(&e->metrics.submitted, command->copies);
            for (struct tux_run *run; (run = tux_life_start(e, command)) != NULL;) go(e, run); /* a drain may follow */
            break;
        case TUX_COMMAND_CANCEL:
            for (u32 i = 0; i < e->options.slots; i++)
                if (e->runs[i].frame.chain && e->runs[i].cookie == command->cookie)
                    end_early(e, &e->runs[i], TUX_REASON_CANCELLED);
            break;
        case TUX_COMMAND_DRAIN: tux_accept_drain(e, command->cookie, command->shut, command->deadline_ms); break;
        case TUX_COMMAND_SHED: tux_accept_shed(e, command->cookie, command->copies, command->deadline_ms); break;
        case TUX_COMMAND_SHARE: atomic_store(&e->shared[command->copies], (i64)command->cookie); break;
        case TUX_COMMAND_PROTOCOL: command->perform(e, command); break;
        }
    }
}

/* Take what other threads have sent. The flag is cleared first, so a later sender knocks again. */
static void answer_the_door(struct tux_engine *e)
{
    atomic_store(&e->knocked, false);
    take_jobs(e);
    if (e->protocol) e->protocol->knocked(e);
    tux_life_arrivals(e);
    u8 owed = atomic_exchange(&e->owed, 0); /* after the commands, which may add what is to be forgotten */
    take_commands(e);
    if (e->protocol) e->protocol->owes(e, owed);
    if (owed & TUX_OWES_STOP) e->stop = true;
}

/* Take runs of a batch on which its submitter works, too. They are new, so they run at once. */
static void share_batch(struct tux_engine *e)
{
    struct tux_record *records[TUX_BURST_RUNS];
    i64 bytes_read[TUX_BURST_RUNS], result;
    u32 count = tux_exec_shared(e, records, bytes_read);
    tux_metric_add(&e->metrics.submitted, count);
    for (u32 i = 0; i < count; i++) {
        struct tux_run *run = tux_life_begin(e, records[i]);
        u16 reason;
        bool over = bytes_read[i] >= 0 && !tux_burst_land(&e->stage, run, bytes_read[i], &reason, &result);
        if (over) tux_life_end(e, run, reason, result);
        else go(e, run);
    }
}

/* --- time ------------------------------------------------------------------------------------------------------ */

static void expire(struct tux_engine *e, struct tux_run *run)
{
    u64 now_ms = e->stage.now_ms;
    if (!run->frame.chain || run->wait == TUX_WAIT_NOT) return;
    if (run->deadline_ms && now_ms >= run->deadline_ms) {
        end_early(e, run, TUX_REASON_DEADLINE);
    } else if (run->wait == TUX_WAIT_TIMER) {
        tux_land(run, 0);
        tux_wake(e, run);
    } else if (run->wait == TUX_WAIT_INPUT || run->wait == TUX_WAIT_SENT || run->wait == TUX_WAIT_WRITABLE) {
        if (e->protocol) e->protocol->expired(e, run);
    }
}

static void sweep(struct tux_engine *e)
{
    struct tux_deadlines *d = &e->deadlines;
    if (e->stage.now_ms < d->next_ms || e->stage.now_ms < e->swept_ms + TUX_SWEEP_MS) return;
    e->swept_ms = e->stage.now_ms;
    tux_deadline_sweep_begin(d);
    for (u32 slot = 0; (slot = tux_deadline_sweep(d, slot, e->stage.now_ms)) != TUX_NONE32; slot++)
        expire(e, &e->runs[slot]);
}

static int timeout_of(const struct tux_engine *e)
{
    if (e->ready.first != TUX_NONE32 || e->bulk.first != TUX_NONE32 || e->batch || e->accept_turns) return 0;
    u64 next_ms = e->deadlines.next_ms;
    if (next_ms != UINT64_MAX && next_ms < e->swept_ms + TUX_SWEEP_MS) next_ms = e->swept_ms + TUX_SWEEP_MS;
    if (e->retry_ms != 0 && e->retry_ms < next_ms) next_ms = e->retry_ms;
    if (e->room_ms != 0 && e->room_ms < next_ms) next_ms = e->room_ms;
    u64 now_ms = e->stage.now_ms;
    return next_ms <= now_ms ? 0 : (int)tux_min_u64(next_ms - now_ms, TUX_LISTEN_MS);
}

static void look_at_the_clock(struct tux_engine *e)
{
    e->turn_ns = tux_now_ns();
    e->stage.now_ms = e->turn_ns / 1000000u;
    if (e->protocol) e->protocol->turn_begins(e);
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

/* The kernel has not waited. It may have memory again in a moment; lost events stay lost. */
static int weather(struct tux_engine *e, int failed)
{
    bool passes = failed == -ENOMEM || failed == -EINTR || failed == -EAGAIN || failed == -EBUSY || failed == -ENOBUFS;
    TUX_ASSERT(passes || failed == -EBADR); /* the rest is our mistake */
    if (failed == -EBADR) end_the_lost(e);
    else (void)poll(NULL, 0, 1);
    return 0;
}

static void turn(struct tux_engine *e, int timeout_ms)
{
    int count = e->backend->ops->wait(e->backend, e->events, TUX_EVENTS_MAX, timeout_ms);
    if (__builtin_expect(count < 0, 0)) count = weather(e, count);
    look_at_the_clock(e);
    tux_metric_add(&e->metrics.turns, 1);
    bool knock = false;
    for (int i = 0; i < count; i++) {
        knock |= e->events[i].kind == TUX_EVENT_KNOCK;
        handle(e, &e->events[i]);
    }
    if (e->stage.now_ms >= e->listened_ms + TUX_LISTEN_MS) { /* after a lost knock no thread would knock again */
        e->listened_ms = e->stage.now_ms;
        knock |= atomic_load(&e->knocked);
    }
    if (knock) answer_the_door(e);
    sweep(e);
    if (e->accept_turns) e->accept_turns = tux_accept_turn(e);
    struct tux_run_list woken = e->ready; /* runs that become ready meanwhile run in the next turn */
    e->ready = tux_no_runs();
    for (struct tux_run *run; (run = tux_list_take(e, &woken)) != NULL;) go(e, run);
    /* Large transfers go on by a number of bytes in all, however many there are: beside eight cold downloads, whose
     * windows arrive at the same time, a small request waits no longer than beside one. */
    for (u64 until = e->stage.bulk_bytes + TUX_BULK_BYTES; e->stage.bulk_bytes < until;) {
        struct tux_run *run = tux_list_take(e, &e->bulk);
        if (!run) break;
        go(e, run);
    }
    if (__builtin_expect(knock || e->batch, 0)) share_batch(e);
    if (e->protocol) e->protocol->turn_ends(e);
    tux_accept_update(e);
    if (!e->notify) return;
    e->notify = false;
    u64 one = 1;
    if (write(e->options.notify_fd, &one, sizeof one) < 0) TUX_ASSERT(errno == EAGAIN || errno == EINTR);
}

/* The last events: sends end, and connections that were accepted meanwhile are closed. */
static int last_events(struct tux_engine *e, int timeout_ms)
{
    int count = e->backend->ops->wait(e->backend, e->events, TUX_EVENTS_MAX, timeout_ms);
    for (int i = 0; i < count; i++) {
        const struct tux_event *event = &e->events[i];
        if (event->kind == TUX_EVENT_SENT) e->runs[event->slot].wait = TUX_WAIT_NOT;
        if (event->kind == TUX_EVENT_ACCEPTED && event->result >= 0) close((int)event->result);
    }
    return count;
}

/* End all runs. Memory from which the kernel still sends must stay until its event; the wait for that is bounded. */
static void end_all(struct tux_engine *e)
{
    e->hangs = !tux_cachemiss_stop(e->pool); /* jobs still queued will not be performed, but they come back */
    for (struct tux_job *job = tux_cachemiss_take(e->pool), *next; job; job = next) {
        next = job->next;
        struct tux_fetch *fetch = tux_window_of_job(&e->windows, job);
        if (fetch) tux_window_done(&e->windows, fetch, e->stage.now_ms);
        else if (job->perform == tux_life_cold) tux_life_unclaimed(&e->runs[job - e->cold], job->result);
        else e->protocol->worked(e, job, true);
    }
    tux_accept_stop(e);
    for (u32 i = 0; i < e->options.slots; i++) {
        struct tux_run *run = &e->runs[i];
        if (!run->frame.chain) continue;
        bool free = e->backend->ops->cancel(e->backend, run);
        if (free || run->wait != TUX_WAIT_SENT) run->wait = TUX_WAIT_NOT;
        else if (e->protocol) e->protocol->expired(e, run);
    }
    bool sending = true;
    for (int tries = 0; sending && tries < 100; tries++) {
        (void)last_events(e, 10);
        sending = false;
        for (u32 i = 0; i < e->options.slots; i++)
            sending |= e->runs[i].frame.chain && e->runs[i].wait == TUX_WAIT_SENT;
    }
    for (u32 i = 0; i < e->options.slots; i++) {
        struct tux_run *run = &e->runs[i];
        /* Memory that the kernel still sends from is not freed; nor is a run that hangs at a worker, or its memory. */
        if (!run->frame.chain || run->wait == TUX_WAIT_SENT || e->cold[i].begun) continue;
        tux_life_end(e, run, TUX_REASON_CANCELLED, -ECANCELED);
    }
    /* A ring does what is linked, here the closes behind their cancels, a few at a time (20 since Linux 6.13), and
     * whatever is left when the ring goes would stay open. */
    for (u32 tries = e->options.slots / 4 + 16; tries > 0; tries--) (void)last_events(e, 0);
}

static int open_backend(struct tux_engine *e)
{
    const struct tux_backend_options options = {.slots = e->options.slots, .knock_fd = e->knock_fd};
    const char *wanted = e->options.backend;
    char why[TUX_ERROR_BYTES] = "asked for";
    if (strcmp(wanted, "epoll") != 0) {
        int failed = tux_backend_uring.open(&e->backend, &options, why);
        if (!failed)
            snprintf(e->why, sizeof e->why, "%s",
                     strcmp(wanted, "uring") == 0 ? "asked for" : "this kernel has io_uring and its self-test passed");
        if (!failed || strcmp(wanted, "uring") == 0) {
            if (failed) snprintf(e->why, sizeof e->why, "%s", why);
            return failed;
        }
    }
    snprintf(e->why, sizeof e->why, "%s", why);
    return tux_backend_epoll.open(&e->backend, &options, e->why);
}

void *tux_loop(void *argument)
{
    struct tux_engine *e = argument;
    look_at_the_clock(e);
    int result = open_backend(e); /* here, since a ring belongs to the thread that makes it */
    e->stage.backend = e->backend;
    pthread_mutex_lock(&e->lock);
    e->open_result = result;
    pthread_cond_signal(&e->opened);
    pthread_mutex_unlock(&e->lock);
    if (result) return NULL;
    while (!e->stop) turn(e, timeout_of(e));
    end_all(e);
    tux_accept_close(e);
    e->backend->ops->close(e->backend);
    return NULL;
}
