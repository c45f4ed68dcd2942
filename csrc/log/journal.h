/* journal.h: records of answered requests, from an engine's thread to the thread that writes the log.
 *
 * A ring of bytes, one writer and one reader. Records lie in it whole; where one would run over the end, a filler takes
 * the rest. Indices run freely and are masked. The caller decides whether a record that does not fit is lost and
 * counted, or waits. */
#ifndef TUX_JOURNAL_H
#define TUX_JOURNAL_H

#include "base/base.h"

/* One request. Behind it: the length of each value that the format names (logplan.h), then their bytes. */
struct tux_entry_of_log {
    u32 bytes; /* of the whole record, a multiple of 8; the top bit marks a filler */
    u32 spare;
    u64 turn_ns; /* the start of the engine's turn in which it ended: an order across engines */
    struct tux_log_facts facts;
};

#define TUX_FILLER (1u << 31)

struct tux_journal {
    u8 *bytes;
    u64 mask;
    u64 taken_seen; /* the writer's copy of `taken`, so that it rarely reads the reader's cache line */
    _Alignas(64) _Atomic u64 put;
    _Alignas(64) _Atomic u64 taken;
};

static inline int tux_journal_open(struct tux_journal *j, u32 room)
{
    u64 bytes = 4096;
    while (bytes < room) bytes <<= 1;
    *j = (struct tux_journal){.mask = bytes - 1, .bytes = malloc(bytes)};
    return j->bytes ? 0 : -ENOMEM;
}

static inline void tux_journal_close(struct tux_journal *j)
{
    free(j->bytes);
    j->bytes = NULL;
}

/* Bytes that wait for the reader. */
static inline u64 tux_journal_waiting(const struct tux_journal *j)
{
    return atomic_load_explicit(&j->put, memory_order_relaxed) - atomic_load_explicit(&j->taken, memory_order_relaxed);
}

/* Writer: room for a record of `bytes` (a multiple of 8), NULL when there is none now. To be followed by _commit. */
static inline void *tux_journal_reserve(struct tux_journal *j, u32 bytes)
{
    u64 room = j->mask + 1, put = atomic_load_explicit(&j->put, memory_order_relaxed);
    u64 rest = room - (put & j->mask), wanted = rest < bytes ? rest + bytes : bytes;
    TUX_ASSERT(bytes % 8 == 0 && bytes >= sizeof(struct tux_entry_of_log) && 2 * (u64)bytes <= room);
    if (put + wanted - j->taken_seen > room) {
        j->taken_seen = atomic_load_explicit(&j->taken, memory_order_acquire);
        if (put + wanted - j->taken_seen > room) return NULL;
    }
    if (rest < bytes) { /* the reader jumps over the end */
        u32 filler = (u32)rest | TUX_FILLER;
        memcpy(j->bytes + (put & j->mask), &filler, sizeof filler);
        atomic_store_explicit(&j->put, put + rest, memory_order_release);
        put += rest;
    }
    return j->bytes + (put & j->mask);
}

static inline void tux_journal_commit(struct tux_journal *j, u32 bytes)
{
    atomic_store_explicit(&j->put, atomic_load_explicit(&j->put, memory_order_relaxed) + bytes, memory_order_release);
}

/* Reader: the oldest record, NULL when there is none. It stays where it is until _done. */
static inline const struct tux_entry_of_log *tux_journal_next(struct tux_journal *j)
{
    for (;;) {
        u64 taken = atomic_load_explicit(&j->taken, memory_order_relaxed);
        if (taken == atomic_load_explicit(&j->put, memory_order_acquire)) return NULL;
        const struct tux_entry_of_log *record = (const void *)(j->bytes + (taken & j->mask));
        if (!(record->bytes & TUX_FILLER)) return record;
        atomic_store_explicit(&j->taken, taken + (record->bytes & ~TUX_FILLER), memory_order_release);
    }
}

static inline void tux_journal_done(struct tux_journal *j, const struct tux_entry_of_log *record)
{
    u64 taken = atomic_load_explicit(&j->taken, memory_order_relaxed);
    atomic_store_explicit(&j->taken, taken + record->bytes, memory_order_release);
}

#endif
