/* witness.c: a name is looked up with the judge's own restrictions. Without them a directory that was moved out of the
 * root, and to which a link leads now, would still be found, though it must not be served. */
#include "http/witness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file_abi.h"
#include "base/resident.h"

static const u64 resolve[] = {
    [TUX_LINKS_INSIDE] = TUX_RESOLVE_NO_MAGICLINKS | TUX_RESOLVE_BENEATH,
    [TUX_LINKS_NONE] = TUX_RESOLVE_NO_MAGICLINKS | TUX_RESOLVE_NO_SYMLINKS | TUX_RESOLVE_BENEATH,
    [TUX_LINKS_ALL] = TUX_RESOLVE_NO_MAGICLINKS,
};

#define TUX_RACES_MAX 8 /* EAGAIN: a rename was in the way of RESOLVE_BENEATH */

static const char *path_of(const struct tux_witness *w) { return w->path[0] ? w->path : "."; }

static int stat_name(const struct tux_witness *w, struct stat *st)
{
    struct tux_open_how how = {O_PATH | O_CLOEXEC, 0, resolve[w->facts.links]};
    long fd = -1;
    for (int i = 0; i < TUX_RACES_MAX; i++) {
        fd = syscall(SYS_OPENAT2, w->root_fd, path_of(w), &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) break;
    }
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* an old kernel, or openat2 is refused */
        return fstatat(w->root_fd, path_of(w), st, 0) < 0 ? -errno : 0;
    if (fd < 0) return -errno;
    int failed = fstat((int)fd, st) < 0 ? -errno : 0;
    close((int)fd);
    return failed;
}

static bool is_absence(int failed) { return failed == -ENOENT || failed == -ENOTDIR || failed == -ENAMETOOLONG; }

bool tux_witness_holds(const struct tux_witness *w)
{
    struct stat st;
    const struct tux_witness_facts *f = &w->facts;
    int failed = stat_name(w, &st);
    if (failed) return f->ino == 0 && is_absence(failed);
    return f->ino == st.st_ino && f->dev == st.st_dev && f->size == (u64)st.st_size &&
           f->mtime_ns == (i64)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec &&
           f->ctime_ns == (i64)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

static i64 ns_of(const struct statx_timestamp *t) { return t->tv_sec * 1000000000 + t->tv_nsec; }

/* Absent names need an entry in the kernel's cache of names, as present ones do. */
enum tux_sight tux_witness_look(const struct tux_witness *w, bool in_memory)
{
    struct tux_open_how how = {O_PATH | O_CLOEXEC, 0, resolve[w->facts.links] | (in_memory ? 0 : TUX_RESOLVE_CACHED)};
    struct statx s;
    const struct tux_witness_facts *f = &w->facts;
    int fd = (int)syscall(SYS_OPENAT2, w->root_fd, path_of(w), &how, sizeof how);
    if (fd < 0 && is_absence(-errno)) return f->ino == 0 ? TUX_SAME : TUX_OTHER;
    if (fd < 0 && (errno == EXDEV || errno == ELOOP || errno == EACCES)) return TUX_OTHER;
    if (fd < 0) return TUX_UNSEEN; /* also EINVAL: Linux before 5.12 */
    bool seen = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &s) == 0;
    close(fd);
    if (!seen) return TUX_UNSEEN;
    bool same = f->ino == s.stx_ino && f->dev == makedev(s.stx_dev_major, s.stx_dev_minor) && f->size == s.stx_size &&
                f->mtime_ns == ns_of(&s.stx_mtime) && f->ctime_ns == ns_of(&s.stx_ctime);
    return same ? TUX_SAME : TUX_OTHER;
}

u64 tux_witness_root_dev(const struct tux_witness *w)
{
    struct statx s;
    if (statx(w->root_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &s) < 0) return 0;
    return makedev(s.stx_dev_major, s.stx_dev_minor);
}

enum tux_place_kind tux_place_of_type(u64 type)
{
    if ((type & 0xFFFFFFFFu) == 0x65735546u) return TUX_PLACE_FAR; /* FUSE: its program may hang */
    switch (tux_store_of_type(type)) {
    case TUX_STORE_FAR: return TUX_PLACE_FAR;
    case TUX_STORE_MEMORY: return TUX_PLACE_MEMORY;
    default: return TUX_PLACE_DISK;
    }
}

static enum tux_place_kind place_of(int fd)
{
    struct statfs s;
    while (fstatfs(fd, &s) < 0)
        if (errno != EINTR) return TUX_PLACE_FAR;
    return tux_place_of_type((u64)s.f_type);
}

enum tux_place_kind tux_witness_place(const struct tux_witness *w)
{
    struct tux_open_how how = {O_PATH | O_CLOEXEC, 0, resolve[w->facts.links]};
    int fd = (int)syscall(SYS_OPENAT2, w->root_fd, path_of(w), &how, sizeof how);
    if (fd < 0) return place_of(w->root_fd);
    enum tux_place_kind kind = place_of(fd);
    close(fd);
    return kind;
}
