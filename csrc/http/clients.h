/* clients.h: counters of client addresses, for limits by address: one table for all engines.
 *
 * The table is shared and not divided among the engines: the kernel spreads the connections of one address over them by
 * a hash, so with a table for each, some clients would be refused far below the limit and others never. A connection
 * looks up its address once, under a lock, and keeps the entry; a request then costs one compare-and-swap there. The
 * table has room for more addresses than there are connections. When it is full, an address without connections is
 * forgotten, among a few candidates the one with the fewest recent requests.
 *
 * An IPv6 address counts by its /64: a client that has one has all 2^64 addresses (RFC 6177). */
#ifndef TUX_CLIENTS_H
#define TUX_CLIENTS_H

#include <pthread.h>

#include "base/base.h"

struct tux_client {
    u64 key;
    _Atomic u64 due_ns; /* when its bucket of tokens is full again (GCRA: its theoretical arrival time) */
    _Atomic u32 connections;
    u32 next; /* in the chain of its hash */
};

struct tux_clients {
    pthread_mutex_t lock; /* guards which addresses are in the table; their counters are atomic */
    u64 secret[2];
    u32 mask, count, used, hand;
    u32 *chain; /* by hash: the first client, TUX_NONE32 for none */
    struct tux_client *client;
    _Atomic u64 refused[TUX_LIMITS]; /* the key of the last one, by enum tux_limit; 0 none */
};

/* The key of an address; never 0. */
u64 tux_client_key(const u8 address[16]);
/* The entry of the address, with one connection more. NULL when all entries have connections. Any thread. */
struct tux_client *tux_clients_enter(struct tux_clients *c, u64 key, u64 now_ns);
void tux_client_leave(struct tux_client *client);
/* Take one token. A new one comes every interval_ns, and up to `burst` are saved. False: there is none now. */
bool tux_client_take(struct tux_client *client, u64 now_ns, u64 interval_ns, u32 burst);

#endif
