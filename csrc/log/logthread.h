/* logthread.h: the state of the logger, shared by logger.c (the engines' side) and logthread.c (its own). */
#ifndef TUX_LOGTHREAD_H
#define TUX_LOGTHREAD_H

#include <pthread.h>

#include "log/logger.h"
#include "log/logline.h"
#include "base/outlet.h"

struct tux_log {
    /* fixed after opening */
    pthread_t thread;
    struct tux_log_plan plan;
    char *path; /* NULL: it is never opened again */
    int wake_fd;
    bool wait;
    u32 flush_ms, journal_bytes;

    /* the thread's alone */
    struct tux_outlet outlet;
    struct tux_log_clock clock;
    u64 looked_ms;
    u32 taken; /* feeds that it has copied */
    struct tux_log_feed *mine[TUX_LOG_FEEDS_MAX];
    const struct tux_entry_of_log *next[TUX_LOG_FEEDS_MAX]; /* the oldest record of each that may be taken */
    u8 *buffer; /* bytes [at, used) are to be written */
    size_t room, at, used;
    bool broken; /* the last byte written was within a line */

    /* from thread to thread */
    _Atomic bool reopen, stop;
    _Atomic u64 lines, lost, failed_writes;
    _Atomic int error, reopen_error;
    pthread_mutex_t lock; /* guards the members below, and is never held during a write */
    pthread_cond_t over;
    u32 listener_count;
    struct tux_log_feed *feeds[TUX_LOG_FEEDS_MAX];
    u64 noted_before, lost_before; /* of feeds that are closed */
    bool ended;  /* the thread has ended, and touches no memory */
    bool orphan; /* its owner has given it up: the thread frees it if it ever ends */
};

void tux_log_knock(struct tux_log *log);

/* One writer. */
static inline void tux_log_count(_Atomic u64 *counter, u64 more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more, memory_order_relaxed);
}

#endif
