/* logger.c: engines put records into their journals; one thread makes lines of them and writes those out.
 *
 * It wakes when a journal is half full, and after flush_ms otherwise, so lines are written many at a time. A write that
 * fails (a full disk) costs the lines of that buffer, which are counted; the next one is tried all the same. Nothing
 * that happens here is ever waited for by an engine, unless the policy is that no line may be lost. */
#include "logger.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "logline.h"

#define TUX_LOG_PORTS_MAX 1024
#define TUX_LOG_BUFFER_BYTES 131072
#define TUX_LOG_LINE_MAX 32768
#define TUX_LOG_WAIT_US 200 /* between two looks of an engine that waits for room */

struct tux_log {
    pthread_t thread;
    pthread_mutex_t lock; /* guards ports, fd and next_fd */
    int wake_fd, fd, next_fd;
    bool block;
    u32 flush_ms, journal_bytes, port_count;
    struct tux_log_port *ports[TUX_LOG_PORTS_MAX];
    struct tux_log_format format;
    struct tux_log_clock clock;
    u8 *program;
    struct tux_class *networks;
    _Atomic bool stop;
    _Atomic u64 lines, lost, failed_writes, error;
    size_t used;
    u8 buffer[TUX_LOG_BUFFER_BYTES];
};

static void knock(struct tux_log *log)
{
    u64 one = 1;
    if (write(log->wake_fd, &one, sizeof one) < 0) return; /* its counter is full: it is awake */
}

/* --- the engine's side ------------------------------------------------------------------------------------------ */

struct tux_log_port *tux_log_attach(struct tux_log *log)
{
    struct tux_log_port *port = calloc(1, sizeof *port);
    if (!port) return NULL;
    port->log = log;
    pthread_mutex_lock(&log->lock);
    bool fits = log->port_count < TUX_LOG_PORTS_MAX && tux_journal_open(&port->journal, log->journal_bytes) == 0;
    if (fits) log->ports[log->port_count++] = port;
    pthread_mutex_unlock(&log->lock);
    if (fits) return port;
    free(port);
    return NULL;
}

static void take_all(struct tux_log *log);

void tux_log_detach(struct tux_log_port *port)
{
    struct tux_log *log = port->log;
    pthread_mutex_lock(&log->lock);
    take_all(log);
    for (u32 i = 0; i < log->port_count; i++)
        if (log->ports[i] == port) log->ports[i--] = log->ports[--log->port_count];
    pthread_mutex_unlock(&log->lock);
    tux_journal_close(&port->journal);
    free(port);
}

struct tux_entry_of_log *tux_log_reserve(struct tux_log_port *port, u32 bytes)
{
    struct tux_entry_of_log *record = tux_journal_reserve(&port->journal, bytes);
    if (__builtin_expect(record != NULL, 1)) return record;
    while (port->log->block && !atomic_load(&port->log->stop)) { /* as TUX: rather slow than without a trace */
        knock(port->log);
        usleep(TUX_LOG_WAIT_US);
        if ((record = tux_journal_reserve(&port->journal, bytes)) != NULL) return record;
    }
    atomic_fetch_add_explicit(&port->log->lost, 1, memory_order_relaxed);
    knock(port->log);
    return NULL;
}

void tux_log_write(struct tux_log_port *port, u32 bytes)
{
    struct tux_journal *j = &port->journal;
    u64 half = (j->mask + 1) / 2, before = tux_journal_waiting(j);
    tux_journal_commit(j, bytes);
    if (before < half && before + bytes >= half) knock(port->log);
}

/* --- the thread ------------------------------------------------------------------------------------------------- */

static void flush(struct tux_log *log)
{
    size_t done = 0;
    while (done < log->used) {
        ssize_t n = write(log->fd, log->buffer + done, log->used - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EAGAIN) { /* a pipe whose reader is slow */
            struct pollfd slow = {.fd = log->fd, .events = POLLOUT};
            if (poll(&slow, 1, 1000) != 1) break;
        } else {
            atomic_store(&log->error, (u64)(n < 0 ? errno : ENOSPC));
            break;
        }
    }
    if (done < log->used) atomic_fetch_add(&log->failed_writes, 1);
    else if (log->used > 0) atomic_store(&log->error, 0);
    log->used = 0;
}

/* A slice of what every journal holds, so that none is behind the others. Called with the lock held. */
static void take_all(struct tux_log *log)
{
    for (u32 i = 0; i < log->port_count; i++) {
        struct tux_journal *j = &log->ports[i]->journal;
        for (const struct tux_entry_of_log *record; (record = tux_journal_next(j)) != NULL;) {
            if (sizeof log->buffer - log->used < TUX_LOG_LINE_MAX) flush(log);
            log->used += tux_log_line(&log->format, record, log->buffer + log->used, TUX_LOG_LINE_MAX);
            atomic_fetch_add_explicit(&log->lines, 1, memory_order_relaxed);
            tux_journal_done(j, record);
        }
    }
    flush(log);
}

static void *run(void *argument)
{
    struct tux_log *log = argument;
    struct pollfd door = {.fd = log->wake_fd, .events = POLLIN};
    while (!atomic_load(&log->stop)) {
        u64 count;
        (void)poll(&door, 1, (int)log->flush_ms);
        if (read(log->wake_fd, &count, sizeof count) < 0) count = 0;
        pthread_mutex_lock(&log->lock);
        if (log->next_fd >= 0) { /* what was logged before the rotation belongs into the old file */
            take_all(log);
            close(log->fd);
            log->fd = log->next_fd;
            log->next_fd = -1;
        }
        take_all(log);
        pthread_mutex_unlock(&log->lock);
    }
    return NULL;
}

/* --- the owner's side ------------------------------------------------------------------------------------------- */

static void release(struct tux_log *log)
{
    if (log->fd >= 0) close(log->fd);
    if (log->next_fd >= 0) close(log->next_fd);
    if (log->wake_fd >= 0) close(log->wake_fd);
    free(log->program);
    free(log->networks);
    free(log);
}

static void *copied(const void *bytes, size_t length)
{
    void *copy = malloc(length ? length : 1);
    if (copy && length) memcpy(copy, bytes, length);
    return copy;
}

int tux_log_open(const struct tux_log_options *o, struct tux_log **out)
{
    if (tux_log_check(o->program, o->program_bytes) != 0 || o->flush_ms == 0 || o->network_count > TUX_CLASSES_MAX ||
        o->journal_bytes < 65536 || o->journal_bytes > (1u << 30)) {
        close(o->fd);
        return -EINVAL;
    }
    struct tux_log *log = calloc(1, sizeof *log);
    if (!log) {
        close(o->fd);
        return -ENOMEM;
    }
    log->fd = o->fd;
    log->next_fd = -1;
    log->block = o->block;
    log->flush_ms = o->flush_ms;
    log->journal_bytes = o->journal_bytes;
    log->program = copied(o->program, o->program_bytes);
    log->networks = copied(o->networks, o->network_count * sizeof *o->networks);
    log->format = (struct tux_log_format){log->program, o->program_bytes, log->networks, o->network_count,
                                         o->forwarded, &log->clock};
    log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&log->lock, NULL);
    int failed = log->wake_fd < 0 ? -errno : !log->program || !log->networks ? -ENOMEM : 0;
    sigset_t all, before; /* signals belong to the caller's threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (failed == 0) failed = -pthread_create(&log->thread, NULL, run, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        pthread_mutex_destroy(&log->lock);
        release(log);
        return failed;
    }
    *out = log;
    return 0;
}

void tux_log_reopen(struct tux_log *log, int fd)
{
    pthread_mutex_lock(&log->lock);
    if (log->next_fd >= 0) close(log->next_fd);
    log->next_fd = fd;
    pthread_mutex_unlock(&log->lock);
    knock(log);
}

/* With its lock held the thread makes no line. */
int tux_log_trust(struct tux_log *log, const struct tux_class *networks, uint32_t count, uint32_t forwarded)
{
    struct tux_class *fresh = copied(networks, count * sizeof *networks);
    if (!fresh) return -ENOMEM;
    pthread_mutex_lock(&log->lock);
    take_all(log); /* what was logged before is told by whom was trusted then */
    struct tux_class *old = log->networks;
    log->networks = fresh;
    log->format.networks = fresh;
    log->format.network_count = count;
    log->format.forwarded = forwarded;
    pthread_mutex_unlock(&log->lock);
    free(old);
    return 0;
}

void tux_log_state(struct tux_log *log, struct tux_log_state *out)
{
    *out = (struct tux_log_state){.lines = atomic_load(&log->lines), .lost = atomic_load(&log->lost),
                                  .failed_writes = atomic_load(&log->failed_writes),
                                  .error = (int)atomic_load(&log->error)};
}

void tux_log_close(struct tux_log *log)
{
    TUX_ASSERT(log->port_count == 0); /* engines end before their log does */
    atomic_store(&log->stop, true);
    knock(log);
    pthread_join(log->thread, NULL);
    flush(log);
    pthread_mutex_destroy(&log->lock);
    release(log);
}
