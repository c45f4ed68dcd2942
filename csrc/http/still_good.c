/* still_good.c: does the open file still have the bytes that the head has announced?
 *
 * Before an answer begins, size and times decide. Once it has begun, the client knows a length, and a file that only
 * became longer, or was touched, still has those bytes:
 *
 *   shorter                                   no
 *   as it was, or linked, renamed, removed    yes
 *   touched, and not written to               yes: inotify(7) reports the two differently
 *   written through a mapping                 no: the times change and no event comes
 *   written to, and its date restored         no
 *   written to, longer or of the same size    if the samples of its bytes are the same
 *   no watch and no samples                   if it became longer; touching it ends the download
 */
#include "http/response.h"

#include <sched.h>
#include <unistd.h>

#define EVENT_LOOKS 4

/* Without ctime, which also changes when the name is removed, as every deploy by rename does. */
bool tux_response_file_holds(const struct tux_response *r)
{
    struct stat st;
    if (r->file < 0) return true;
    return tux_file_look(r->file, &st) == 0 && (u64)st.st_size == r->file_size &&
           tux_version_of(&st).mtime_ns == r->version.mtime_ns;
}

/* Has an event come? The kernel sends it just after it changes the times, so wait a moment for it. */
static bool has_event(struct tux_response *r)
{
    for (int i = 0; i < EVENT_LOOKS; i++) {
        tux_watches_read(r->watches);
        if (r->watch->written != r->written || r->watch->touched != r->touched) return true;
        (void)sched_yield();
    }
    return false;
}

/* The times or the size have changed, but it is not shorter. */
static bool still_good(struct tux_response *r, const struct tux_version *now, u64 size)
{
    bool grown = size > r->file_size, as_promised = now->mtime_ns == r->version.mtime_ns && !grown;
    bool sampled = r->samples && r->samples->taken > 0;
    bool written = r->watch && (tux_watches_read(r->watches), r->watch->written != r->written);
    bool all = written && !grown; /* then a sample that cannot be read counts as different */
    bool same = sampled && tux_samples_hold(r->samples, r->file, grown ? TUX_SAMPLES_GROWN : TUX_SAMPLES_MAX, all);
    if (sampled && !same) return false;
    if (grown) return true;
    if (as_promised) return !written;
    if (!r->watch || r->watch->wd < 0) return false;
    if (!has_event(r)) return false;
    if (r->watch->written == r->written) return true;
    return sampled && (all || tux_samples_hold(r->samples, r->file, TUX_SAMPLES_MAX, true));
}

/* A write sets the times first and then its bytes, one after the other. So the file is compared again, soon after a
 * change, until no write(2) can still be under way. */
bool tux_response_file_still_good(struct tux_response *r, i64 wall_ns, bool last)
{
    struct stat st;
    if (r->file < 0) return true;
    if (tux_file_look(r->file, &st) < 0 || (u64)st.st_size < r->file_size) return false;
    struct tux_version now = tux_version_of(&st);
    bool known = now.mtime_ns == r->latest.mtime_ns && now.ctime_ns == r->latest.ctime_ns;
    bool settled = wall_ns - now.ctime_ns > TUX_WRITE_NS;
    if (known && (u64)st.st_size == r->latest_size && (settled || !last)) return true;
    if (!still_good(r, &now, (u64)st.st_size)) return false;
    if (!settled) return true;
    r->latest = now;
    r->latest_size = (u64)st.st_size;
    if (r->watch) {
        tux_watches_read(r->watches);
        r->written = r->watch->written;
        r->touched = r->watch->touched;
    }
    return true;
}

/* Watch and samples belong to the announced version only if the file still has it after they were taken. */
void tux_response_file_watch(struct tux_response *r, struct tux_watches *watches)
{
    if (r->file < 0 || r->far || (r->samples && r->samples->taken == r->samples->count)) return;
    if (!r->watches && r->file_size >= TUX_WATCHED_BYTES) {
        r->watches = watches;
        r->watch = tux_watch_begin(watches, r->file);
        tux_watches_read(watches);
        if (r->watch) {
            r->written = r->watch->written;
            r->touched = r->watch->touched;
        }
        if (r->watch && !tux_response_file_holds(r)) {
            tux_watch_end(watches, r->watch);
            r->watch = NULL;
        }
    }
    if (!r->samples) r->samples = tux_samples_open(r->file_size, (u64)(uintptr_t)r ^ (u64)r->version.mtime_ns);
    if (!r->samples) return;
    u32 count = tux_samples_read(r->samples, r->file);
    if (tux_response_file_holds(r)) r->samples->taken += count;
}

/* A write(2) sets the times before its bytes, so the judge may have seen the date of a version that is not complete.
 * ext4, Btrfs and tmpfs write with the inode locked and look for a hole under the same lock; XFS locks each read. The
 * position, which this moves, is not used. */
void tux_response_file_await_writer(const struct tux_response *r) { (void)lseek(r->file, 0, SEEK_HOLE); }

bool tux_response_file_is_young(const struct tux_response *r, i64 wall_ns)
{
    i64 age_ns = wall_ns - r->version.mtime_ns; /* negative: a date in the future says nothing */
    return r->file >= 0 && age_ns < TUX_YOUNG_NS && age_ns > -TUX_YOUNG_NS;
}
