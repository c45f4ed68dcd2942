/* ring.h: a bounded queue from one thread to one other. Misses and completions go up in one, answers go down.
 *
 * Each side writes one index and reads the other; the release that publishes an item pairs with the acquire that takes
 * it. Indices run freely and are masked, so a full ring and an empty one differ. */
#ifndef TUX_RING_H
#define TUX_RING_H

#include "base/base.h"

struct tux_ring {
    u8 *items;
    u32 item_bytes, mask;
    _Alignas(64) _Atomic u32 put; /* items ever put in; the writer's */
    _Alignas(64) _Atomic u32 taken;
};

/* Room for at least `items` of them. */
static inline int tux_ring_open(struct tux_ring *ring, u32 item_bytes, u32 items)
{
    u32 room = 1;
    while (room < items) room <<= 1;
    ring->item_bytes = item_bytes;
    ring->mask = room - 1;
    ring->items = calloc(room, item_bytes);
    return ring->items ? 0 : -ENOMEM;
}

static inline void tux_ring_close(struct tux_ring *ring)
{
    free(ring->items);
    ring->items = NULL;
}

/* The writer asks: an item would have no place. */
static inline bool tux_ring_full(struct tux_ring *ring)
{
    u32 put = atomic_load_explicit(&ring->put, memory_order_relaxed);
    return put - atomic_load_explicit(&ring->taken, memory_order_acquire) > ring->mask;
}

/* Items that wait, for metrics. */
static inline u32 tux_ring_waiting(struct tux_ring *ring)
{
    u32 taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    return atomic_load_explicit(&ring->put, memory_order_relaxed) - taken;
}

/* The caller knows that there is room: every item has been promised its place. */
static inline void tux_ring_put(struct tux_ring *ring, const void *item)
{
    u32 put = atomic_load_explicit(&ring->put, memory_order_relaxed);
    TUX_ASSERT(put - atomic_load_explicit(&ring->taken, memory_order_acquire) <= ring->mask);
    memcpy(ring->items + (size_t)(put & ring->mask) * ring->item_bytes, item, ring->item_bytes);
    atomic_store_explicit(&ring->put, put + 1, memory_order_release);
}

/* Takes up to `max` items, oldest first. */
static inline u32 tux_ring_take(struct tux_ring *ring, void *out, u32 max)
{
    u32 taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    u32 there = atomic_load_explicit(&ring->put, memory_order_acquire) - taken;
    u32 count = there < max ? there : max;
    for (u32 i = 0; i < count; i++)
        memcpy((u8 *)out + (size_t)i * ring->item_bytes,
               ring->items + (size_t)((taken + i) & ring->mask) * ring->item_bytes, ring->item_bytes);
    atomic_store_explicit(&ring->taken, taken + count, memory_order_release);
    return count;
}

#endif
