/* record.c: the memory of runs. */
#include "chain/record.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/quiet.h"
#include "chain/step.h"

static size_t rounded(size_t bytes) { return (bytes + 15) & ~(size_t)15; }

/* Two threads may open the first run of a chain at the same time. */
static struct tux_pool *pool_of(struct tux_chain *chain, size_t bytes)
{
    struct tux_pool *pool = atomic_load(&chain->pool), *none = NULL;
    if (pool) return pool;
    pool = tux_pool_open(bytes);
    if (!pool || atomic_compare_exchange_strong(&chain->pool, &none, pool)) return pool;
    tux_pool_close(pool);
    return none;
}

struct tux_record *tux_record_open(struct tux_chain *chain, bool traced)
{
    size_t head = rounded(sizeof(struct tux_record) + chain->cells * sizeof(i64));
    size_t buffers = rounded(chain->buffer_bytes), own = rounded(chain->data_bytes), bytes = head + buffers + own;
    struct tux_pool *pool = traced ? NULL : pool_of(chain, bytes);
    if (!pool && !traced) return NULL;
    u8 *block = traced ? malloc(bytes + TUX_TRACED_MAX * sizeof(struct tux_traced)) : tux_pool_take(pool);
    if (!block) return NULL;
    struct tux_record *record = (struct tux_record *)(void *)block;
    *record = (struct tux_record){.chain = chain, .pool = pool, .keep_cell = TUX_NONE16};
    record->buffers = block + head;
    record->own = block + head + buffers;
    if (traced) record->trace = (struct tux_traced *)(void *)(block + bytes);
    tux_record_again(record);
    return record;
}

void tux_record_again(struct tux_record *record)
{
    const struct tux_chain *chain = record->chain;
    for (unsigned i = 0; i < chain->cells; i++) record->cells[i] = chain->cell[i].value;
    if (chain->buffer_bytes > 0) memset(record->buffers, 0, chain->buffer_bytes);
    record->data = chain->data;
    record->pc = record->last_atom = 0;
    record->steps = record->progress = 0;
    record->wait = TUX_WAIT_NOT;
    record->traced = 0;
    if (record->trace) record->traced_ns = tux_now_ns();
}

void tux_record_fill(struct tux_record *record, u16 cell, const u8 *bytes, size_t length)
{
    const struct tux_cell *filled = &record->chain->cell[cell];
    TUX_ASSERT(filled->kind == TUX_DATA && length <= filled->size);
    if (record->data != record->own) memcpy(record->own, record->chain->data, record->chain->data_bytes);
    record->data = record->own;
    u8 *at = record->own + filled->value;
    if (length > 0) memcpy(at, bytes, length);
    memset(at + length, 0, filled->size - length);
}

void tux_record_free(struct tux_record *record)
{
    if (!record) return;
    if (record->keep_cell != TUX_NONE16 && record->cells[record->keep_cell] >= 0) {
        tux_do_not_linger((int)record->cells[record->keep_cell]);
        close((int)record->cells[record->keep_cell]);
    }
    if (record->pool) tux_pool_give(record->pool, record);
    else free(record);
}

void tux_record_enter(struct tux_record *record, struct tux_run *run)
{
    run->record = record;
    run->cookie = record->cookie;
    run->deadline_ms = record->deadline_ms;
    run->steps = record->steps;
    run->progress = record->progress;
    run->last_atom = record->last_atom;
    run->frame = (struct tux_frame){.chain = record->chain, .cells = record->cells, .data = record->data,
                                    .buffers = record->buffers, .pc = record->pc};
}

void tux_record_leave(struct tux_record *record, const struct tux_run *run)
{
    record->steps = run->steps;
    record->progress = run->progress;
    record->last_atom = run->last_atom;
    record->pc = run->frame.pc;
    record->wait = run->wait == TUX_WAIT_COLD ? TUX_WAIT_COLD : TUX_WAIT_NOT;
}

static u8 place_of(const struct tux_stage *stage, const struct tux_run *run)
{
    if (stage->place == TUX_ON_WORKER || run->woken_for == TUX_WAIT_COLD) return TUX_RAN_ON_WORKER;
    if (stage->place == TUX_INLINE || stage->visiting) return TUX_RAN_INLINE;
    return run->woken_for == TUX_WAIT_NOT ? TUX_RAN_ON_ENGINE : TUX_RAN_BY_RING;
}

void tux_record_note(struct tux_record *record, const struct tux_stage *stage, struct tux_run *run, i64 result)
{
    u64 now_ns = tux_now_ns();
    if (record->traced < TUX_TRACED_MAX)
        record->trace[record->traced++] = (struct tux_traced){.ns = now_ns - record->traced_ns,
                                                              .result = result,
                                                              .atom = run->frame.pc,
                                                              .place = place_of(stage, run)};
    record->traced_ns = now_ns;
    run->woken_for = TUX_WAIT_NOT; /* the atom was not woken for this reason where it is entered next */
}
