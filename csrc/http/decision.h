/* decision.h: the decision cache: key -> response. */
#ifndef TUX_DECISION_H
#define TUX_DECISION_H

#include "http/response.h"

#define TUX_WAYS 8

struct tux_entry {
    u64 hash;
    struct tux_response *response; /* NULL: free */
    u8 *key;
    u32 key_bytes;
    bool referenced;
};

struct tux_decisions {
    struct tux_entry *entries; /* buckets of TUX_WAYS */
    u32 *seen;                 /* fingerprints of keys that were once not kept */
    u64 bucket_mask, seen_mask, secret[2];
    u32 count, count_max; /* entries */
    u64 bytes, bytes_max, hand;
    u32 files, files_max; /* responses with a descriptor */
    u32 generation;       /* grows whenever all entries are forgotten */
    struct tux_metrics *metrics;
};

/* `entries_max` is rounded up to a power of two of buckets. */
int tux_decisions_open(struct tux_decisions *d, u32 entries_max, u64 bytes_max, const u8 secret[16],
                       struct tux_metrics *metrics);
void tux_decisions_close(struct tux_decisions *d);
void tux_decisions_forget(struct tux_decisions *d);
void tux_decisions_forget_made(struct tux_decisions *d);

u64 tux_decision_hash(const struct tux_decisions *d, const u8 *key, size_t bytes);
/* The response for exactly this key, or NULL. A dead one is taken out on the way. No reference is added. */
struct tux_response *tux_decision_find(struct tux_decisions *d, u64 hash, const u8 *key, size_t bytes);
/* Remember the response (adds a reference), if there is room or the key was seen before. */
void tux_decision_keep(struct tux_decisions *d, u64 hash, const u8 *key, size_t bytes, struct tux_response *response);

#endif
