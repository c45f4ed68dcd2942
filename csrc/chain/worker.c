/* worker.c: the thread that has taken a cachemiss carries the run on, as in 2007, instead of handing it back after
 * every atom, since a cold open is followed by a cold read. */
#include "chain/worker.h"

#include "chain/call.h"
#include "chain/callkit.h"

static i64 go_back(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage, (void)run, (void)atom;
    return TUX_AGAIN;
}

/* A pipe may have nothing to say for hours. */
static i64 file_or_back(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    bool file = tux_is_file((int)tux_arg(run, atom, 0));
    return file ? tux_plain_calls[atom->call](stage, run, atom) : TUX_AGAIN;
}

/* A worker performs a call always, only on files, or never. A chain with a call that is not named here is not carried
 * on. */
#define ITSELF(name) [TUX_CALL_##name] = itself

static i64 itself(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return tux_plain_calls[atom->call](stage, run, atom);
}

const tux_perform tux_worker_calls[TUX_CALLS_MAX] = {
    ITSELF(getpid), ITSELF(umem_add), ITSELF(umem_sub), ITSELF(close), ITSELF(openat2), ITSELF(statx), ITSELF(pipe2),
    ITSELF(getdents64), ITSELF(fsync), ITSELF(fdatasync), ITSELF(fallocate), ITSELF(ftruncate), ITSELF(renameat2),
    ITSELF(unlinkat), ITSELF(mkdirat), ITSELF(fadvise64), ITSELF(readahead),
    [TUX_CALL_pread] = file_or_back, [TUX_CALL_pwrite] = file_or_back, [TUX_CALL_read] = file_or_back,
    [TUX_CALL_write] = file_or_back, [TUX_CALL_readv] = file_or_back,
    [TUX_CALL_writev] = file_or_back, [TUX_CALL_nanosleep] = go_back,
};

bool tux_worker_may_go_on(const struct tux_run *run)
{
    if (run->outer.chain) return false;
    const struct tux_chain *chain = run->frame.chain;
    for (unsigned i = 0; i < chain->atoms; i++)
        if (tux_worker_calls[chain->atom[i].call] == NULL) return false;
    return true;
}
