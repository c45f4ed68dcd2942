/* logthread.c: one thread turns the records of all engines into lines, in the order of time, and writes them.
 *
 * It alone uses the file: it opens it again, checks whether it was rotated, and may block on it. It wakes when a
 * journal is a quarter full, and otherwise after flush_ms, so that it writes many lines at a time. While the reader of
 * a pipe takes nothing, it takes no records; a write that fails loses the lines of that buffer, which are counted. */
#include "log/logthread.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum flow { FLOWS, STUCK, FAILED };

void tux_log_knock(struct tux_log *log)
{
    u64 one = 1;
    if (write(log->wake_fd, &one, sizeof one) < 0) return; /* its counter is full: it is awake */
}

/* --- out -------------------------------------------------------------------------------------------------------- */

static u64 lines_in(const u8 *bytes, size_t length)
{
    u64 count = 0;
    const u8 *end = bytes + length;
    for (const u8 *at = bytes; at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) count++;
    return count;
}

static void lose(struct tux_log *log, const u8 *bytes, size_t length)
{
    tux_log_count(&log->lost, lines_in(bytes, length));
}

/* The buffer cannot be written. A line that is partly written is completed later, so that it is whole. */
static void fail(struct tux_log *log, int error)
{
    u8 *from = log->buffer + log->at, *end = log->buffer + log->used;
    u8 *rest = log->broken ? memchr(from, '\n', (size_t)(end - from)) : NULL;
    size_t keep = rest ? (size_t)(rest + 1 - from) : 0;
    lose(log, from + keep, (size_t)(end - from) - keep);
    memmove(log->buffer, from, keep);
    log->at = 0;
    log->used = keep;
    atomic_store(&log->error, error);
    tux_log_count(&log->failed_writes, 1);
}

static enum flow flush(struct tux_log *log)
{
    while (log->at < log->used) {
        const u8 *from = log->buffer + log->at;
        i64 n = tux_outlet_write(&log->outlet, from, log->used - log->at);
        if (n == 0) return STUCK;
        if (n < 0) {
            fail(log, (int)-n);
            return FAILED;
        }
        log->at += (size_t)n;
        log->broken = from[n - 1] != '\n';
        tux_log_count(&log->lines, lines_in(from, (size_t)n));
        atomic_store(&log->error, 0);
    }
    log->at = log->used = 0;
    return FLOWS;
}

static bool has_room(struct tux_log *log)
{
    if (log->room - log->used >= log->plan.line_max) return true;
    memmove(log->buffer, log->buffer + log->at, log->used - log->at);
    log->used -= log->at;
    log->at = 0;
    return log->room - log->used >= log->plan.line_max;
}

/* --- in --------------------------------------------------------------------------------------------------------- */

static const struct tux_entry_of_log *oldest_of(struct tux_log_feed *feed, u64 before_ns)
{
    const struct tux_entry_of_log *record = tux_journal_next(&feed->journal);
    return record && record->turn_ns < before_ns ? record : NULL;
}

static bool is_earlier(const struct tux_entry_of_log *a, const struct tux_entry_of_log *b)
{
    if (a->facts.wall_ms != b->facts.wall_ms) return a->facts.wall_ms < b->facts.wall_ms;
    return a->turn_ns < b->turn_ns;
}

/* Write lines into the buffer while there is room. Records of turns that began since this pass began are left for the
 * next pass, so that lines are in order across engines. */
static bool take(struct tux_log *log)
{
    u64 before_ns = tux_now_ns();
    bool any = false;
    for (u32 i = 0; i < log->taken; i++) log->next[i] = oldest_of(log->mine[i], before_ns);
    while (has_room(log)) {
        u32 first = TUX_NONE32;
        for (u32 i = 0; i < log->taken; i++)
            if (log->next[i] && (first == TUX_NONE32 || is_earlier(log->next[i], log->next[first]))) first = i;
        if (first == TUX_NONE32) break;
        log->used += tux_log_line(&log->plan, &log->clock, log->next[first], log->buffer + log->used,
                                  log->room - log->used);
        tux_journal_done(&log->mine[first]->journal, log->next[first]);
        log->next[first] = oldest_of(log->mine[first], before_ns);
        any = true;
    }
    return any;
}

static enum flow pass(struct tux_log *log)
{
    enum flow flow;
    bool any;
    do {
        any = take(log);
        flow = flush(log);
    } while (any && flow != STUCK);
    return flow;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static void look_at_file(struct tux_log *log)
{
    u64 now_ms = tux_now_ms();
    bool asked = atomic_exchange(&log->reopen, false);
    if (!log->path || (!asked && now_ms < log->looked_ms + TUX_LOG_LOOK_MS)) return;
    log->looked_ms = now_ms;
    if (!asked && !tux_outlet_is_elsewhere(&log->outlet, log->path)) return;
    int fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
    atomic_store(&log->reopen_error, fd < 0 ? errno : 0);
    if (fd < 0) return;
    if (pass(log) == STUCK && log->broken) { /* the old one has a part of this line, the new one begins with the next */
        const u8 *from = log->buffer + log->at, *rest = memchr(from, '\n', log->used - log->at);
        log->at = rest ? (size_t)(rest + 1 - log->buffer) : log->used;
        tux_log_count(&log->lost, 1);
    }
    log->broken = false;
    tux_outlet_close(&log->outlet);
    tux_outlet_open(&log->outlet, fd);
}

/* --- engines ------------------------------------------------------------------------------------------------------ */

static void meet_engines(struct tux_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->taken = log->listener_count;
    memcpy(log->mine, log->feeds, log->taken * sizeof *log->mine);
    pthread_mutex_unlock(&log->lock);
}

/* There is room again for an engine that had none. */
static void tell_hungry(struct tux_log *log)
{
    for (u32 i = 0; i < log->taken; i++) {
        struct tux_log_feed *feed = log->mine[i];
        if (!atomic_load(&feed->hungry) || tux_journal_waiting(&feed->journal) > feed->journal.mask / 2) continue;
        u64 one = 1;
        atomic_store(&feed->hungry, false);
        pthread_mutex_lock(&log->lock);
        if (feed->knock_fd >= 0 && write(feed->knock_fd, &one, sizeof one) < 0) TUX_ASSERT(errno == EAGAIN);
        pthread_mutex_unlock(&log->lock);
    }
}

/* For engines that have ended: take their records in memory, and free their feeds when none is left. True: all are
 * freed. */
static bool let_go(struct tux_log *log)
{
    pthread_mutex_lock(&log->lock);
    for (u32 i = 0; i < log->listener_count; i++) {
        struct tux_log_feed *feed = log->feeds[i];
        if (!feed->leaving) continue;
        tux_log_room(feed);
        if (feed->spilled || tux_journal_waiting(&feed->journal) > 0) continue;
        log->noted_before += atomic_load(&feed->noted);
        log->lost_before += atomic_load(&feed->lost);
        log->feeds[i--] = log->feeds[--log->listener_count];
        tux_journal_close(&feed->journal);
        free(feed);
    }
    bool none_left = log->listener_count == 0;
    pthread_mutex_unlock(&log->lock);
    return none_left;
}

/* --- the thread ------------------------------------------------------------------------------------------------- */

static void release(struct tux_log *log)
{
    for (u32 i = 0; i < log->listener_count; i++) {
        struct tux_log_feed *feed = log->feeds[i];
        for (struct tux_log_spilled *one = feed->spilled, *next; one; one = next) {
            next = one->next;
            free(one);
        }
        tux_journal_close(&feed->journal);
        free(feed);
    }
    tux_outlet_close(&log->outlet);
    if (log->wake_fd >= 0) close(log->wake_fd);
    free(log->buffer);
    free(log->path);
    pthread_cond_destroy(&log->over);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

/* Wait for a knock, for the reader to take bytes, or for the time limit. True: poll says that the reader
 * takes bytes. */
static bool rest(struct tux_log *log, bool for_reader, int timeout_ms)
{
    struct pollfd events[2] = {{.fd = log->wake_fd, .events = POLLIN}, {.fd = log->outlet.fd, .events = POLLOUT}};
    u64 count;
    (void)poll(events, for_reader ? 2 : 1, timeout_ms);
    if (read(log->wake_fd, &count, sizeof count) < 0) count = 0;
    return for_reader && events[1].revents;
}

/* It shall stop: is there no reason to go on? */
static bool is_over(struct tux_log *log, bool none_left, u64 stopped_ms, u64 moved_ms)
{
    u64 now_ms = tux_now_ms();
    bool empty = none_left && (log->at == log->used || atomic_load(&log->error) != 0);
    return empty || now_ms >= moved_ms + TUX_LOG_PATIENCE_MS || now_ms >= stopped_ms + TUX_LOG_END_MS;
}

static void *run(void *argument)
{
    struct tux_log *log = argument;
    u64 stopped_ms = 0, moved_ms = 0, lines = 0;
    bool told = false; /* poll says that the reader takes bytes, which may be wrong */
    for (;;) {
        bool stop = atomic_load(&log->stop);
        u64 before = lines, at = log->at;
        meet_engines(log);
        look_at_file(log);
        enum flow flow = pass(log);
        tell_hungry(log);
        bool none_left = let_go(log);
        lines = atomic_load(&log->lines);
        bool moved = lines != before || log->at != at;
        if (stop && stopped_ms == 0) stopped_ms = moved_ms = tux_now_ms();
        if (stop && moved) moved_ms = tux_now_ms();
        if (stop && is_over(log, none_left, stopped_ms, moved_ms)) break;
        bool mistrusted = told && !moved;
        int patience_ms = stop ? (flow == STUCK ? 10 : 0) : mistrusted ? 10 : (int)log->flush_ms;
        told = rest(log, flow == STUCK && !mistrusted, patience_ms);
    }
    pthread_mutex_lock(&log->lock);
    log->ended = true;
    bool orphan = log->orphan;
    pthread_cond_signal(&log->over);
    pthread_mutex_unlock(&log->lock);
    if (orphan) release(log);
    return NULL;
}

/* --- the owner's side ------------------------------------------------------------------------------------------- */

static int start(struct tux_log *log)
{
    sigset_t all, before; /* signals belong to the caller's threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&log->thread, NULL, run, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -failed;
}

int tux_log_open(const struct tux_log_options *o, struct tux_log **out)
{
    bool sound = o->flush_ms > 0 && o->journal_bytes >= 65536 && o->journal_bytes <= (1u << 30);
    struct tux_log *log = calloc(1, sizeof *log);
    if (!log) {
        close(o->fd);
        return -ENOMEM;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&log->lock, NULL);
    tux_outlet_open(&log->outlet, o->fd);
    log->wait = o->wait;
    log->flush_ms = o->flush_ms;
    log->journal_bytes = o->journal_bytes;
    log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = log->wake_fd < 0 ? -errno : sound ? 0 : -EINVAL;
    if (failed == 0) failed = tux_log_plan_make(&log->plan, o->program, o->program_bytes);
    log->room = 2 * log->plan.line_max > TUX_LOG_BUFFER_BYTES ? 2 * log->plan.line_max : TUX_LOG_BUFFER_BYTES;
    log->buffer = malloc(log->room);
    log->path = o->path ? strdup(o->path) : NULL;
    if (failed == 0 && (!log->buffer || (o->path && !log->path))) failed = -ENOMEM;
    if (failed == 0) failed = start(log);
    if (failed) release(log);
    else *out = log;
    return failed;
}

void tux_log_reopen(struct tux_log *log)
{
    atomic_store(&log->reopen, true);
    tux_log_knock(log);
}

/* With the lock held. */
static u64 state_of(struct tux_log *log, struct tux_log_state *out)
{
    u64 noted = log->noted_before, lost = log->lost_before;
    for (u32 i = 0; i < log->listener_count; i++) {
        noted += atomic_load(&log->feeds[i]->noted);
        lost += atomic_load(&log->feeds[i]->lost);
    }
    *out = (struct tux_log_state){.lines = atomic_load(&log->lines), .lost = lost + atomic_load(&log->lost),
                                  .failed_writes = atomic_load(&log->failed_writes),
                                  .error = atomic_load(&log->error),
                                  .reopen_error = atomic_load(&log->reopen_error)};
    return noted - out->lines - atomic_load(&log->lost);
}

void tux_log_state(struct tux_log *log, struct tux_log_state *out)
{
    pthread_mutex_lock(&log->lock);
    (void)state_of(log, out);
    pthread_mutex_unlock(&log->lock);
}

/* A thread that a disk holds is left behind. */
void tux_log_close(struct tux_log *log, struct tux_log_state *out)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (TUX_LOG_END_MS + TUX_LOG_PATIENCE_MS) / 1000;
    atomic_store(&log->stop, true);
    tux_log_knock(log);
    pthread_mutex_lock(&log->lock);
    while (!log->ended && pthread_cond_timedwait(&log->over, &log->lock, &until) == 0) {}
    bool ended = log->ended;
    log->orphan = !ended;
    u64 unwritten = state_of(log, out);
    out->lost += unwritten;
    pthread_mutex_unlock(&log->lock);
    if (!ended) {
        pthread_detach(log->thread);
        return;
    }
    pthread_join(log->thread, NULL);
    release(log);
}
