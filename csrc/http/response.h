/* response.h: a decision as the engine holds it: a response chain, its bytes, its file, and its witnesses. */
#ifndef TUX_RESPONSE_H
#define TUX_RESPONSE_H

#include <sys/stat.h>

#include "base/cachemiss.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "http/range.h"
#include "chain/run.h"
#include "http/samples.h"
#include "http/watch.h"
#include "http/witness.h"

/* The bytes of a response. A run that sends them holds a reference; bytes with two holders never change. */
struct tux_blob {
    u32 refs, bytes;
    u32 copied; /* how many of these bytes are a copy of the file's, for one answer (ranged.h) */
    i64 date_s; /* the second of the Date in the head */
    u8 data[];
};

/* The parts of a response for any range that one range fills in: two texts of the head, and cells of the chain. */
struct tux_ranged {
    bool is; /* true if this response serves any range; the other members are valid only then */
    u16 data_cell, length_cell, flags_cell, offset_cell, count_cell;
    u32 head_bytes, range_at, range_bytes, length_at, length_bytes;
};

/* The times of a file. */
struct tux_version {
    i64 mtime_ns, ctime_ns;
};

static inline struct tux_version tux_version_of(const struct stat *st)
{
    return (struct tux_version){.mtime_ns = (i64)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
                                .ctime_ns = (i64)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec};
}

struct tux_response {
    struct tux_job job; /* first: a check by a worker */
    u32 refs, keys; /* keys: entries of the cache that it is in */
    u32 generation; /* of the cache: a response of an earlier generation was forgotten and is not used */
    u16 status, connection_cell, file_cell, witness_count;
    bool keep, cacheable, dead, checking, unchanged;
    bool reads_on; /* its chain receives from the connection, so the head may be gone then */
    bool far; /* from a file system that may hang (job.place): the engine uses only facts that it has */
    struct tux_cachemiss *pool; /* its workers close the file, where close(2) may hang; NULL: the engine closes it */
    int file;
    u32 *users; /* for a file in memory: the counter of responses that hold it; NULL: it is on a disk */
    u64 file_size; /* of the version that the head announces */
    struct tux_version version; /* the same one, by its times */
    struct tux_version latest;  /* a later version that has the same bytes, though it is longer or was touched */
    u64 latest_size;
    struct tux_samples *samples; /* NULL: none were needed yet */
    struct tux_watches *watches; /* NULL: it was never sent, or is small */
    struct tux_watch *watch;     /* NULL: it cannot be watched */
    u32 written, touched;        /* the counters of the watch when `latest` was found */
    i64 date_at;
    bool settled, settles; /* no write(2) to this version is under way any more; a check is finding that out */
    bool file_is_watched; /* one of the witnesses is the file's */
    bool one_device;      /* all of its witnesses are on `dev` */
    u8 place, found_place; /* enum tux_place_kind; found_place is the result of a check */
    u64 dev;
    u64 checked_ms, check_began_ms; /* checked_ms: a time before the witnesses were checked */
    u32 check_rules; /* the number of the rules when it began */
    struct tux_run_list waiters; /* for the check */
    struct tux_chain *chain;
    struct tux_blob *blob;
    struct tux_ranged ranged;
    size_t bytes; /* memory held, for the cache's account */
    struct tux_witness witness[TUX_WITNESSES_MAX];
};

/* Verified from the judge's parts; any thread. Takes options->file in any case. */
int tux_response_make(const struct tux_response_options *options, struct tux_response **out,
                      char error[TUX_ERROR_BYTES]);
/* Any thread, but only before the response has been handed to an engine. */
void tux_response_free(struct tux_response *response);

/* The engine's thread only, from here on. */
void tux_response_drop(struct tux_response *response, struct tux_metrics *metrics);
/* If a worker has closed the file of a response with this job: it is freed, and true. */
bool tux_response_is_shut(struct tux_job *job);
/* The response's bytes with the Date of this second, with a reference for the caller. NULL when out of memory. */
struct tux_blob *tux_response_blob(struct tux_response *response, i64 wall_s, const char *date,
                                   struct tux_metrics *metrics);
void tux_blob_drop(struct tux_blob *blob, struct tux_metrics *metrics);
/* fstat(2) from the facts that this kernel has: the server of a network file system, which may hang, is not asked. */
int tux_file_look(int fd, struct stat *st);
/* Is the open file still the version that the head announces? True without a file. One fstat(2). */
bool tux_response_file_holds(const struct tux_response *response);
/* Does the file still have the bytes that the head has announced? Also if it is longer now, or was only touched: see
 * still_good.c. `wall_ns` is the time of day; `last`: all of the file has been read. Mostly one fstat(2). */
bool tux_response_file_still_good(struct tux_response *response, i64 wall_ns, bool last);
/* Before or while the file is sent: take the watch and the samples that will tell whether it changes. Once for a
 * response, unless some of the file is not in memory yet. */
void tux_response_file_watch(struct tux_response *response, struct tux_watches *watches);
/* Did the file change so recently that it may well change again? Then copies of its bytes are sent (call.c). */
bool tux_response_file_is_young(const struct tux_response *response, i64 wall_ns);
/* For a worker: wait until no write(2) to the file is under way. */
void tux_response_file_await_writer(const struct tux_response *response);
/* Do all of its witnesses hold? Without waiting for a disk. */
enum tux_sight tux_response_look(const struct tux_response *response, bool in_memory);
/* For a worker: the same, waiting for it. */
bool tux_response_holds(const struct tux_response *response);

#endif
