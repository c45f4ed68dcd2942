/* http.h: the state of an engine that serves HTTP, beside its runs: connections, requests, cached decisions,
 * the rules in force, and the rings to and from the judge. */
#ifndef TUX_HTTP_H
#define TUX_HTTP_H

#include "http/decision.h"
#include "engine/engine.h"
#include "http/head.h"
#include "http/request.h"
#include "http/transport.h"

/* A connection that may be ended when its listener is crowded, see room.h. */
struct tux_leaver {
    u64 order;
    u32 slot, generation;
};

struct tux_room {
    u8 *state; /* by slot: see room.h */
    struct tux_leaver oldest[TUX_ROOM_BATCH];
    u32 count, next, hand;
    u8 listener;      /* of these, counted from 1 */
    u64 until_ms; /* until then they count as the oldest */
};

struct tux_answer {
    u32 slot, generation;
    struct tux_response *response;
};

/* A request that the judge works on: runs that ask for the same wait for its answer. */
#define TUX_PENDING 256
struct tux_pending {
    u64 hash;
    u32 slot; /* of the run that asked; TUX_NONE32 = none */
    struct tux_run_list joined;
};

/* The kind of a device's file system, as a worker has found. */
struct tux_known_place {
    u64 dev, until_ms;
    u8 kind; /* enum tux_place_kind */
};

struct tux_http {
    /* fixed after opening */
    struct tux_request *requests; /* by slot, as are their connections */
    struct tux_conn *conns;
    struct tux_log_feed *log; /* NULL: nothing is logged */
    struct tux_clients *clients; /* NULL: nothing is counted by address */
    u32 linger_ms;

    /* the engine's thread alone */
    struct tux_room room;
    struct tux_decisions decisions;
    struct tux_watches watches;
    struct tux_response *ready_answer[TUX_LIMITS][TUX_READY_FORMS]; /* NULL: none was given; not among the metrics */
    struct tux_run_list unlogged; /* runs that wait for room in the access log */
    struct tux_pending pending[TUX_PENDING];
    struct tux_rules rules; /* in force; rules.c changes them and the next two */
    struct tux_significant significant;
    struct tux_class *tables; /* memory of rules.classes and rules.networks */
    u32 rules_unsettled; /* questions and checks under older ones */
    struct tux_known_place places[TUX_DEVICES_MAX];
    u32 next_place;
    u32 checks_begun;    /* with a worker, or back and not handled yet */
    i64 wall_s;
    u64 sample_ms; /* when the next hit is looked at */
    u32 ended_now; /* responses that began and ended in this turn, and are not counted by their time yet */
    char date[TUX_DATE_BYTES + 1];
    u8 key[TUX_HEAD_BYTES_MAX + TUX_KEY_PREFIX];
    u8 copy[TUX_COPY_BYTES];

    /* from thread to thread */
    struct tux_ring misses, answers, samples;
    _Atomic u32 rules_settled; /* nothing is older than the rules of this number */
};

static inline struct tux_conn *tux_conn_of(const struct tux_run *run) { return run->request->conn; }

/* Make the engine, whose own parts are there, one that serves HTTP. 0 or -errno; what was taken until then is given
 * back by its protocol's close(). */
int tux_http_open(struct tux_engine *e, const struct tux_http_options *options);
/* The name of an option that is out of range; NULL when there is none. */
const char *tux_http_fault(const struct tux_http_options *options);

#endif
