/* window.h: the windows of files that are being read in by workers, and those known to be in memory.
 *
 * A file is sent window by window. A run that finds a window cold has it fetched; runs that want the same window wait
 * for that fetch, so there is one disk read for all. Where a window begins, the next one is fetched if it is cold too.
 *
 * The table belongs to the engine's thread; a worker has one fetch for as long as its job is out. */
#ifndef TUX_WINDOW_H
#define TUX_WINDOW_H

#include "base/cachemiss.h"
#include "base/metrics.h"
#include "base/resident.h"
#include "chain/run.h"

/* The identity of a file, independent of descriptors. */
struct tux_file {
    u64 dev, ino;
    bool regular;
};

/* A part of a file that a worker reads in. Free while fd is negative and no job is out. */
struct tux_fetch {
    struct tux_job job; /* first; its result is 0 or -EIO */
    bool taken;
    u8 store, resident; /* found by the worker: enum tux_store, enum tux_resident */
    int fd;             /* a duplicate, so that it outlives the run that asked */
    struct tux_file file;
    u64 from, to;
    struct tux_run_list waiters;
};

/* A recent finding, which saves asking again. */
struct tux_known {
    u64 dev, ino, from, to, until_ms;
    bool far; /* of a whole file: it does not stay in memory, so a worker must send it */
};

struct tux_device {
    u64 dev, until_ms;
    u8 store;
};

struct tux_windows {
    struct tux_cachemiss *pool;
    struct tux_metrics *metrics;
    u32 taken;     /* fetches under way */
    u32 ahead_max; /* when as many are under way, nothing is fetched ahead */
    u32 next_device;
    struct tux_fetch fetch[TUX_FETCHES_MAX];
    struct tux_known known[TUX_KNOWN_MAX];
    struct tux_device device[TUX_DEVICES_MAX];
};

/* HOT: it may be sent here. COLD: fetch it. FAR: only a worker may send it. */
enum tux_look { TUX_LOOK_HOT, TUX_LOOK_COLD, TUX_LOOK_FAR };

void tux_windows_open(struct tux_windows *w, struct tux_cachemiss *pool, u32 workers, struct tux_metrics *metrics);

/* Fill in the identity of an open file. Never waits for a network. */
struct tux_file tux_file_of(int fd);
/* The end of the window that begins at or around `from`, but no more than `to`. */
u64 tux_window_end(u64 from, u64 to);

/* The state of [from, to), which lies in one window. */
enum tux_look tux_window_look(struct tux_windows *w, const struct tux_file *file, int fd, u64 from, u64 to, u64 now_ms);
/* The number, from 1 on, of a fetch of all these bytes: the one under way, or a new one. 0: there can be none. */
u32 tux_window_fetch(struct tux_windows *w, const struct tux_file *file, int fd, u64 from, u64 to);
/* These bytes will be wanted next: have them fetched if they are cold, unless a fetch is under way or runs wait. */
void tux_window_ahead(struct tux_windows *w, const struct tux_file *file, int fd, u64 from, u64 to, u64 now_ms);

/* The fetch whose job this is; NULL if it is no fetch's job. */
struct tux_fetch *tux_window_of_job(struct tux_windows *w, struct tux_job *job);
/* Its job has come back: remember the finding and free the fetch. The caller has woken the waiters before. */
void tux_window_done(struct tux_windows *w, struct tux_fetch *fetch, u64 now_ms);

#endif
