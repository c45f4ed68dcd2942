/* run.h: one execution of a chain, and the stage it runs on.
 *
 * A run is in one place at a time: executing on its engine's thread, parked (wait != TUX_WAIT_NOT), queued as ready, or
 * with a worker. To wake it, put the result that arrived into `landed` and try the same atom again. So every atom can
 * be started again. */
#ifndef TUX_RUN_H
#define TUX_RUN_H

#include "chain/chain.h"

/* Why a parked run is parked. An event that names another reason than the run's own is stale and dropped. */
enum tux_wait {
    TUX_WAIT_NOT,
    TUX_WAIT_ACCEPT,   /* for a connection at its listener */
    TUX_WAIT_INPUT,    /* for bytes of its stream */
    TUX_WAIT_SENT,     /* for the result of a send that the ring performs */
    TUX_WAIT_WRITABLE, /* for room in the socket */
    TUX_WAIT_READY,    /* for a descriptor outside a stream */
    TUX_WAIT_DECISION, /* for the judge */
    TUX_WAIT_FRESH,    /* for the check of an old decision */
    TUX_WAIT_COLD,     /* for a worker */
    TUX_WAIT_TIMER,    /* for its deadline */
    TUX_WAIT_LOG,      /* for room in the access log */
    TUX_WAITS
};

/* How far the worker got: one atom, several atoms, or the end of the run. */
enum tux_worker_got { TUX_WORKER_GOT_ONE, TUX_WORKER_GOT_ON, TUX_WORKER_GOT_TO_END };

/* The position of a run: a chain with cells, data and buffers of its own, and the atom that is next. */
struct tux_frame {
    const struct tux_chain *chain;
    i64 *cells;
    const u8 *data;
    u8 *buffers;
    u16 pc;
};

struct tux_record;
struct tux_request;

struct tux_run {
    struct tux_frame frame; /* runs now */
    struct tux_frame outer; /* waits while a nested chain runs; outer.chain is NULL when none does */
    u32 slot, generation;
    u8 wait;   /* enum tux_wait: why it is parked */
    u8 woken_for;  /* the reason for which it was parked when the event came */
    u8 stream; /* while it waits for one of its streams: which, see backend.h */
    u8 counted_as; /* the wait reason under which the metrics count it */
    _Atomic u8 ending; /* enum tux_reason that must end the run after this atom; 0 = none. A worker looks, too */
    bool landed_is_set;
    bool copies; /* sendfile sends copies of the file's bytes */
    u8 worker_got; /* enum tux_worker_got */
    u8 listener; /* where it accepts, counted from 1; 0 = nowhere yet */
    u8 fetch; /* the fetch that it waits for, counted from 1; 0 = none: a job of its own */
    u16 last_atom, stop_flags;
    u16 reason;    /* why it ended, when that was at a worker */
    u32 next;      /* link of the one list the run is in */
    i64 landed;    /* the result that the event brought, for the atom that is tried again */
    u64 progress;  /* how far this atom is: bytes moved already, or the time to wake at */
    u64 steps, cookie;
    u64 deadline_ms; /* of the whole run; 0 = none */
    struct tux_record *record; /* the memory it works in */
    struct tux_request *request; /* the one that it answers */
    i64 inner_cells[TUX_INNER_CELLS_MAX];
};

/* A first-in first-out list of runs, by their slots, linked through their `next`. A run is in one list at most. */
struct tux_run_list {
    u32 first, last;
};

static inline struct tux_run_list tux_no_runs(void) { return (struct tux_run_list){TUX_NONE32, TUX_NONE32}; }

/* Everything that step.c needs to know of the thread and the engine that perform a run. */
struct tux_stage;
typedef i64 (*tux_perform)(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);

/* The same atom, three places: the engine's thread may not block, a worker and an inline caller may. */
enum tux_place { TUX_ON_ENGINE, TUX_ON_WORKER, TUX_INLINE };

struct tux_stage {
    enum tux_place place;
    const tux_perform *perform;                 /* by call number; NULL entries do not exist here */
    i64 (*leave)(struct tux_stage *, struct tux_run *, i64 result, bool stopped); /* a nested chain ended */
    struct tux_backend *backend;                /* TUX_ON_ENGINE only */
    struct tux_windows *windows;                /* TUX_ON_ENGINE only */
    _Atomic i64 *shared;                        /* the SHARED cells */
    struct tux_trace_entry *trace;              /* NULL: tracing is off */
    _Atomic u64 *trace_head;
    u64 now_ms;
    u64 bulk_bytes; /* sent from files so far */
    u8 *copy;       /* TUX_COPY_BYTES, TUX_ON_ENGINE only: copies of a file that may change, to be sent */
    bool (*still_good)(struct tux_stage *, struct tux_run *, bool last); /* ... if the copy is still good */
    bool visiting; /* the run is on its submitter's thread, and moves to the engine when it parks */
};

static inline i64 tux_arg(const struct tux_run *run, const struct tux_atom *atom, unsigned i)
{
    return run->frame.cells[atom->args[i]];
}

/* The memory of an r or w argument, if the n argument behind it fits its size; NULL otherwise. */
static inline u8 *tux_memory(const struct tux_run *run, const struct tux_atom *atom, unsigned i, u64 length)
{
    const struct tux_cell *cell = &run->frame.chain->cell[atom->args[i]];
    if (length > cell->size) return NULL;
    const u8 *base = cell->kind == TUX_DATA ? run->frame.data : run->frame.buffers;
    return (u8 *)(uintptr_t)(base + cell->value);
}

/* An argument that the checker could not know in advance is out of bounds: the run ends with reason ERROR. */
static inline i64 tux_fault(struct tux_run *run)
{
    u8 none = 0;
    (void)atomic_compare_exchange_strong(&run->ending, &none, TUX_REASON_ERROR); /* a cancellation stands */
    return -EFAULT;
}

static inline void tux_land(struct tux_run *run, i64 result)
{
    run->landed = result;
    run->landed_is_set = true;
}

static inline bool tux_take_landed(struct tux_run *run, i64 *result)
{
    if (!run->landed_is_set) return false;
    run->landed_is_set = false;
    *result = run->landed;
    return true;
}

#endif
