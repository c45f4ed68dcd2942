/* call_bytes.c: read(2), write(2) and their relatives, for files and for everything else that carries bytes.
 *
 * A call on a file that would block goes to a worker; all other descriptors can be polled. */
#include "chain/call.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "chain/callkit.h"
#include "base/file_abi.h"

#define OWN_POSITION (-1)

/* The memory that a call names: one or two pieces, each followed by its length. */
struct pieces {
    struct iovec piece[2];
    long count;
};

static bool pieces_of(const struct tux_run *run, const struct tux_atom *atom, long count, struct pieces *out)
{
    out->count = count;
    for (unsigned i = 0; i < (unsigned)count; i++) {
        u64 length = (u64)tux_arg(run, atom, 2 * i + 2);
        u8 *memory = tux_memory(run, atom, 2 * i + 1, length);
        if (!memory) return false;
        out->piece[i] = (struct iovec){memory, length};
    }
    return true;
}

/* preadv2(2) and pwritev2(2), which some C libraries (musl before 1.2.5) do not have; the offset is one register on
 * 64-bit machines. */
static i64 read_with_flags(int fd, const struct pieces *p, i64 offset, int flags)
{
    return tux_result_of(syscall(SYS_preadv2, fd, p->piece, p->count, offset, 0L, flags));
}

static i64 write_with_flags(int fd, const struct pieces *p, i64 offset, int flags)
{
    return tux_result_of(syscall(SYS_pwritev2, fd, p->piece, p->count, offset, 0L, flags));
}

typedef i64 (*transfer)(int fd, const struct pieces *p, i64 offset, int flags);

/* Now or not at all: -EAGAIN if it would have blocked. For kinds of files that do not know RWF_NOWAIT, poll says
 * whether it would. */
static i64 at_once(transfer move, int access, int fd, const struct pieces *p, i64 offset)
{
    i64 n = move(fd, p, offset, RWF_NOWAIT);
    if ((n != -EOPNOTSUPP && n != -EPERM && n != -ENOSYS) || tux_is_file(fd)) return n;
    struct tux_quiet quiet;
    struct pollfd ready = {.fd = fd, .events = access == O_RDONLY ? POLLIN : POLLOUT};
    if (poll(&ready, 1, 0) == 0) return -EAGAIN; /* also a fifo without a writer yet: read would report the end */
    int failed = tux_quiet_open(&quiet, fd, access);
    if (failed) return failed;
    n = move(quiet.fd, p, offset, 0);
    if (n == -ENOSYS && offset == OWN_POSITION) /* refused by seccomp, or from before Linux 4.6 */
        n = tux_result_of(access == O_RDONLY ? readv(quiet.fd, p->piece, (int)p->count)
                                             : writev(quiet.fd, p->piece, (int)p->count));
    tux_quiet_close(&quiet);
    return n;
}

/* One read, as soon as there are bytes. */
static i64 read_at(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, const struct pieces *p,
                   i64 offset)
{
    int fd = (int)tux_arg(run, atom, 0);
    for (;;) {
        if (stage->place != TUX_ON_ENGINE) {
            i64 n = read_with_flags(fd, p, offset, 0);
            if (n != -EAGAIN && n != -EINTR) return n;
        } else {
            if ((atom->flags & SYSLET_ASYNC) && tux_is_file(fd)) return tux_cold(run, atom);
            i64 n = at_once(read_with_flags, O_RDONLY, fd, p, offset);
            if (n == -EINTR) continue;
            if (n != -EAGAIN && n != -EOPNOTSUPP && n != -EPERM && n != -ENOSYS) return n;
            if (tux_is_file(fd)) return tux_cold(run, atom);
        }
        i64 wait = tux_await(stage, run, atom, fd, POLLIN);
        if (wait != 0) return wait;
    }
}

static i64 perform_read(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, long count,
                        i64 offset)
{
    i64 landed;
    struct pieces p;
    if (tux_take_landed(run, &landed) && (run->woken_for == TUX_WAIT_COLD || landed < 0)) return landed;
    if (!pieces_of(run, atom, count, &p)) return tux_fault(run);
    if (offset < OWN_POSITION) return -EINVAL;
    return read_at(stage, run, atom, &p, offset);
}

i64 tux_call_read(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return perform_read(stage, run, atom, 1, OWN_POSITION);
}

i64 tux_call_readv(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return perform_read(stage, run, atom, 2, OWN_POSITION);
}

i64 tux_call_pread(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 offset = tux_arg(run, atom, 3);
    return perform_read(stage, run, atom, 1, offset == OWN_POSITION ? INT64_MIN : offset);
}

static i64 perform_write(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, long count,
                         i64 offset)
{
    i64 landed;
    struct pieces p;
    if (tux_take_landed(run, &landed) && (run->woken_for == TUX_WAIT_COLD || landed < 0)) return landed;
    int fd = (int)tux_arg(run, atom, 0);
    if (!pieces_of(run, atom, count, &p)) return tux_fault(run);
    if (offset < OWN_POSITION) return -EINVAL;
    while (stage->place == TUX_ON_ENGINE) {
        if (tux_is_file(fd)) return tux_cold(run, atom);
        i64 n = at_once(write_with_flags, O_WRONLY, fd, &p, offset);
        if (n == -EINTR) continue;
        return n == -EAGAIN ? tux_await_room(stage, run, atom, fd) : n;
    }
    return write_with_flags(fd, &p, offset, 0);
}

i64 tux_call_write(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return perform_write(stage, run, atom, 1, OWN_POSITION);
}

i64 tux_call_writev(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return perform_write(stage, run, atom, 2, OWN_POSITION);
}

i64 tux_call_pwrite(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 offset = tux_arg(run, atom, 3);
    return perform_write(stage, run, atom, 1, offset == OWN_POSITION ? INT64_MIN : offset);
}
