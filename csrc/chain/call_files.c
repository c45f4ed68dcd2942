/* call_files.c: the calls of the white list that concern files and names.
 *
 * Nearly all of them may wait for a disk, and have no flag against that, so an engine hands them to a worker at once.
 * The exception is statx: the inode of a name that openat2 finds with RESOLVE_CACHED is in memory. */
#include "chain/call.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "chain/callkit.h"
#include "base/file_abi.h"

#define STATX_BYTES 256u /* struct statx */
#define EMPTY_PATH 0x1000 /* AT_EMPTY_PATH */
#define STATX_FLAGS (0x6000 | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW) /* 0x6000: how fresh a network file must be */

static int fd_of(const struct tux_run *run, const struct tux_atom *atom, unsigned i)
{
    return (int)tux_arg(run, atom, i);
}

static const char *path_of(const struct tux_run *run, const struct tux_atom *atom, unsigned i)
{
    return (const char *)tux_memory(run, atom, i, 1);
}

/* The facts of an open descriptor are in memory, so the name is opened first. */
static i64 statx_cached(int directory, const char *path, int flags, u32 mask, u8 *out)
{
    struct tux_open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = TUX_RESOLVE_CACHED};
    if (flags & AT_SYMLINK_NOFOLLOW) how.flags |= O_NOFOLLOW;
    bool is_wrong = (flags & ~STATX_FLAGS) || (flags & 0x6000) == 0x6000 || (mask & 0x80000000u);
    if (path[0] == 0 || is_wrong) /* no name to look up, or the kernel refuses before it looks one up */
        return tux_result_of(syscall(SYS_statx, directory, path, flags, mask, out));
    int fd = (int)syscall(SYS_OPENAT2, directory, path, &how, sizeof how);
    if (fd < 0) return -(i64)errno;
    i64 result = tux_result_of(syscall(SYS_statx, fd, "", (flags & 0x6000) | EMPTY_PATH, mask, out));
    close(fd);
    return result;
}

i64 tux_call_statx(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 landed;
    u64 length = (u64)tux_arg(run, atom, 5);
    u8 *out = tux_memory(run, atom, 4, length);
    if (!out || length != STATX_BYTES) return tux_fault(run);
    if (tux_take_landed(run, &landed)) return landed;
    int directory = fd_of(run, atom, 0), flags = fd_of(run, atom, 2);
    u32 mask = (u32)tux_arg(run, atom, 3);
    const char *path = path_of(run, atom, 1);
    if (stage->place != TUX_ON_ENGINE)
        return tux_result_of(syscall(SYS_statx, directory, path, flags, mask, out));
    if (atom->flags & SYSLET_ASYNC) return tux_cold(run, atom);
    if (flags & EMPTY_PATH && path[0] != 0) return tux_cold(run, atom); /* O_PATH would look up the name anyway */
    i64 result = statx_cached(directory, path, flags, mask, out);
    return result == -EAGAIN || result == -EINVAL || result == -EMFILE || result == -ENFILE ? tux_cold(run, atom)
                                                                                         : result;
}

i64 tux_call_getdents64(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    u64 length = (u64)tux_arg(run, atom, 2);
    u8 *buffer = tux_memory(run, atom, 1, length);
    if (!buffer) return tux_fault(run);
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(syscall(SYS_getdents64, fd_of(run, atom, 0), buffer, length));
}

i64 tux_call_fsync(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(fsync(fd_of(run, atom, 0)));
}

i64 tux_call_fdatasync(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(fdatasync(fd_of(run, atom, 0)));
}

i64 tux_call_fallocate(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(fallocate(fd_of(run, atom, 0), (int)tux_arg(run, atom, 1), (off_t)tux_arg(run, atom, 2),
                                   (off_t)tux_arg(run, atom, 3)));
}

i64 tux_call_ftruncate(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(ftruncate(fd_of(run, atom, 0), (off_t)tux_arg(run, atom, 1)));
}

i64 tux_call_renameat2(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(syscall(SYS_renameat2, fd_of(run, atom, 0), path_of(run, atom, 1), fd_of(run, atom, 2),
                                 path_of(run, atom, 3), (unsigned)tux_arg(run, atom, 4)));
}

i64 tux_call_unlinkat(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(unlinkat(fd_of(run, atom, 0), path_of(run, atom, 1), (int)tux_arg(run, atom, 2)));
}

i64 tux_call_mkdirat(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(mkdirat(fd_of(run, atom, 0), path_of(run, atom, 1), (mode_t)tux_arg(run, atom, 2)));
}

/* WILLNEED blocks until the reads are queued. */
i64 tux_call_fadvise64(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return -(i64)posix_fadvise(fd_of(run, atom, 0), (off_t)tux_arg(run, atom, 1), (off_t)tux_arg(run, atom, 2),
                               (int)tux_arg(run, atom, 3));
}

i64 tux_call_readahead(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    if (tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(readahead(fd_of(run, atom, 0), (off_t)tux_arg(run, atom, 1), (size_t)tux_arg(run, atom, 2)));
}
