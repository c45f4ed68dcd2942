/* clients.c: a table of chains over places that are taken once, at the start. */
#include "http/clients.h"

#include "base/address.h"

#define SCAN 64u /* entries among which the best one to forget is chosen */

u64 tux_client_key(const u8 address[16])
{
    u64 key = 0;
    const u8 *from = tux_address_is_v4(address) ? address + 8 : address; /* then it begins with 0000:ffff */
    for (unsigned i = 0; i < 8; i++) key = key << 8 | from[i];
    return key ? key : 1; /* ::/64, which no client has */
}

/* Keyed, so that clients cannot choose addresses that share a chain (the finalizer of MurmurHash3, twice). */
static u32 place_of(const struct tux_clients *c, u64 key)
{
    u64 h = key ^ c->secret[0];
    for (unsigned i = 0; i < 2; i++) {
        h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCDu;
        h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53u;
        h ^= (h >> 33) ^ c->secret[1];
    }
    return (u32)h & c->mask;
}

int tux_clients_open(uint32_t most, const uint8_t *secret, struct tux_clients **out)
{
    struct tux_clients *c = calloc(1, sizeof *c);
    u32 chains = 64;
    if (!c) return -ENOMEM;
    if (most == 0 || most > TUX_CLIENTS_MAX) {
        free(c);
        return -EINVAL;
    }
    while (chains < most) chains *= 2;
    c->mask = chains - 1;
    c->count = most;
    memcpy(c->secret, secret, sizeof c->secret);
    c->chain = malloc(chains * sizeof *c->chain);
    c->client = calloc(most, sizeof *c->client); /* pages that are never touched take no memory */
    pthread_mutex_init(&c->lock, NULL);
    if (!c->chain || !c->client) {
        tux_clients_close(c);
        return -ENOMEM;
    }
    memset(c->chain, 0xFF, chains * sizeof *c->chain);
    *out = c;
    return 0;
}

void tux_clients_close(struct tux_clients *c)
{
    pthread_mutex_destroy(&c->lock);
    free(c->chain);
    free(c->client);
    free(c);
}

uint64_t tux_clients_refused(struct tux_clients *c, uint32_t limit)
{
    return limit < TUX_LIMITS ? atomic_load(&c->refused[limit]) : 0;
}

static bool is_idle(struct tux_client *client) { return atomic_load(&client->connections) == 0; }

/* An entry whose address may be forgotten: one whose bucket of tokens is full, else the one with the fullest. */
static u32 idle_place(struct tux_clients *c, u64 now_ns)
{
    u32 best = TUX_NONE32;
    u64 best_due = UINT64_MAX;
    for (u32 looked = 0; looked < c->count; looked++) {
        u32 place = c->hand;
        c->hand = (c->hand + 1) % c->count;
        struct tux_client *client = &c->client[place];
        if (!is_idle(client)) continue;
        u64 due = atomic_load(&client->due_ns);
        if (due <= now_ns) return place;
        if (due < best_due) {
            best = place;
            best_due = due;
        }
        if (looked >= SCAN) break;
    }
    return best;
}

static void forget(struct tux_clients *c, u32 place)
{
    u32 *at = &c->chain[place_of(c, c->client[place].key)];
    while (*at != place) at = &c->client[*at].next;
    *at = c->client[place].next;
}

static u32 new_place(struct tux_clients *c, u64 key, u64 now_ns)
{
    u32 place = c->used < c->count ? c->used : idle_place(c, now_ns);
    if (place == TUX_NONE32) return place;
    if (place == c->used) c->used++;
    else forget(c, place);
    struct tux_client *client = &c->client[place];
    u32 *chain = &c->chain[place_of(c, key)];
    client->key = key;
    client->next = *chain;
    atomic_store(&client->due_ns, 0);
    *chain = place;
    return place;
}

struct tux_client *tux_clients_enter(struct tux_clients *c, u64 key, u64 now_ns)
{
    pthread_mutex_lock(&c->lock);
    u32 place = c->chain[place_of(c, key)];
    while (place != TUX_NONE32 && c->client[place].key != key) place = c->client[place].next;
    if (place == TUX_NONE32) place = new_place(c, key, now_ns);
    struct tux_client *client = place == TUX_NONE32 ? NULL : &c->client[place];
    if (client) atomic_fetch_add(&client->connections, 1); /* from 0 only here, so no idle one is in use */
    pthread_mutex_unlock(&c->lock);
    return client;
}

void tux_client_leave(struct tux_client *client)
{
    u32 before = atomic_fetch_sub(&client->connections, 1);
    TUX_ASSERT(before > 0);
}

bool tux_client_take(struct tux_client *client, u64 now_ns, u64 interval_ns, u32 burst)
{
    u64 due = atomic_load_explicit(&client->due_ns, memory_order_relaxed), from;
    do {
        from = due > now_ns ? due : now_ns;
        if (from - now_ns > (burst - 1) * interval_ns) return false;
    } while (!atomic_compare_exchange_weak_explicit(&client->due_ns, &due, from + interval_ns, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}
