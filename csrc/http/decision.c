/* decision.c: a bounded set-associative table. The hash only chooses the bucket; an entry is found only if every byte
 * of its key is equal.
 *
 * Eviction is by a clock: an entry that was used since the hand passed gets another round. While there is room, every
 * cacheable decision is kept at once. When another entry must be evicted for it, the key must have been seen before, so
 * a flood of targets that are requested only once evicts nothing (a doorkeeper, as in TinyLFU). */
#include "http/decision.h"

static u64 fold(u64 a, u64 b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (u64)product ^ (u64)(product >> 64);
}

/* Keyed by a secret of the process, so that clients cannot aim at a bucket. Multiply-and-fold over 16 bytes a step. */
u64 tux_decision_hash(const struct tux_decisions *d, const u8 *key, size_t bytes)
{
    u64 a, b, h = d->secret[0] ^ (bytes * 0x9E3779B97F4A7C15u);
    size_t left = bytes;
    for (; left >= 16; key += 16, left -= 16) {
        memcpy(&a, key, 8);
        memcpy(&b, key + 8, 8);
        h = fold(a ^ d->secret[1], b ^ h);
    }
    u8 tail[16] = {0};
    memcpy(tail, key, left);
    memcpy(&a, tail, 8);
    memcpy(&b, tail + 8, 8);
    h = fold(a ^ d->secret[1], b ^ h);
    return fold(h ^ d->secret[0], 0xD6E8FEB86659FD93u ^ d->secret[1]);
}

static u64 power_of_two(u64 n)
{
    u64 p = 1;
    while (p < n) p <<= 1;
    return p;
}

int tux_decisions_open(struct tux_decisions *d, u32 entries_max, u64 bytes_max, const u8 secret[16],
                       struct tux_metrics *metrics)
{
    /* Twice the room: else some buckets overflow long before the table is full, and their keys are never kept. */
    u64 buckets = power_of_two((2 * (u64)entries_max + TUX_WAYS - 1) / TUX_WAYS), seen = buckets * TUX_WAYS;
    *d = (struct tux_decisions){.bucket_mask = buckets - 1, .seen_mask = seen - 1, .bytes_max = bytes_max,
                                .files_max = UINT32_MAX, .count_max = entries_max, .metrics = metrics};
    memcpy(d->secret, secret, sizeof d->secret);
    d->secret[1] |= 1;
    d->entries = calloc(buckets * TUX_WAYS, sizeof *d->entries);
    d->seen = calloc(seen, sizeof *d->seen);
    if (d->entries && d->seen) return 0;
    tux_decisions_close(d);
    return -ENOMEM;
}

static void evict(struct tux_decisions *d, struct tux_entry *entry)
{
    struct tux_response *r = entry->response;
    bool last = --r->keys == 0;
    d->bytes -= entry->key_bytes + (last ? r->bytes : 0);
    d->files -= last && r->file >= 0;
    d->count--;
    tux_response_drop(r, d->metrics);
    free(entry->key);
    *entry = (struct tux_entry){0};
    tux_metric_add(&d->metrics->entries, -1);
    atomic_store_explicit(&d->metrics->cache_bytes, d->bytes, memory_order_relaxed);
}

void tux_decisions_forget(struct tux_decisions *d)
{
    d->generation++; /* connections also remember responses that are no longer in the table */
    for (u64 i = 0; d->count > 0 && i < (d->bucket_mask + 1) * TUX_WAYS; i++)
        if (d->entries[i].response) evict(d, &d->entries[i]);
}

void tux_decisions_forget_made(struct tux_decisions *d)
{
    for (u64 i = 0; d->entries && i < (d->bucket_mask + 1) * TUX_WAYS; i++) {
        struct tux_response *r = d->entries[i].response;
        if (!r || !r->users) continue;
        r->dead = true; /* for connections that remember it */
        evict(d, &d->entries[i]);
    }
}

void tux_decisions_close(struct tux_decisions *d)
{
    tux_decisions_forget(d);
    free(d->entries);
    free(d->seen);
    d->entries = NULL;
    d->seen = NULL;
}

static struct tux_entry *bucket_of(struct tux_decisions *d, u64 hash)
{
    return &d->entries[(hash & d->bucket_mask) * TUX_WAYS];
}

/* The living entry of this key; dead ones are taken out on the way. */
static struct tux_entry *entry_of(struct tux_decisions *d, u64 hash, const u8 *key, size_t bytes)
{
    struct tux_entry *bucket = bucket_of(d, hash);
    for (int way = 0; way < TUX_WAYS; way++) {
        struct tux_entry *entry = &bucket[way];
        if (entry->hash != hash || !entry->response || entry->key_bytes != bytes || memcmp(entry->key, key, bytes) != 0)
            continue;
        if (!entry->response->dead) return entry;
        evict(d, entry);
    }
    return NULL;
}

struct tux_response *tux_decision_find(struct tux_decisions *d, u64 hash, const u8 *key, size_t bytes)
{
    struct tux_entry *entry = entry_of(d, hash, key, bytes);
    if (!entry) return NULL;
    entry->referenced = true;
    return entry->response;
}

static bool seen_before(struct tux_decisions *d, u64 hash)
{
    u32 *mark = &d->seen[(hash >> 20) & d->seen_mask], print = (u32)(hash >> 32) | 1u;
    bool seen = *mark == print;
    *mark = print;
    return seen;
}

/* A free way of the bucket, by eviction if allowed; NULL when there is none. */
static struct tux_entry *free_way(struct tux_decisions *d, u64 hash, bool by_force)
{
    struct tux_entry *bucket = bucket_of(d, hash);
    for (int way = 0; way < TUX_WAYS; way++)
        if (!bucket[way].response) return &bucket[way];
    for (int round = 0; by_force && round < 2 * TUX_WAYS; round++) {
        struct tux_entry *entry = &bucket[d->hand++ % TUX_WAYS];
        if (!entry->referenced) {
            evict(d, entry);
            tux_metric_add(&d->metrics->evictions, 1);
            return entry;
        }
        entry->referenced = false;
    }
    return NULL;
}

static bool has_room(const struct tux_decisions *d, u64 wanted, bool file)
{
    return d->bytes + wanted <= d->bytes_max && d->count < d->count_max && (!file || d->files < d->files_max);
}

/* Evict by the clock until `wanted` bytes fit, and a file if one comes along. Two rounds at most: the second finds
 * everything unreferenced. */
static bool make_room(struct tux_decisions *d, u64 wanted, bool file)
{
    u64 entries = (d->bucket_mask + 1) * TUX_WAYS;
    for (u64 step = 0; !has_room(d, wanted, file) && step < 2 * entries; step++) {
        struct tux_entry *entry = &d->entries[d->hand++ % entries];
        bool helps = entry->response && (entry->response->file >= 0 || !has_room(d, wanted, false));
        if (!helps) continue;
        if (entry->referenced) {
            entry->referenced = false;
            continue;
        }
        evict(d, entry);
        tux_metric_add(&d->metrics->evictions, 1);
    }
    return has_room(d, wanted, file);
}

void tux_decision_keep(struct tux_decisions *d, u64 hash, const u8 *key, size_t bytes, struct tux_response *response)
{
    /* Only the latest answer of a key is kept; for example, a range beyond the former end of a file was judged again.
     * Connections that remember the former answer must ask again, too. */
    struct tux_entry *former = entry_of(d, hash, key, bytes);
    if (former) {
        former->response->dead = former->response != response;
        evict(d, former);
    }
    u64 wanted = bytes + (response->keys == 0 ? response->bytes : 0);
    bool file = response->keys == 0 && response->file >= 0, fits = has_room(d, wanted, file), again = false;
    struct tux_entry *entry = fits ? free_way(d, hash, false) : NULL;
    if (!entry) {
        again = seen_before(d, hash);
        if (again && wanted <= d->bytes_max / 8 && make_room(d, wanted, file)) entry = free_way(d, hash, true);
    }
    u8 *copy = entry ? malloc(bytes) : NULL;
    if (!copy) {
        tux_metric_add(&d->metrics->passed_over, 1);
        return;
    }
    memcpy(copy, key, bytes);
    /* Not referenced yet: so the clock can tell entries in use from new ones that are not requested again. */
    *entry = (struct tux_entry){.hash = hash, .response = response, .key = copy, .key_bytes = (u32)bytes};
    response->refs++;
    response->keys++;
    response->generation = d->generation;
    d->bytes += wanted;
    d->files += file;
    d->count++;
    tux_metric_add(&d->metrics->entries, 1);
    atomic_store_explicit(&d->metrics->cache_bytes, d->bytes, memory_order_relaxed);
}
