/* response.c: responses are immutable but for their Date. To renew it while the old bytes are being sent, new bytes are
 * made. */
#include "http/response.h"

#include "http/ranged.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const bool calls_of_a_response[TUX_CALLS_MAX] = {
    [TUX_CALL_send] = true, [TUX_CALL_sendfile] = true, [TUX_CALL_shutdown] = true, [TUX_CALL_discard] = true,
    [TUX_CALL_setsockopt] = true, [TUX_CALL_umem_add] = true,
};

/* A response runs inside a connection: its cells live in the run, it owns no descriptor and no buffer. */
static int verify_shape(const struct tux_chain *chain, const struct tux_response_options *options, u16 cells[2],
                        char *error)
{
    unsigned params = 0;
    cells[0] = cells[1] = TUX_NONE16;
    for (u16 i = 0; i < chain->cells; i++) {
        if (chain->cell[i].kind == TUX_FD || chain->cell[i].kind == TUX_BUFFER) {
            snprintf(error, TUX_ERROR_BYTES, "cell %u: a response owns neither descriptors nor buffers", i);
            return -EINVAL;
        }
        if (!(chain->cell[i].mode & TUX_CELL_PARAM)) continue;
        if (params < 2) cells[params] = i;
        params++;
    }
    if (chain->cells > TUX_INNER_CELLS_MAX || params > 2 || params == 0) {
        snprintf(error, TUX_ERROR_BYTES,
                 "a response has at most %d cells and one or two parameters: the connection and the file",
                 TUX_INNER_CELLS_MAX);
        return -EINVAL;
    }
    if (chain->budget != 0) { /* the connection's run counts the steps, so the budget would have no effect */
        snprintf(error, TUX_ERROR_BYTES, "a response has no step budget of its own");
        return -EINVAL;
    }
    i64 at = options->date_at;
    if (at >= 0 && (u64)at + TUX_DATE_BYTES > chain->data_bytes) {
        snprintf(error, TUX_ERROR_BYTES, "the Date lies outside the response's data");
        return -EINVAL;
    }
    return 0;
}

static int copy_witnesses(struct tux_response *r, const struct tux_response_options *options)
{
    for (u32 i = 0; i < options->witness_count; i++) {
        const struct tux_witness_facts *facts = &options->witnesses[i];
        if (facts->links > TUX_LINKS_ALL) return -EINVAL;
        char *path = strndup(facts->path, TUX_PATH_BYTES_MAX);
        if (!path) return -ENOMEM;
        r->witness[r->witness_count++] = (struct tux_witness){.root_fd = facts->root_fd, .path = path, .facts = *facts};
        r->bytes += strlen(path) + 1;
    }
    return 0;
}

static struct timespec time_of(const struct statx_timestamp *t)
{
    return (struct timespec){.tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec};
}

int tux_file_look(int fd, struct stat *st)
{
    struct statx s;
    const unsigned wanted = STATX_INO | STATX_SIZE | STATX_MTIME | STATX_CTIME;
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, wanted, &s) < 0)
        return errno == ENOSYS || errno == EPERM ? fstat(fd, st) : -1; /* an old kernel, or one that refuses it */
    *st = (struct stat){.st_dev = makedev(s.stx_dev_major, s.stx_dev_minor), .st_ino = s.stx_ino,
                        .st_size = (off_t)s.stx_size,
                        .st_mtim = time_of(&s.stx_mtime), .st_ctim = time_of(&s.stx_ctime)};
    return 0;
}

/* The head describes the file that the judge saw, so those facts count, and not today's fstat(2). */
static int learn_file(struct tux_response *r)
{
    struct stat st;
    for (unsigned i = 0; r->far && i < r->witness_count && r->job.place == 0; i++)
        r->job.place = r->witness[i].facts.dev;
    if (r->file < 0) return 0;
    if (tux_file_look(r->file, &st) < 0) return -errno;
    if (r->far) r->job.place = st.st_dev;
    r->file_size = (u64)st.st_size;
    r->version = tux_version_of(&st);
    if (r->users) r->bytes += r->file_size;
    for (unsigned i = 0; i < r->witness_count; i++) {
        const struct tux_witness_facts *f = &r->witness[i].facts;
        if (f->ino != st.st_ino || f->dev != st.st_dev) continue;
        r->file_size = f->size;
        r->version = (struct tux_version){.mtime_ns = f->mtime_ns, .ctime_ns = f->ctime_ns};
        r->file_is_watched = true;
    }
    r->latest = r->version;
    r->latest_size = r->file_size;
    r->bytes += tux_samples_bytes(r->file_size);
    return 0;
}

/* An absent name is at the place of its root. */
static void learn_place(struct tux_response *r)
{
    for (unsigned i = 0; i < r->witness_count; i++) {
        const struct tux_witness *w = &r->witness[i];
        u64 dev = w->facts.ino ? w->facts.dev : tux_witness_root_dev(w);
        r->one_device = i == 0 || (r->one_device && dev == r->dev);
        r->dev = dev;
    }
}

/* A worker's job: do all witnesses hold? And, once, at which places are they? */
static void check(struct tux_job *job, void *context)
{
    (void)context;
    struct tux_response *r = (struct tux_response *)(void *)job;
    if (r->settles) tux_response_file_await_writer(r);
    r->unchanged = tux_response_holds(r);
    u8 place = r->place;
    for (unsigned i = 0; r->place == TUX_PLACE_UNKNOWN && i < r->witness_count && place != TUX_PLACE_FAR; i++) {
        u8 here = (u8)tux_witness_place(&r->witness[i]);
        if (i == 0 || here != TUX_PLACE_MEMORY) place = here; /* several: a network, else a disk, else memory */
    }
    r->found_place = place;
}

int tux_response_make(const struct tux_response_options *options, struct tux_response **out,
                      char error[TUX_ERROR_BYTES])
{
    struct tux_chain *chain = NULL;
    struct tux_response *r = calloc(1, sizeof *r);
    u16 cells[2];
    int failed = !r ? -ENOMEM : options->witness_count > TUX_WITNESSES_MAX ? -E2BIG : 0;
    if (failed == -ENOMEM) snprintf(error, TUX_ERROR_BYTES, "out of memory");
    else if (failed) snprintf(error, TUX_ERROR_BYTES, "it rests on more than %d names", TUX_WITNESSES_MAX);
    else failed = tux_chain_load(options->chain, options->chain_bytes, calls_of_a_response, &chain, error);
    if (!failed) failed = verify_shape(chain, options, cells, error);
    struct tux_blob *blob = failed ? NULL : malloc(sizeof *blob + chain->data_bytes);
    if (!failed && !blob) {
        snprintf(error, TUX_ERROR_BYTES, "out of memory");
        failed = -ENOMEM;
    }
    if (failed) {
        if (options->file >= 0) close(options->file);
        tux_chain_free(chain);
        free(r);
        return failed;
    }
    *blob = (struct tux_blob){.refs = 1, .bytes = chain->data_bytes};
    memcpy(blob->data, chain->data, chain->data_bytes);
    free(chain->data); /* only the blob holds the bytes */
    chain->data = NULL;
    r->job.perform = check;
    r->refs = 1;
    r->status = options->status;
    r->keep = options->keep;
    for (u16 i = 0; i < chain->atoms; i++) r->reads_on |= chain->atom[i].call == TUX_CALL_discard;
    r->cacheable = options->cacheable;
    r->connection_cell = cells[0];
    r->file_cell = cells[1];
    r->file = options->file;
    r->date_at = options->date_at;
    r->users = options->users;
    r->far = options->far;
    if (r->users) __atomic_add_fetch(r->users, 1, __ATOMIC_RELAXED);
    r->waiters = tux_no_runs();
    r->chain = chain;
    r->blob = blob;
    r->bytes = sizeof *r + sizeof *blob + blob->bytes + sizeof *chain + chain->atoms * sizeof(struct tux_atom) +
               chain->cells * sizeof(struct tux_cell);
    failed = copy_witnesses(r, options);
    if (!failed) failed = learn_file(r);
    if (!failed) learn_place(r);
    if (failed) snprintf(error, TUX_ERROR_BYTES, "a response cannot be made: %s", strerror(-failed));
    else if (options->ranged) failed = tux_ranged_learn(r, options, error);
    if (failed) {
        tux_response_free(r);
        return failed;
    }
    *out = r;
    return 0;
}

void tux_response_free(struct tux_response *r)
{
    if (r->file >= 0) close(r->file);
    if (r->users) __atomic_sub_fetch(r->users, 1, __ATOMIC_RELEASE); /* the judge may free the counter from here on */
    for (unsigned i = 0; i < r->witness_count; i++) free(r->witness[i].path);
    if (r->watch) tux_watch_end(r->watches, r->watch);
    free(r->samples);
    free(r->blob);
    tux_chain_free(r->chain);
    free(r);
}

void tux_blob_drop(struct tux_blob *blob, struct tux_metrics *metrics)
{
    TUX_ASSERT(blob->refs > 0);
    if (--blob->refs > 0) return;
    tux_metric_add(&metrics->blobs, -1);
    if (blob->copied) tux_metric_add(&metrics->copied_bytes, -(i64)blob->copied);
    free(blob);
}

/* A worker's job: close a file whose close(2) may have to wait for a server. */
static void shut(struct tux_job *job, void *context)
{
    (void)context;
    struct tux_response *r = (struct tux_response *)(void *)job;
    close(r->file);
    r->file = -1;
}

bool tux_response_is_shut(struct tux_job *job)
{
    if (job->perform != shut) return false;
    tux_response_free((struct tux_response *)(void *)job); /* closes it now, if no worker has */
    return true;
}

void tux_response_drop(struct tux_response *r, struct tux_metrics *metrics)
{
    TUX_ASSERT(r->refs > 0);
    if (--r->refs > 0) return;
    tux_blob_drop(r->blob, metrics);
    r->blob = NULL;
    tux_metric_add(&metrics->responses, -1);
    if (r->file >= 0 && r->pool && !tux_cachemiss_is_over(r->pool)) {
        r->job.perform = shut;
        tux_cachemiss_post(r->pool, &r->job);
        return;
    }
    if (r->pool && tux_cachemiss_hangs(r->pool)) r->file = -1; /* the end of the process closes it */
    tux_response_free(r);
}

struct tux_blob *tux_response_blob(struct tux_response *r, i64 wall_s, const char *date, struct tux_metrics *metrics)
{
    struct tux_blob *blob = r->blob;
    if (blob->date_s != wall_s && r->date_at >= 0) {
        if (blob->refs > 1) { /* the bytes of the old second are still being sent: they must not change */
            struct tux_blob *fresh = malloc(sizeof *fresh + blob->bytes);
            if (!fresh) return NULL;
            memcpy(fresh, blob, sizeof *fresh + blob->bytes);
            fresh->refs = 1;
            tux_metric_add(&metrics->blobs, 1);
            tux_blob_drop(blob, metrics);
            r->blob = blob = fresh;
        }
        memcpy(blob->data + r->date_at, date, TUX_DATE_BYTES);
        blob->date_s = wall_s;
    }
    blob->refs++;
    return blob;
}

enum tux_sight tux_response_look(const struct tux_response *r, bool in_memory)
{
    enum tux_sight sight = TUX_SAME;
    for (unsigned i = 0; i < r->witness_count && sight == TUX_SAME; i++)
        sight = tux_witness_look(&r->witness[i], in_memory);
    return sight;
}

bool tux_response_holds(const struct tux_response *r)
{
    for (unsigned i = 0; i < r->witness_count; i++)
        if (!tux_witness_holds(&r->witness[i])) return false;
    return true;
}
