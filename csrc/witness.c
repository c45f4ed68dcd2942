/* witness.c: a name is looked up with the judge's own restrictions. Else a directory that was moved out of the root,
 * and is now led to by a link, would still be found, though nobody may be served from there. */
#include "witness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* openat2(2): RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH */
static const u64 resolve[] = {
    [TUX_LINKS_INSIDE] = 0x02 | 0x08, [TUX_LINKS_NONE] = 0x02 | 0x04 | 0x08, [TUX_LINKS_ALL] = 0x02};

#define TUX_RACES_MAX 8 /* EAGAIN: a rename was in the way of RESOLVE_BENEATH */

static int stat_name(const struct tux_witness *w, struct stat *st)
{
    const char *path = w->path[0] ? w->path : ".";
    struct { u64 flags, mode, resolve; } how = {O_PATH | O_CLOEXEC, 0, resolve[w->facts.links]};
    long fd = -1;
    for (int i = 0; i < TUX_RACES_MAX; i++) {
        fd = syscall(SYS_OPENAT2, w->root_fd, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) break;
    }
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* an old kernel, or one that refuses: the judge walks by hand */
        return fstatat(w->root_fd, path, st, 0) < 0 ? -errno : 0;
    if (fd < 0) return -errno;
    int failed = fstat((int)fd, st) < 0 ? -errno : 0;
    close((int)fd);
    return failed;
}

bool tux_witness_holds(const struct tux_witness *w)
{
    struct stat st;
    const struct tux_witness_facts *f = &w->facts;
    int failed = stat_name(w, &st);
    if (failed) return f->ino == 0 && (failed == -ENOENT || failed == -ENOTDIR || failed == -ENAMETOOLONG);
    return f->ino == st.st_ino && f->dev == st.st_dev && f->size == (u64)st.st_size &&
           f->mtime_ns == (i64)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec &&
           f->ctime_ns == (i64)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}
