/* engine.h: one thread, one ring, and its runs: what every engine has.
 *
 * It knows no HTTP. An engine that serves a protocol calls it by a table of functions (struct tux_protocol), and what
 * that protocol needs to remember is a struct of its own (http.h); a library engine has neither. Everything is taken
 * when the engine opens. Fields are grouped by who may touch them. */
#ifndef TUX_ENGINE_H
#define TUX_ENGINE_H

#include <pthread.h>

#include "chain/backend.h"
#include "chain/call.h"
#include "chain/completion.h"
#include "base/deadline.h"
#include "chain/record.h"
#include "chain/step.h"
#include "chain/window.h"

/* A listener, and the runs that are parked at accept for it. It is known by its line, the cookie of its runs: the
 * number of its descriptor may be reused for another. */
struct tux_listener {
    u64 line;
    int fd; /* -1: the place is free */
    struct tux_run_list parked;
    u32 parked_count;
    u32 users;       /* runs that accept here, now or later; when the last one ends, the listener is given up */
    u32 shed;        /* how many of them shall end instead of accepting again */
    u32 going;       /* connections that were told to end, to make room */
    bool full;       /* ... but too few could be ended */
    u32 drain_turns; /* turns since draining began; 0 = it has not */
    u64 leave_ms;    /* draining: idle connections stay until then */
    bool shut;       /* draining: the listener is shut down; else other processes go on accepting */
    bool changed;    /* the back-end must be told the new count */
    int early[TUX_BACKLOG]; /* connections that a multishot accept took while no run was parked */
    u32 early_count;
};

/* Requests to the engine that need no command, so that they never lack memory. */
enum tux_owed { TUX_OWES_STOP = 1, TUX_OWES_FORGET = 2, TUX_OWES_FORGET_MADE = 4 }; /* but for STOP: a protocol's */

struct tux_command;
struct tux_batch;
struct tux_burst;
struct tux_http;

/* The functions of a protocol that the engine calls, on its own thread. */
struct tux_protocol {
    /* A run begins; it ends, and what it leads for a client ends with it. */
    void (*began)(struct tux_engine *, struct tux_run *);
    void (*ended)(struct tux_engine *, struct tux_run *);
    /* The run pauses, so what it has received is released. */
    void (*paused)(struct tux_engine *, struct tux_run *);
    /* It is parked: when it will have waited too long, in the engine's milliseconds; 0 = it may wait for ever. */
    u64 (*parked)(struct tux_engine *, struct tux_run *);
    /* ... and now it has. */
    void (*expired)(struct tux_engine *, struct tux_run *);
    /* Does the run lead a connection? Its events were lost: then its atom fails, else it is cancelled. */
    bool (*leads)(const struct tux_run *);
    /* A connection is there for a run that accepts by this atom: its descriptor, or -ECONNABORTED: it was closed. */
    i64 (*connected)(struct tux_engine *, struct tux_run *, const struct tux_atom *, int fd);
    /* The run is about to be given a connection of this listener. */
    void (*meets)(struct tux_engine *, struct tux_run *, u32 listener);
    /* Few runs may be parked at the listener: end what may end to make room. */
    void (*make_room)(struct tux_engine *, u32 listener);
    /* The listener is being drained, and the run has until then; it has runs to shed that are not parked. */
    void (*leaves)(struct tux_engine *, struct tux_run *, u64 leave_ms);
    void (*sheds)(struct tux_engine *, u32 listener, u32 idle_ms);
    /* Another thread has knocked: take what it has sent, before its commands are done; and then what is owed to it. */
    void (*knocked)(struct tux_engine *);
    void (*owes)(struct tux_engine *, u8 owed);
    /* A job of the protocol's own has come back from a worker; `over`: the engine ends. */
    void (*worked)(struct tux_engine *, struct tux_job *, bool over);
    /* The file system where a worker will find the run's files, 0 if that is not known; and what it performs there. */
    u64 (*place_of)(const struct tux_run *);
    tux_perform on_worker;
    /* A turn begins, its time is known; it ends. */
    void (*turn_begins)(struct tux_engine *);
    void (*turn_ends)(struct tux_engine *);
    /* Everything is given back. */
    void (*close)(struct tux_engine *);
};

struct tux_engine {
    /* fixed after opening */
    struct tux_options options; /* without those of HTTP, which belong to the caller */
    int knock_fd;
    pthread_t thread;
    tux_perform calls[TUX_CALLS_MAX];
    struct tux_run *runs;
    struct tux_job *cold; /* by slot: the job of a run that is with a worker */
    struct tux_cachemiss *pool;
    const struct tux_protocol *protocol; /* NULL: it runs chains of plain calls, and no more */
    struct tux_http *http;               /* NULL with it */

    /* the engine's thread alone */
    struct tux_stage stage;
    struct tux_backend *backend;
    struct tux_deadlines deadlines;
    struct tux_windows windows;
    struct tux_run_list ready, unused;
    struct tux_run_list bulk; /* large transfers, and runs back from a worker: served after `ready` */
    struct tux_listener *listeners[TUX_LISTENERS_MAX];
    u32 listener_count;
    struct tux_batch *batch; /* the batch from which the engine takes runs now, see exec.h */
    struct tux_burst *burst; /* opened for the first batch that is large enough */
    bool draining, draining_shut; /* every listener, also those that come later */
    bool accept_turns;   /* draining of a listener still takes turns */
    u64 retry_ms;    /* accept again then (EMFILE and its kin); 0 = no pause */
    u64 room_ms;     /* time to look again for connections that may be ended, since a listener is full; 0 = none is */
    bool notify; /* the caller has something to take: misses or completions */
    bool stop;
    bool hangs; /* a worker hung when the engine ended: its memory is never freed */
    u64 swept_ms; /* time of the last sweep for expired limits */
    u64 listened_ms; /* ... and of the last look for a lost knock */
    u64 turn_ns;   /* when this turn began */
    struct tux_event events[TUX_EVENTS_MAX];

    /* from thread to thread */
    struct tux_metrics metrics;
    _Atomic i64 shared[TUX_SHARED_MAX];
    struct tux_completions completions;
    _Atomic bool knocked; /* another thread has written to knock_fd since the engine last looked */
    _Atomic u64 trace_head, trace_taken;
    struct tux_burst *visit_burst; /* belongs to the submitter that has set visit_bursts */
    _Atomic bool visit_bursts, no_bursts;
    _Atomic u64 bursts; /* runs whose first atoms were submitted in a burst */
    _Atomic u64 visits, visit_steps; /* runs that have ended where they were submitted, and their atoms */
    pthread_mutex_t lock; /* guards the commands, the arrivals, the batches, and the start */
    pthread_cond_t opened;
    struct tux_command *commands, **commands_tail;
    struct tux_command *held, **held_tail; /* while `holding`: to be posted together */
    bool holding;
    struct tux_command *reserved, *reserve; /* all of them, and those that are free */
    _Atomic u8 owed;      /* enum tux_owed */
    struct tux_record *arrivals, **arrivals_tail; /* runs that other threads have submitted or begun */
    struct tux_batch *batches, **batches_tail;
    int open_result; /* 1 while opening */
    char why[TUX_ERROR_BYTES];
};

static inline void tux_list_add(struct tux_engine *e, struct tux_run_list *list, struct tux_run *run)
{
    run->next = TUX_NONE32;
    if (list->first == TUX_NONE32) list->first = run->slot;
    else e->runs[list->last].next = run->slot;
    list->last = run->slot;
}

static inline void tux_list_push(struct tux_engine *e, struct tux_run_list *list, struct tux_run *run)
{
    run->next = list->first;
    list->first = run->slot;
    if (run->next == TUX_NONE32) list->last = run->slot;
    (void)e;
}

static inline struct tux_run *tux_list_take(struct tux_engine *e, struct tux_run_list *list)
{
    if (list->first == TUX_NONE32) return NULL;
    struct tux_run *run = &e->runs[list->first];
    list->first = run->next;
    if (list->first == TUX_NONE32) list->last = TUX_NONE32;
    return run;
}

static inline struct tux_engine *tux_engine_of(struct tux_stage *stage)
{
    return (struct tux_engine *)(void *)((char *)stage - offsetof(struct tux_engine, stage));
}

/* The run may go on: it is tried again when its turn comes. */
static inline void tux_wake(struct tux_engine *e, struct tux_run *run)
{
    TUX_ASSERT(run->wait != TUX_WAIT_NOT);
    bool large = run->wait == TUX_WAIT_COLD || run->wait == TUX_WAIT_WRITABLE;
    run->woken_for = run->wait;
    run->wait = TUX_WAIT_NOT;
    tux_list_add(e, large ? &e->bulk : &e->ready, run);
}

#endif
