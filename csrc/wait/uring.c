/* uring.c: io_uring by raw system calls.
 *
 * One thread, one ring: SINGLE_ISSUER with DEFER_TASKRUN (Linux 6.1) runs completions only inside our own enter, so
 * they come in batches and never interrupt. A kernel without them serves us better through epoll, and we say so. */
#include "wait/uring.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int enter(struct uring *ring, u32 to_submit, u32 min_complete, u32 flags, const void *arg, size_t arg_bytes)
{
    long r =
        syscall(SYS_URING_ENTER, ring->enter_fd, to_submit, min_complete, flags | ring->enter_flags, arg, arg_bytes);
    return r < 0 ? -errno : (int)r;
}

static int register_with(struct uring *ring, u32 operation, void *arg, u32 count)
{
    long r = syscall(SYS_URING_REGISTER, ring->fd, operation, arg, count);
    return r < 0 ? -errno : (int)r;
}

static const char *setup_reason(int error)
{
    switch (error) {
    case EPERM:
    case EACCES: return "the kernel refuses io_uring here (seccomp profile or sysctl kernel.io_uring_disabled)";
    case ENOSYS: return "this kernel has no io_uring";
    case EINVAL: return "io_uring here is older than Linux 6.1 (no IORING_SETUP_DEFER_TASKRUN)";
    case ENOMEM:
        return "the locked-memory limit is too small for a ring (raise it: ulimit -l, or LimitMEMLOCK= in systemd)";
    default: return strerror(error);
    }
}

static int map_rings(struct uring *ring, const struct uring_params *p)
{
    size_t sq_bytes = p->sq_off.array + p->sq_entries * sizeof(u32);
    size_t cq_bytes = p->cq_off.cqes + p->cq_entries * sizeof(struct uring_cqe);
    ring->rings_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
    ring->sqes_bytes = p->sq_entries * sizeof(struct uring_sqe);
    int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
    ring->rings = mmap(NULL, ring->rings_bytes, protection, flags, ring->fd, (off_t)OFF_SQ_RING);
    if (ring->rings == MAP_FAILED) {
        ring->rings = NULL;
        return -errno;
    }
    void *sqes = mmap(NULL, ring->sqes_bytes, protection, flags, ring->fd, (off_t)OFF_SQES);
    if (sqes == MAP_FAILED) return -errno;
    ring->sqes = sqes;
    u8 *base = ring->rings;
    ring->sq_head = (u32 *)(void *)(base + p->sq_off.head);
    ring->sq_tail = (u32 *)(void *)(base + p->sq_off.tail);
    ring->sq_mask = *(u32 *)(void *)(base + p->sq_off.ring_mask);
    ring->sq_entries = p->sq_entries;
    ring->cq_head = (u32 *)(void *)(base + p->cq_off.head);
    ring->cq_tail = (u32 *)(void *)(base + p->cq_off.tail);
    ring->cq_mask = *(u32 *)(void *)(base + p->cq_off.ring_mask);
    ring->cqes = (struct uring_cqe *)(void *)(base + p->cq_off.cqes);
    u32 *array = (u32 *)(void *)(base + p->sq_off.array);
    for (u32 i = 0; i < p->sq_entries; i++) array[i] = i; /* identity, for good: entry i is always SQE i */
    return 0;
}

static int set_up(struct uring *ring, u32 flags, u32 sq_entries, u32 cq_entries)
{
    struct uring_params p = {.flags = SETUP_CQSIZE | SETUP_CLAMP | SETUP_SUBMIT_ALL | flags, .cq_entries = cq_entries};
    *ring = (struct uring){.fd = -1};
    long fd = syscall(SYS_URING_SETUP, sq_entries, &p);
    if (fd < 0) return -errno;
    ring->fd = ring->enter_fd = (int)fd;
    u32 needed = FEAT_SINGLE_MMAP | FEAT_NODROP | FEAT_EXT_ARG;
    int failed = (p.features & needed) == needed ? map_rings(ring, &p) : -EINVAL;
    if (failed) uring_close(ring);
    return failed;
}

int uring_open(struct uring *ring, u32 sq_entries, u32 cq_entries, char *why, size_t why_bytes)
{
    int failed = set_up(ring, SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN, sq_entries, cq_entries);
    if (failed) {
        snprintf(why, why_bytes, "%s", setup_reason(-failed));
        return failed;
    }
    struct uring_rsrc_update update = {.offset = UINT32_MAX, .data = (u64)ring->fd};
    if (register_with(ring, REGISTER_RING_FDS, &update, 1) == 1) { /* saves the descriptor look-up: 50 ns an enter */
        ring->enter_fd = (int)update.offset;
        ring->enter_flags = ENTER_REGISTERED_RING;
    }
    u32 workers[2] = {4, 4}; /* the kernel's own default for sockets is the process limit: tens of thousands */
    (void)register_with(ring, REGISTER_IOWQ_MAX_WORKERS, workers, 2);
    return 0;
}

int uring_open_shared(struct uring *ring, u32 sq_entries, u32 files)
{
    int failed = set_up(ring, 0, sq_entries, 2 * sq_entries);
    if (failed) return failed;
    struct uring_rsrc_register table = {.nr = files, .flags = RSRC_REGISTER_SPARSE};
    failed = register_with(ring, REGISTER_FILES2, &table, sizeof table);
    if (failed < 0) uring_close(ring);
    return failed < 0 ? failed : 0;
}

void uring_close(struct uring *ring)
{
    if (ring->sqes) munmap(ring->sqes, ring->sqes_bytes);
    if (ring->rings) munmap(ring->rings, ring->rings_bytes);
    if (ring->fd >= 0) close(ring->fd);
    *ring = (struct uring){.fd = -1};
}

#define TRIES 100 /* a millisecond apart */

/* Errors that are no fault of the ring: an interruption, or no memory in the kernel at the moment. */
static bool passes(int r)
{
    return r == -EINTR || r == -EAGAIN || r == -EBUSY || r == -ENOMEM || r == -EBADR;
}

static u32 queued(const struct uring *ring)
{
    return ring->queued_tail - atomic_load_explicit((_Atomic u32 *)(void *)ring->sq_head, memory_order_acquire);
}

static u32 publish(struct uring *ring)
{
    atomic_store_explicit((_Atomic u32 *)(void *)ring->sq_tail, ring->queued_tail, memory_order_release);
    return queued(ring);
}

struct uring_sqe *uring_sqe(struct uring *ring)
{
    struct uring_sqe *sqe = &ring->spare;
    int tries = ring->refused ? 1 : TRIES;
    while (queued(ring) >= ring->sq_entries && tries-- > 0) {
        int r = enter(ring, publish(ring), 0, 0, NULL, 0);
        /* EBUSY: completions must be taken first; asking for events moves the kernel's overflow list on. */
        if (r == -EBUSY) r = enter(ring, 0, 0, ENTER_GETEVENTS, NULL, 0);
        if (r == -EBADR) ring->lost = true;
        TUX_ASSERT(r >= 0 || passes(r));
        if (r < 0 && r != -EINTR && tries > 0) (void)poll(NULL, 0, 1);
    }
    ring->refused = queued(ring) >= ring->sq_entries;
    if (!ring->refused) sqe = &ring->sqes[ring->queued_tail++ & ring->sq_mask];
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

int uring_submit_and_wait(struct uring *ring, int timeout_ms)
{
    struct { i64 s, ns; } limit = {timeout_ms / 1000, (i64)(timeout_ms % 1000) * 1000000};
    struct uring_getevents_arg arg = {.ts = timeout_ms > 0 ? (u64)(uintptr_t)&limit : 0};
    if (ring->lost && ring->refused) (void)poll(NULL, 0, 1);
    int r = ring->lost ? -EBADR : 0;
    ring->lost = false;
    if (r == 0) r = enter(ring, publish(ring), timeout_ms != 0, ENTER_GETEVENTS | ENTER_EXT_ARG, &arg, sizeof arg);
    return r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY ? 0 : r;
}

void uring_complete(struct uring *ring, u32 count, uring_reap reap, void *context)
{
    int tries = TRIES;
    while (count > 0) {
        int r = enter(ring, publish(ring), count, ENTER_GETEVENTS, NULL, 0);
        TUX_ASSERT(r >= 0 || passes(r));
        u32 left = queued(ring);
        if (left > 0 && tries-- <= 0) { /* the kernel looks at the tail only while it is entered */
            ring->queued_tail -= left;
            (void)publish(ring);
            count -= left;
        } else if (r < 0 && r != -EINTR) {
            (void)poll(NULL, 0, 1);
        }
        u32 tail = atomic_load_explicit((_Atomic u32 *)(void *)ring->cq_tail, memory_order_acquire);
        u32 head = *ring->cq_head;
        for (; head != tail && count > 0; head++, count--) reap(context, &ring->cqes[head & ring->cq_mask]);
        atomic_store_explicit((_Atomic u32 *)(void *)ring->cq_head, head, memory_order_release);
    }
}

int uring_buffers_open(struct uring *ring, struct uring_buffers *buffers, u32 entries, u32 bytes)
{
    *buffers = (struct uring_buffers){.entries = entries,
                                      .bytes = bytes,
                                      .ring_bytes = entries * sizeof(struct uring_buf),
                                      .memory_bytes = (size_t)entries * bytes};
    int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *table = mmap(NULL, buffers->ring_bytes, protection, flags, -1, 0);
    void *memory = mmap(NULL, buffers->memory_bytes, protection, flags | MAP_NORESERVE, -1, 0);
    buffers->ring = table == MAP_FAILED ? NULL : table;
    buffers->memory = memory == MAP_FAILED ? NULL : memory;
    if (!buffers->ring || !buffers->memory) {
        uring_buffers_close(buffers);
        return -ENOMEM;
    }
    struct uring_buf_reg reg = {.ring_addr = (u64)(uintptr_t)table, .ring_entries = entries, .bgid = 0};
    int failed = register_with(ring, REGISTER_PBUF_RING, &reg, 1);
    if (failed < 0) {
        uring_buffers_close(buffers);
        return failed;
    }
    for (u32 i = 0; i < entries; i++) uring_buffers_give(buffers, (u16)(entries - 1 - i));
    return 0;
}

void uring_buffers_close(struct uring_buffers *buffers)
{
    if (buffers->ring) munmap(buffers->ring, buffers->ring_bytes);
    if (buffers->memory) munmap(buffers->memory, buffers->memory_bytes);
    *buffers = (struct uring_buffers){0};
}

void uring_buffers_give(struct uring_buffers *buffers, u16 bid)
{
    struct uring_buf *entry = &buffers->ring[buffers->tail & (buffers->entries - 1)];
    entry->addr = (u64)(uintptr_t)(buffers->memory + (size_t)bid * buffers->bytes);
    entry->len = buffers->bytes;
    entry->bid = bid;
    buffers->tail++;
    atomic_store_explicit((_Atomic u16 *)(void *)&buffers->ring[0].tail, buffers->tail, memory_order_release);
}
