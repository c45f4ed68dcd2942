/* resident.c: which system call is right about pages in memory.
 *
 *   cachestat(2)  counts pages, Linux 6.5; also those that are still being read, so its no is certain and its yes is
 *                 not. 0 on overlayfs, whose pages lie under another file. Since 6.14 EPERM unless the caller owns the
 *                 file or may write it. 0.3 + 7.7 µs a MiB of pages of 4 KiB.
 *   RWF_NOWAIT    right for every caller, but it tests single bytes, so a hole between two of them stays unseen. ext4,
 *                 XFS, btrfs; not overlayfs, not FUSE. Begins to read absent bytes. 0.2 µs a byte.
 *   mincore(2)    exact, also on overlayfs and FUSE, but needs a mapping, and says "all in memory" to callers that
 *                 cachestat refuses, so those must not use it. 4 + 18 µs a MiB.
 *
 * A wrong no costs a trip to a worker, a wrong yes stalls the engine, so "unknown" counts as no. In all a window costs
 * the engine's thread 1.5 µs for 64 KiB and 15 for 1 MiB, on overlayfs 6 and 25; and 0.3 while the finding is believed
 * (TUX_KNOWN_MS). On overlayfs that saves a fifth of the CPU of 100 KiB, a tenth of that of 1 MiB. */
#include "base/resident.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file_abi.h"

#define PROBE_STEP (64u << 10)      /* the kernel reads more than that at a time */
#define READ_AHEAD_STEP (128u << 10)
#define PAGE_BYTES_LEAST 4096

enum tux_store tux_store_of_type(u64 type)
{
    switch (type & 0xFFFFFFFFu) { /* some are given as negative numbers */
    case 0x01021994u:             /* tmpfs, memfd_create(2) */
    case 0x858458F6u:             /* ramfs */
    case 0x958458F6u:             /* hugetlbfs */
        return TUX_STORE_MEMORY;
    case 0x794C7630u: /* overlayfs */
    case 0x61756673u: /* aufs */
        return TUX_STORE_STACKED;
    case 0x00006969u: /* NFS */
    case 0x0000517Bu: /* SMB */
    case 0xFE534D42u: /* SMB2 */
    case 0xFF534D42u: /* CIFS */
    case 0x00C36400u: /* Ceph */
    case 0x01021997u: /* 9P */
    case 0x5346414Fu: /* AFS */
    case 0x6B414653u: /* the kernel's AFS */
    case 0x73757245u: /* Coda */
    case 0x0BD00BD0u: /* Lustre */
    case 0x47504653u: /* GPFS */
    case 0x786F4256u: /* VirtualBox folders */
        return TUX_STORE_FAR;
    default: /* also FUSE: cached pages need no answer of its program; what it never caches is found later */
        return TUX_STORE_CACHED;
    }
}

enum tux_store tux_store_of(int fd)
{
    struct statfs s;
    while (fstatfs(fd, &s) < 0)
        if (errno != EINTR) return TUX_STORE_FAR;
    return tux_store_of_type((u64)s.f_type);
}

/* preadv2(2), which some C libraries (musl before 1.2.5) do not have; the offset is one register on 64-bit machines. */
static long read_now(int fd, u64 at)
{
    u8 byte;
    const struct iovec one = {&byte, 1};
    return syscall(SYS_preadv2, fd, &one, 1L, at, 0L, RWF_NOWAIT);
}

static enum tux_resident by_reading(int fd, u64 from, u64 to)
{
    for (u64 at = from;; at = tux_min_u64(at + PROBE_STEP, to - 1)) {
        long n = read_now(fd, at);
        if (n < 0) return errno == EAGAIN || errno == EINTR ? TUX_ABSENT : TUX_UNSURE;
        if (n == 0) return TUX_ABSENT; /* beyond its end, or a fault of old kernels in the middle */
        if (at == to - 1) return TUX_RESIDENT;
    }
}

/* Would mincore(2) tell us? Exactly the callers that it tells may set O_NOATIME (fcntl(2)). */
static bool is_ours(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_NOATIME)) return flags >= 0;
    if (fcntl(fd, F_SETFL, flags | O_NOATIME) < 0) return false;
    (void)fcntl(fd, F_SETFL, flags);
    return true;
}

static enum tux_resident by_mapping(int fd, u64 from, u64 to, u64 page)
{
    u8 there[TUX_WINDOW_BYTES / PAGE_BYTES_LEAST + 1];
    u64 first = from - from % page, pages = (to - first + page - 1) / page;
    if (!is_ours(fd) || pages > sizeof there) return TUX_UNSURE;
    void *mapped = mmap(NULL, to - first, PROT_READ, MAP_SHARED, fd, (off_t)first);
    if (mapped == MAP_FAILED) return TUX_UNSURE;
    int failed = mincore(mapped, to - first, there);
    (void)munmap(mapped, to - first);
    if (failed) return TUX_UNSURE;
    for (u64 i = 0; i < pages; i++)
        if (!(there[i] & 1)) return TUX_ABSENT;
    return TUX_RESIDENT;
}

enum tux_resident tux_resident(enum tux_store store, int fd, u64 from, u64 to)
{
    u64 page = (u64)sysconf(_SC_PAGESIZE);
    struct { u64 off, len; } range = {from, to - from};
    struct { u64 cache, dirty, writeback, evicted, recently_evicted; } state;
    if (store == TUX_STORE_MEMORY || from >= to) return TUX_RESIDENT;
    if (store == TUX_STORE_STACKED) return by_mapping(fd, from, to, page);
    if (store != TUX_STORE_CACHED) return TUX_UNSURE;
    bool counted = syscall(SYS_CACHESTAT, fd, &range, &state, 0) == 0, unknown = !counted && errno == ENOSYS;
    if (counted && state.cache < (to + page - 1) / page - from / page) return TUX_ABSENT;
    enum tux_resident told = unknown ? by_mapping(fd, from, to, page) : by_reading(fd, from, to);
    if (told != TUX_UNSURE) return told;
    return unknown ? by_reading(fd, from, to) : by_mapping(fd, from, to, page);
}

/* All of it at once, in pieces that no device cuts short: the kernel silently limits a piece to the larger of its
 * request size and its own read-ahead. */
void tux_read_ahead(int fd, u64 from, u64 to)
{
    for (; from < to; from += READ_AHEAD_STEP) {
        if (readahead(fd, (off_t)from, tux_min_u64(to - from, READ_AHEAD_STEP)) < 0) return;
        (void)sched_yield(); /* let an engine on this processor run, here and below: the scheduler's slice is 0.7 ms */
    }
}

/* Request the pages, then wait for them by reading. The copy is thrown away; the pages stay. On a disk of 5 ms a
 * request 1 MiB takes 6.5 ms, against 29 ms by reading alone, and 4 MiB take 14 ms, against 78 by one readahead(2).
 * Without the copy, by sendfile(2) to /dev/null, it takes as long. */
i64 tux_read_in(int fd, u64 from, u64 to)
{
    u8 copy[16384];
    tux_read_ahead(fd, from, to);
    while (from < to) {
        ssize_t n = pread(fd, copy, tux_min_u64(to - from, sizeof copy), (off_t)from);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EIO) return -EIO; /* the engine must not try that */
        if (n <= 0) break; /* it has become shorter, or sendfile cannot read it: sendfile will report that */
        from += (u64)n;
        (void)sched_yield();
    }
    return (i64)from;
}
