/* exec.c: runs a chain on the submitting thread, and hands it to the engine when it would block.
 *
 * A batch is shared by counting: the thread that adds to `taken` has taken those runs. So the engine may work at the
 * far end of a batch while its submitter works at the near end, and neither waits for the other. */
#include "engine/exec.h"

#include <unistd.h>

#include "wait/burst.h"
#include "base/clock.h"
#include "engine/control.h"
#include "base/quiet.h"
#include "wait/visit.h"

struct tux_batch {
    struct tux_batch *next;
    struct tux_submission submission; /* its pointers lead into `memory`, or, on the submitter's stack, to the caller */
    u64 deadline_ms;
    _Atomic u32 taken, users;
    i64 memory[];
};

static bool fills_fit(const struct tux_submission *s)
{
    u32 room[TUX_CELLS_MAX], begins = 0;
    const u32 *end = s->fill_ends;
    if (s->fill_count > s->chain->cells) return false;
    for (u32 i = 0; i < s->fill_count; i++) {
        u16 cell = s->fill_cells[i];
        if (cell >= s->chain->cells || s->chain->cell[cell].kind != TUX_DATA) return false;
        room[i] = s->chain->cell[cell].size - (u32)(s->chain->paths >> cell & 1);
    }
    for (u32 run = 0; s->fill_count > 0 && run < s->runs; run++)
        for (u32 i = 0; i < s->fill_count; begins = *end++, i++)
            if (*end < begins || *end - begins > room[i]) return false;
    return true;
}

static bool is_right(const struct tux_submission *s)
{
    const struct tux_chain *chain = s->chain;
    if (s->runs == 0 || s->param_count > TUX_CELLS_MAX) return false;
    for (unsigned i = 0; i < chain->atoms; i++)
        if (tux_plain_calls[chain->atom[i].call] == NULL) return false;
    for (u32 i = 0; i < s->param_count; i++)
        if (s->param_cells[i] >= chain->cells || !(chain->cell[s->param_cells[i]].mode & TUX_CELL_PARAM)) return false;
    if (!fills_fit(s)) return false;
    return s->keep_cell == TUX_NONE16 ||
           (s->keep_cell < chain->cells && chain->cell[s->keep_cell].kind == TUX_FD && (s->flags & TUX_EXEC_KEEP));
}

static void fill(const struct tux_submission *s, u32 number, struct tux_record *record)
{
    const u32 *end = s->fill_ends + (size_t)number * s->fill_count;
    u32 begins = number > 0 ? end[-1] : 0;
    for (u32 i = 0; i < s->fill_count; begins = *end++, i++)
        tux_record_fill(record, s->fill_cells[i], s->fills + begins, *end - begins);
}

/* The record of one run of the batch: a new one, or that of a run that has ended. */
static struct tux_record *begin(const struct tux_batch *batch, u32 number, struct tux_record *spare)
{
    const struct tux_submission *s = &batch->submission;
    if (spare) tux_record_again(spare);
    else spare = tux_record_open(s->chain, s->flags & TUX_EXEC_TRACE);
    if (!spare) return NULL;
    if (s->fill_count > 0) fill(s, number, spare);
    const i64 *params = s->params + (size_t)number * s->param_count;
    for (u32 i = 0; i < s->param_count; i++) spare->cells[s->param_cells[i]] = params[i]; /* checked at submit */
    spare->cookie = s->cookie + number;
    spare->deadline_ms = batch->deadline_ms;
    spare->kept = s->flags & (TUX_EXEC_KEEP | TUX_EXEC_TRACE);
    spare->told = s->flags & TUX_EXEC_TELL;
    spare->keep_cell = s->keep_cell;
    return spare;
}

static void arrive(struct tux_engine *e, struct tux_record *record)
{
    record->next = NULL;
    pthread_mutex_lock(&e->lock);
    *e->arrivals_tail = record;
    e->arrivals_tail = &record->next;
    pthread_mutex_unlock(&e->lock);
    tux_control_knock(e);
}

struct tux_record *tux_exec_arrived(struct tux_engine *e)
{
    pthread_mutex_lock(&e->lock);
    struct tux_record *record = e->arrivals;
    if (record) {
        e->arrivals = record->next;
        if (!e->arrivals) e->arrivals_tail = &e->arrivals;
    }
    pthread_mutex_unlock(&e->lock);
    return record;
}

/* --- batches that are shared ------------------------------------------------------------------------------------- */

static void let_go(struct tux_batch *batch)
{
    if (atomic_fetch_sub(&batch->users, 1) == 1) free(batch);
}

static void *copied(u8 **at, const void *from, size_t bytes)
{
    void *copy = *at;
    if (bytes > 0) memcpy(copy, from, bytes);
    *at += (bytes + 7) & ~(size_t)7;
    return copy;
}

/* A copy of the memory that the submission points to, since the engine may still read it when the call has returned. */
static struct tux_batch *share(struct tux_engine *e, const struct tux_batch *given)
{
    const struct tux_submission *s = &given->submission;
    size_t params = (size_t)s->runs * s->param_count, ends = (size_t)s->runs * s->fill_count;
    size_t fill_bytes = ends > 0 ? s->fill_ends[ends - 1] : 0;
    size_t bytes = params * sizeof(i64) + ends * sizeof(u32) + fill_bytes + 2 * TUX_CELLS_MAX * sizeof(u16) + 5 * 8;
    struct tux_batch *batch = malloc(sizeof *batch + bytes);
    if (!batch) return NULL;
    *batch = (struct tux_batch){.submission = *s, .deadline_ms = given->deadline_ms, .users = 2};
    u8 *at = (u8 *)batch->memory;
    batch->submission.params = copied(&at, s->params, params * sizeof(i64));
    batch->submission.fill_ends = copied(&at, s->fill_ends, ends * sizeof(u32));
    batch->submission.param_cells = copied(&at, s->param_cells, s->param_count * sizeof(u16));
    batch->submission.fill_cells = copied(&at, s->fill_cells, s->fill_count * sizeof(u16));
    batch->submission.fills = copied(&at, s->fills, fill_bytes);
    pthread_mutex_lock(&e->lock);
    *e->batches_tail = batch;
    e->batches_tail = &batch->next;
    pthread_mutex_unlock(&e->lock);
    tux_control_knock(e);
    return batch;
}

/* The number of runs taken, from *first on; 0 when all have been. */
static u32 take(struct tux_batch *batch, u32 most, u32 *first)
{
    u32 runs = batch->submission.runs;
    if (atomic_load_explicit(&batch->taken, memory_order_relaxed) >= runs) return 0;
    *first = atomic_fetch_add(&batch->taken, most);
    if (*first >= runs) return 0;
    return runs - *first < most ? runs - *first : most;
}

static struct tux_batch *next_batch(struct tux_engine *e)
{
    pthread_mutex_lock(&e->lock);
    struct tux_batch *batch = e->batches;
    if (batch) {
        e->batches = batch->next;
        if (!e->batches) e->batches_tail = &e->batches;
    }
    pthread_mutex_unlock(&e->lock);
    return batch;
}

/* A run for which there is no memory ends before it begins; its place among the completions is promised. The
 * descriptors that it was given are closed as if it had run. */
static struct tux_completion without_memory(const struct tux_batch *batch, u32 number)
{
    const struct tux_submission *s = &batch->submission;
    for (u32 i = 0; i < s->param_count; i++) {
        i64 fd = s->params[(size_t)number * s->param_count + i];
        if (s->chain->cell[s->param_cells[i]].kind == TUX_FD && fd >= 0) {
            tux_do_not_linger((int)fd);
            close((int)fd);
        }
    }
    return (struct tux_completion){.cookie = batch->submission.cookie + number, .result = -ENOMEM,
                                   .reason = TUX_REASON_ERROR};
}

/* --- bursts ------------------------------------------------------------------------------------------------------- */

/* The ring at *place, opened when it is first wanted; NULL where this machine has none. */
static struct tux_burst *ring_at(struct tux_engine *e, struct tux_burst **place)
{
    if (!*place && !atomic_load(&e->no_bursts) && tux_burst_open(place) != 0) atomic_store(&e->no_bursts, true);
    return *place;
}

static bool is_worth_a_burst(const struct tux_engine *e, const struct tux_submission *s)
{
    return s->runs >= TUX_BURST_WORTH && e->backend->ops == &tux_backend_uring && !(s->flags & TUX_EXEC_TRACE) &&
           tux_burst_fits(s->chain, s->keep_cell);
}

/* Try the first atoms of these runs at once. */
static void burst_out(struct tux_engine *e, struct tux_burst *burst, struct tux_record **records, u32 count,
                      i64 *bytes_read)
{
    u32 done = 0;
    if (burst) done = tux_burst_try(burst, records, count, bytes_read);
    else for (u32 i = 0; i < count; i++) bytes_read[i] = -1;
    if (done > 0) atomic_fetch_add_explicit(&e->bursts, done, memory_order_relaxed);
}

u32 tux_exec_shared(struct tux_engine *e, struct tux_record **records, i64 *bytes_read)
{
    u32 count = 0;
    if (!e->batch) e->batch = next_batch(e);
    while (e->batch && count == 0) {
        bool bursts = is_worth_a_burst(e, &e->batch->submission);
        u32 first, taken = take(e->batch, bursts ? TUX_BURST_TAKE : TUX_SHARE_RUNS, &first);
        for (u32 i = first; i < first + taken; i++) {
            records[count] = begin(e->batch, i, NULL);
            if (records[count]) {
                count++;
                continue;
            }
            struct tux_completion failed = without_memory(e->batch, i);
            tux_ring_put(&e->completions.ring, &failed);
            e->notify = true;
        }
        burst_out(e, bursts ? ring_at(e, &e->burst) : NULL, records, count, bytes_read);
        if (taken > 0) continue;
        let_go(e->batch);
        e->batch = next_batch(e);
    }
    return count;
}

void tux_exec_close(struct tux_engine *e)
{
    for (struct tux_record *record; (record = tux_exec_arrived(e)) != NULL;) tux_record_free(record);
    tux_burst_close(e->burst);
    tux_burst_close(e->visit_burst);
    if (e->batch) let_go(e->batch);
    for (struct tux_batch *batch; (batch = next_batch(e)) != NULL;) let_go(batch);
}

/* --- on the submitter's thread ------------------------------------------------------------------------------------ */

struct visitor {
    struct tux_engine *e;
    struct tux_stage stage;
    struct tux_backend backend;
    struct tux_burst *burst;
    struct tux_record *spare[TUX_BURST_RUNS];
    u32 spares;
    struct tux_completion *out;
    u32 ended, told;
    u64 steps;
};

static void close_owned(struct tux_record *record)
{
    for (unsigned i = 0; i < record->chain->cells; i++) {
        if (record->chain->cell[i].kind != TUX_FD || record->cells[i] < 0 || i == record->keep_cell) continue;
        if (record->chain->sockets >> i & 1) tux_do_not_linger((int)record->cells[i]);
        close((int)record->cells[i]);
        record->cells[i] = -1;
    }
}

static void visit_ended(struct visitor *v, struct tux_record *record, struct tux_run *run, u16 reason, i64 result)
{
    v->ended++;
    v->steps += run->steps;
    bool success = result >= 0 && (reason == TUX_REASON_END || reason == TUX_REASON_STOP);
    bool silent = success && (record->chain->atom[run->last_atom].flags & SYSLET_NO_COMPLETE) && !record->told;
    bool kept = record->kept && !silent;
    if (!kept) record->keep_cell = TUX_NONE16;
    close_owned(record);
    if (!silent)
        v->out[v->told++] = (struct tux_completion){.cookie = run->cookie, .result = result, .steps = run->steps,
                                                    .record = kept ? record : NULL, .last_atom = run->last_atom,
                                                    .reason = reason, .stop_flags = run->stop_flags};
    if (!kept) v->spare[v->spares++] = record;
}

static struct tux_record *visit_begin(struct visitor *v, const struct tux_batch *batch, u32 number)
{
    struct tux_record *record = begin(batch, number, v->spares > 0 ? v->spare[--v->spares] : NULL);
    if (record) return record;
    v->ended++;
    v->out[v->told++] = without_memory(batch, number);
    return NULL;
}

static void visit(struct visitor *v, struct tux_record *record, i64 bytes_read)
{
    struct tux_run run;
    memset(&run, 0, offsetof(struct tux_run, inner_cells));
    tux_record_enter(record, &run);
    u16 reason = TUX_REASON_END;
    i64 result = 0;
    bool over = bytes_read >= 0 && !tux_burst_land(&v->stage, &run, bytes_read, &reason, &result);
    if (over || tux_step(&v->stage, &run, &reason, &result) == TUX_ENDED) {
        visit_ended(v, record, &run, reason, result);
    } else {
        tux_record_leave(record, &run);
        arrive(v->e, record);
    }
}

static void visit_all(struct visitor *v, const struct tux_batch *batch, u32 first, u32 count)
{
    struct tux_record *records[TUX_BURST_RUNS];
    i64 bytes_read[TUX_BURST_RUNS];
    while (count > 0) {
        u32 begun = 0, some = v->burst ? (u32)tux_min_u64(count, TUX_BURST_RUNS) : 1;
        for (u32 i = 0; i < some; i++)
            if ((records[begun] = visit_begin(v, batch, first + i)) != NULL) begun++;
        burst_out(v->e, v->burst, records, begun, bytes_read);
        for (u32 i = 0; i < begun; i++) visit(v, records[i], bytes_read[i]);
        first += some;
        count -= some;
    }
}

/* All runs go to the engine as they are. */
static void send_away(struct tux_engine *e, const struct tux_batch *batch, struct visitor *v)
{
    for (u32 i = 0; i < batch->submission.runs; i++) {
        struct tux_record *record = begin(batch, i, NULL);
        if (record) {
            arrive(e, record);
        } else {
            v->ended++;
            v->out[v->told++] = without_memory(batch, i);
        }
    }
}

int tux_exec(struct tux_engine *e, const struct tux_submission *s, struct tux_completion *out)
{
    if (!is_right(s)) return -EINVAL;
    if (tux_completions_promise(&e->completions, s->runs) != 0) {
        atomic_fetch_add(&e->metrics.refused, s->runs);
        return -ENOBUFS;
    }
    u64 now_ms = tux_now_ms();
    struct tux_batch own = {.submission = *s, .deadline_ms = s->deadline_ms ? now_ms + s->deadline_ms : 0};
    struct visitor v = {.e = e, .backend.ops = &tux_backend_visit, .out = out};
    v.stage = (struct tux_stage){.place = TUX_ON_ENGINE, .perform = tux_plain_calls, .backend = &v.backend,
                                 .shared = e->shared, .now_ms = now_ms, .visiting = true};
    if (s->flags & TUX_EXEC_AWAY) {
        send_away(e, &own, &v);
    } else {
        struct tux_batch *shared = s->flags & TUX_EXEC_SHARE && s->runs > 1 ? share(e, &own) : NULL;
        struct tux_batch *batch = shared ? shared : &own; /* without memory for it the submitter runs all of it */
        bool bursts = is_worth_a_burst(e, s) && !atomic_exchange(&e->visit_bursts, true);
        if (bursts) v.burst = ring_at(e, &e->visit_burst); /* other submitters run without bursts meanwhile */
        u32 most = !shared ? s->runs : v.burst ? TUX_BURST_TAKE : TUX_CALL_BATCH;
        for (u32 first, count; (count = take(batch, most, &first)) > 0;) visit_all(&v, batch, first, count);
        if (bursts) atomic_store(&e->visit_bursts, false);
        if (shared) let_go(shared);
    }
    while (v.spares > 0) tux_record_free(v.spare[--v.spares]);
    tux_completions_release(&e->completions, v.ended);
    atomic_fetch_add_explicit(&e->visits, v.ended, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->visit_steps, v.steps, memory_order_relaxed);
    return (int)v.told;
}
