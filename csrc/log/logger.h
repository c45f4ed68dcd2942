/* logger.h: the thread that writes the access log, for all engines of a process. */
#ifndef TUX_LOGGER_H
#define TUX_LOGGER_H

#include "log/journal.h"
#include "log/logtake.h"

/* A record for which the journal had no room. */
struct tux_log_spilled {
    struct tux_log_spilled *next;
    struct tux_entry_of_log record;
};

/* The place to which one engine writes. Belongs to the logger. */
struct tux_log_feed {
    struct tux_journal journal;
    struct tux_log *log;
    /* the engine's thread alone, until it has ended */
    struct tux_log_spilled *spilled, **spilled_tail;
    u64 spilled_bytes;
    bool full; /* the policy is to wait, and there is no room: no request is answered now */
    /* from thread to thread */
    _Atomic u64 noted;   /* records that the logger has got: each becomes a line, or the logger counts it as lost */
    _Atomic u64 lost;    /* records for which there was no room */
    _Atomic bool hungry; /* the engine wants to know when there is room again */
    /* under the log's lock */
    int knock_fd;
    bool leaving; /* its engine has ended */
};

/* A feed for one engine. `knock_fd`, an eventfd, becomes readable when there may be room again. NULL when there are too
 * many feeds, or no memory. */
struct tux_log_feed *tux_log_attach(struct tux_log *log, int knock_fd);
/* The engine has ended; its records are still written. */
void tux_log_detach(struct tux_log_feed *feed);

const struct tux_log_plan *tux_log_plan_of(const struct tux_log_feed *feed);

/* The engine's thread: log a request. Never waits; a record without room waits in memory, or is lost. */
void tux_log_note(struct tux_log_feed *feed, struct text head, const struct tux_log_facts *facts, u64 turn_ns);
/* The engine's thread: there may be room again. */
void tux_log_room(struct tux_log_feed *feed);

#endif
