/* window.c: the table of windows. It is small, so it is searched from end to end, and only when a file was cold. */
#include "chain/window.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void tux_windows_open(struct tux_windows *w, struct tux_cachemiss *pool, u32 workers, struct tux_metrics *metrics)
{
    *w = (struct tux_windows){.pool = pool, .metrics = metrics, .ahead_max = workers};
    for (unsigned i = 0; i < TUX_FETCHES_MAX; i++) w->fetch[i].waiters = tux_no_runs();
}

struct tux_file tux_file_of(int fd)
{
    struct statx s; /* fstat(2) would ask the server of a network file whether it has changed; 0.3 µs both */
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_TYPE, &s) < 0) return (struct tux_file){0};
    return (struct tux_file){.dev = makedev(s.stx_dev_major, s.stx_dev_minor), .ino = s.stx_ino,
                             .regular = S_ISREG(s.stx_mode)};
}

u64 tux_window_end(u64 from, u64 to)
{
    return tux_min_u64(to, (from / TUX_WINDOW_BYTES + 1) * TUX_WINDOW_BYTES);
}

static bool same(const struct tux_file *a, const struct tux_file *b) { return a->dev == b->dev && a->ino == b->ino; }

/* --- what is known ------------------------------------------------------------------------------------------------ */

#define WHOLE UINT64_MAX /* in place of an offset */

static struct tux_known *place_of(struct tux_windows *w, const struct tux_file *file, u64 from)
{
    u64 h = (file->ino * 0x9E3779B97F4A7C15u) ^ (file->dev + from / TUX_WINDOW_BYTES) * 0xBF58476D1CE4E5B9u;
    return &w->known[(h >> 32) % TUX_KNOWN_MAX];
}

static bool known(struct tux_windows *w, const struct tux_file *file, u64 from, u64 to, u64 now_ms)
{
    const struct tux_known *k = place_of(w, file, from);
    bool covers = k->from <= from && to <= k->to && now_ms < k->until_ms && !k->far;
    return covers && k->dev == file->dev && k->ino == file->ino;
}

static bool known_as_far(struct tux_windows *w, const struct tux_file *file, u64 now_ms)
{
    const struct tux_known *k = place_of(w, file, WHOLE);
    return k->far && now_ms < k->until_ms && k->dev == file->dev && k->ino == file->ino;
}

static void remember(struct tux_windows *w, const struct tux_file *file, u64 from, u64 to, u64 until_ms)
{
    bool far = from == WHOLE;
    *place_of(w, file, from) = (struct tux_known){.dev = file->dev, .ino = file->ino, .from = from, .to = to,
                                                  .until_ms = until_ms, .far = far};
}

static enum tux_store store_of(const struct tux_windows *w, u64 dev, u64 now_ms)
{
    for (unsigned i = 0; i < TUX_DEVICES_MAX; i++)
        if (w->device[i].dev == dev && now_ms < w->device[i].until_ms) return (enum tux_store)w->device[i].store;
    return major(dev) != 0 ? TUX_STORE_CACHED : TUX_STORE_UNASKED; /* a block device: the common case needs no worker */
}

static void remember_store(struct tux_windows *w, u64 dev, enum tux_store store, u64 now_ms)
{
    unsigned i = 0;
    while (i < TUX_DEVICES_MAX && w->device[i].dev != dev) i++;
    if (i == TUX_DEVICES_MAX) i = w->next_device++ % TUX_DEVICES_MAX;
    w->device[i] = (struct tux_device){.dev = dev, .until_ms = now_ms + TUX_DEVICE_MS, .store = (u8)store};
}

enum tux_look tux_window_look(struct tux_windows *w, const struct tux_file *file, int fd, u64 from, u64 to, u64 now_ms)
{
    if (!file->regular) return TUX_LOOK_FAR;
    if (known(w, file, from, to, now_ms)) return TUX_LOOK_HOT;
    if (known_as_far(w, file, now_ms)) return TUX_LOOK_FAR;
    enum tux_store store = store_of(w, file->dev, now_ms);
    if (store == TUX_STORE_MEMORY) return TUX_LOOK_HOT;
    if (store == TUX_STORE_FAR) return TUX_LOOK_FAR;
    if (store == TUX_STORE_UNASKED || tux_resident(store, fd, from, to) != TUX_RESIDENT) return TUX_LOOK_COLD;
    remember(w, file, from, to, now_ms + TUX_KNOWN_MS);
    return TUX_LOOK_HOT;
}

/* --- fetches ------------------------------------------------------------------------------------------------------ */

/* On a worker. */
static void perform(struct tux_job *job, void *context)
{
    (void)context;
    struct tux_fetch *f = (struct tux_fetch *)(void *)job;
    enum tux_store store = tux_store_of(f->fd);
    i64 end = store == TUX_STORE_MEMORY || store == TUX_STORE_FAR ? (i64)f->from : tux_read_in(f->fd, f->from, f->to);
    f->store = (u8)store;
    f->resident = end < 0 ? TUX_ABSENT : (u8)tux_resident(store, f->fd, f->from, (u64)end);
    job->result = end < 0 ? end : 0;
    close(f->fd); /* on the worker, since close(2) may wait for a network */
    f->fd = -1;
}

static u32 under_way(const struct tux_windows *w, const struct tux_file *file, u64 from, u64 to)
{
    for (u32 i = 0; w->taken > 0 && i < TUX_FETCHES_MAX; i++) {
        const struct tux_fetch *f = &w->fetch[i];
        if (f->taken && same(&f->file, file) && f->from <= from && to <= f->to) return i + 1;
    }
    return 0;
}

static u32 begin(struct tux_windows *w, const struct tux_file *file, int fd, u64 from, u64 to)
{
    u32 i = 0;
    while (i < TUX_FETCHES_MAX && w->fetch[i].taken) i++;
    if (i == TUX_FETCHES_MAX) return 0;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) return 0;
    u64 place = major(file->dev) == 0 ? file->dev : 0; /* of no block device: it may have to ask a server */
    w->fetch[i] = (struct tux_fetch){.job = {.perform = perform, .result = -ECANCELED, .place = place},
                                     .taken = true, .fd = own, .file = *file, .from = from, .to = to,
                                     .waiters = tux_no_runs()};
    w->taken++;
    tux_metric_add(&w->metrics->fetches, 1);
    tux_cachemiss_post(w->pool, &w->fetch[i].job);
    return i + 1;
}

u32 tux_window_fetch(struct tux_windows *w, const struct tux_file *file, int fd, u64 from, u64 to)
{
    u32 number = under_way(w, file, from, to);
    return number ? number : begin(w, file, fd, from, to);
}

/* One window ahead of the one being sent and no more, so that little is read for a slow client; and none while the
 * workers are busy for runs that wait already. */
void tux_window_ahead(struct tux_windows *w, const struct tux_file *file, int fd, u64 from, u64 to, u64 now_ms)
{
    if (w->taken >= w->ahead_max || from >= to) return;
    if (tux_window_look(w, file, fd, from, to, now_ms) != TUX_LOOK_COLD || under_way(w, file, from, to)) return;
    if (begin(w, file, fd, from, to)) tux_metric_add(&w->metrics->fetched_ahead, 1);
}

struct tux_fetch *tux_window_of_job(struct tux_windows *w, struct tux_job *job)
{
    return job->perform == perform ? &w->fetch[(struct tux_fetch *)(void *)job - w->fetch] : NULL;
}

/* Just read and gone already: its file system keeps nothing in memory, or memory is short. */
static void learn(struct tux_windows *w, const struct tux_fetch *f, u64 now_ms)
{
    if (f->store == TUX_STORE_MEMORY || f->store == TUX_STORE_FAR) return;
    u64 ms = f->resident == TUX_RESIDENT ? TUX_KNOWN_MS : TUX_UNSURE_MS;
    if (f->resident == TUX_ABSENT) remember(w, &f->file, WHOLE, WHOLE, now_ms + ms);
    else remember(w, &f->file, f->from, f->to, now_ms + ms);
}

void tux_window_done(struct tux_windows *w, struct tux_fetch *f, u64 now_ms)
{
    TUX_ASSERT(f->taken && w->taken > 0);
    if (f->fd >= 0) { /* it was never performed */
        close(f->fd);
        f->fd = -1;
    } else if (f->job.result == 0) {
        remember_store(w, f->file.dev, (enum tux_store)f->store, now_ms);
        learn(w, f, now_ms);
    }
    f->taken = false;
    f->waiters = tux_no_runs();
    w->taken--;
}
