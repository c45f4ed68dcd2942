/* floor 1 · clients.h: what is known of client addresses while limits are counted by them: one table for all engines.
 *
 * Shared, and not divided among the engines: the kernel spreads the connections of one address over them by a hash, so
 * with a part for each some clients would be refused far below the limit and others not at it. A connection looks its
 * address up once, under a lock, and keeps the place; a request then costs one compare-and-swap there. The table has
 * room for more addresses than there are connections. When it is full, one without connections is forgotten, of those
 * at hand the one that has asked for the least.
 *
 * An IPv6 address counts by its /64: whoever has one has 2^64 (RFC 6177). */
#ifndef TUX_CLIENTS_H
#define TUX_CLIENTS_H

#include <pthread.h>

#include "base.h"

struct tux_client {
    u64 key;
    _Atomic u64 due_ns; /* when its bucket of tokens is full again (GCRA: its theoretical arrival time) */
    _Atomic u32 connections;
    u32 next; /* in the chain of its hash */
};

struct tux_clients {
    pthread_mutex_t lock; /* guards who is in the table; numbers of those in it are atomic */
    u64 secret[2];
    u32 mask, count, used, hand;
    u32 *chain; /* by hash: the first client, TUX_NONE32 for none */
    struct tux_client *client;
    _Atomic u64 refused[TUX_LIMITS]; /* the key of the last one, by enum tux_limit; 0 none */
};

/* The key of an address; never 0. */
u64 tux_client_key(const u8 address[16]);
/* With one connection more. NULL when all places have connections. Any thread. */
struct tux_client *tux_clients_enter(struct tux_clients *c, u64 key, u64 now_ns);
void tux_client_leave(struct tux_client *client);
/* One token, of which there is a new one every interval_ns, and up to `burst` at once. False: there is none now. */
bool tux_client_take(struct tux_client *client, u64 now_ns, u64 interval_ns, u32 burst);

#endif
