/* floor 5 · engine.h: one thread, one ring, its runs and connections. Shared by engine.c (the loop) and serve.c (HTTP).
 *
 * Everything is taken when the engine opens. Fields are grouped by who may touch them. */
#ifndef TUX_ENGINE_H
#define TUX_ENGINE_H

#include <pthread.h>

#include "backend.h"
#include "call.h"
#include "completion.h"
#include "deadline.h"
#include "decision.h"
#include "head.h"
#include "record.h"
#include "request.h"
#include "step.h"
#include "window.h"

/* A listener, and the runs that are parked at accept for it. It is known by its line, the cookie of its runs: the
 * number of its descriptor may be another's tomorrow. */
struct tux_port {
    u64 line;
    int listener; /* -1: the place is free */
    struct tux_run_list parked;
    u32 parked_count;
    u32 users;       /* runs that accept here, now or later; with the last of them the listener is given back */
    u32 shed;        /* so many of them shall end instead of accepting again */
    u32 going;       /* connections that have been told to end, to make room */
    bool full;       /* ... and of which there were not enough */
    u32 drain_turns; /* turns since draining began; 0 = it has not */
    u64 leave_ms;    /* draining: idle connections stay until then */
    bool shut;       /* draining: the listener is shut down, else left to others */
    bool changed;    /* the back-end must be told the new count */
    int early[TUX_BACKLOG]; /* connections that a multishot accept took while no run was parked */
    u32 early_count;
};

/* Who may be ended when a listener is crowded, see room.h. */
struct tux_leaver {
    u64 order;
    u32 slot, generation;
};

struct tux_room {
    u8 *stands; /* by slot */
    struct tux_leaver oldest[TUX_ROOM_BATCH];
    u32 count, next, hand;
    u8 port;      /* of these, counted from 1 */
    u64 until_ms; /* so long they are the oldest */
};

struct tux_answer {
    u32 slot, generation;
    struct tux_response *response;
};

/* Requests whose judgement is under way: whoever asks for the same joins the first. */
#define TUX_PENDING 256
struct tux_pending {
    u64 hash;
    u32 slot; /* of the run that asked; TUX_NONE32 = none */
    struct tux_run_list joined;
};

/* What kind of file system a device is, as a worker has found. */
struct tux_known_place {
    u64 dev, until_ms;
    u8 kind; /* enum tux_place_kind */
};

/* What the engine shall do without a command: for these there must always be memory. */
enum tux_owed { TUX_OWES_STOP = 1, TUX_OWES_FORGET = 2, TUX_OWES_FORGET_MADE = 4 };

struct tux_command;
struct tux_batch;
struct tux_burst;

struct tux_engine {
    /* fixed after opening */
    struct tux_options options; /* but for the rules: those in force stand below */
    int knock_fd;
    pthread_t thread;
    tux_perform calls[TUX_CALLS_MAX];
    struct tux_run *runs;
    struct tux_request *requests; /* by slot, as are their connections */
    struct tux_conn *conns;
    struct tux_job *cold; /* by slot: the job of a run that is with a worker */
    struct tux_cachemiss *pool;
    struct tux_log_port *log; /* NULL: nothing is logged */
    struct tux_clients *clients; /* NULL: nothing is counted by address */

    /* the engine's thread alone */
    struct tux_stage stage;
    struct tux_backend *backend;
    struct tux_deadlines deadlines;
    struct tux_room room;
    struct tux_decisions decisions;
    struct tux_windows windows;
    struct tux_watches watches;
    struct tux_response *ready_answer[TUX_LIMITS][TUX_READY_FORMS]; /* NULL: none was given; not among the metrics */
    struct tux_run_list ready, unused;
    struct tux_run_list unlogged; /* they are answered when the access log has room for that */
    struct tux_run_list bulk; /* in the middle of something large, or back from a worker: behind those that are ready */
    struct tux_port *ports[TUX_PORTS_MAX];
    struct tux_pending pending[TUX_PENDING];
    u32 port_count;
    struct tux_batch *batch; /* of which the engine takes runs now, see exec.h */
    struct tux_burst *burst; /* opened with the first batch that is worth it */
    bool draining, draining_shut; /* every listener, also those that come later */
    bool accept_turns;   /* some listener has turns of draining before it */
    struct tux_rules rules; /* in force; rules.c changes them, together with what they refer to */
    struct tux_significant significant;
    struct tux_class *tables; /* memory of rules.classes and rules.networks */
    u32 rules_unsettled; /* questions and checks under older ones */
    struct tux_known_place places[TUX_DEVICES_MAX];
    u32 next_place;
    u32 checks_begun;    /* with a worker, or back from it and not yet looked at */
    u64 retry_ms;    /* accept again then (EMFILE and its kin); 0 = no pause */
    u64 room_ms;     /* some port is full: look then who may go; 0 = none is */
    i64 wall_s;
    bool notify; /* the caller has something to take: misses or completions */
    bool stop;
    bool hangs; /* a worker did not come back when all ended: what it works in is never given back */
    u64 swept_ms; /* when time limits were looked at last */
    u64 listened_ms; /* ... and whether somebody has knocked unheard */
    u64 turn_ns;   /* when this turn began */
    u64 sample_ms; /* when the next hit is looked at */
    u32 ended_now; /* responses that began and ended in this turn, and are not counted by their time yet */
    char date[TUX_DATE_BYTES + 1];
    u8 key[TUX_HEAD_BYTES_MAX + TUX_KEY_PREFIX];
    u8 copy[TUX_COPY_BYTES];
    struct tux_event events[TUX_EVENTS_MAX];

    /* from thread to thread */
    struct tux_metrics metrics;
    _Atomic i64 shared[TUX_SHARED_MAX];
    struct tux_completions completions;
    struct tux_ring misses, answers, samples;
    _Atomic u32 rules_settled; /* nothing is older than the rules of this number */
    _Atomic bool knocked; /* somebody has written to knock_fd since the engine last looked */
    _Atomic u64 trace_head, trace_taken;
    struct tux_burst *visit_burst; /* of the submitter who has set visit_bursts */
    _Atomic bool visit_bursts, no_bursts;
    _Atomic u64 bursts; /* runs whose first atoms went to the kernel many at a time */
    _Atomic u64 visits, visit_steps; /* runs that have ended where they were submitted, and their atoms */
    pthread_mutex_t lock; /* guards the commands, the arrivals, the batches, and the start */
    pthread_cond_t opened;
    struct tux_command *commands, **commands_tail;
    struct tux_command *held, **held_tail; /* while `holding`: to be posted together */
    bool holding;
    struct tux_command *reserved, *reserve; /* all of them, and those that are free */
    _Atomic u8 owed;      /* enum tux_owed */
    struct tux_record *arrivals, **arrivals_tail; /* runs for this engine that others have made or begun */
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

static inline struct tux_conn *tux_conn_of(const struct tux_run *run) { return run->request->conn; }

/* The run may go on: it is tried again when its turn comes. */
static inline void tux_wake(struct tux_engine *e, struct tux_run *run)
{
    TUX_ASSERT(run->wait != TUX_WAIT_NOT);
    bool large = run->wait == TUX_WAIT_COLD || run->wait == TUX_WAIT_WRITABLE;
    run->woken = run->wait;
    run->wait = TUX_WAIT_NOT;
    tux_list_add(e, large ? &e->bulk : &e->ready, run);
}

#endif
