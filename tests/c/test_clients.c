/* test_clients.c: the table of client addresses: tokens, connections, who is forgotten, and several threads at it. */
#include "check.h"
#include "http/clients.h"

#define SECOND 1000000000u

static const u8 SECRET[16] = "0123456789abcdef";

static struct tux_clients *fresh(u32 most)
{
    struct tux_clients *c = NULL;
    CHECK_EQ(tux_clients_open(most, SECRET, &c), 0);
    return c;
}

static u64 key_of(const char *text)
{
    u8 address[16] = {[10] = 0xFF, [11] = 0xFF};
    CHECK(inet_pton(AF_INET, text, address + 12) == 1 || inet_pton(AF_INET6, text, address) == 1);
    return tux_client_key(address);
}

static void an_ipv6_address_counts_by_its_64(void)
{
    CHECK_EQ(key_of("2001:db8::1"), key_of("2001:db8::ffff:1:2:3"));
    CHECK(key_of("2001:db8::1") != key_of("2001:db8:0:1::1"));
    CHECK(key_of("192.0.2.1") != key_of("192.0.2.2"));
    CHECK(key_of("::1") != 0);
    CHECK_EQ(key_of("192.0.2.1"), 0xFFFFC0000201);
}

static void sizes_that_cannot_be_are_refused(void)
{
    struct tux_clients *c = NULL;
    CHECK_EQ(tux_clients_open(0, SECRET, &c), -EINVAL);
    CHECK_EQ(tux_clients_open(TUX_CLIENTS_MAX + 1, SECRET, &c), -EINVAL);
    CHECK(c == NULL);
}

static void a_bucket_holds_a_burst_and_fills_at_its_rate(void)
{
    struct tux_clients *c = fresh(4);
    struct tux_client *client = tux_clients_enter(c, 7, 0);
    u64 now = 50ull * SECOND;
    for (int i = 0; i < 5; i++) CHECK(tux_client_take(client, now, SECOND, 5));
    CHECK(!tux_client_take(client, now, SECOND, 5));
    CHECK(!tux_client_take(client, now + SECOND - 1, SECOND, 5)); /* what was refused has cost nothing */
    CHECK(tux_client_take(client, now + SECOND, SECOND, 5));
    CHECK(!tux_client_take(client, now + SECOND, SECOND, 5));
    now += 100ull * SECOND; /* never more than the burst, however long one waits */
    for (int i = 0; i < 5; i++) CHECK(tux_client_take(client, now, SECOND, 5));
    CHECK(!tux_client_take(client, now, SECOND, 5));
    now += 1; /* of another engine's clock, which may be a little behind */
    CHECK(!tux_client_take(client, now - 1000, SECOND, 5));
    tux_client_leave(client);
    tux_clients_close(c);
}

static void the_longest_interval_and_the_largest_burst_fit(void)
{
    struct tux_clients *c = fresh(1);
    struct tux_client *client = tux_clients_enter(c, 7, 0);
    for (u32 i = 0; i < TUX_BURST_MAX; i++) CHECK(tux_client_take(client, SECOND, TUX_INTERVAL_NS_MAX, TUX_BURST_MAX));
    CHECK(!tux_client_take(client, SECOND, TUX_INTERVAL_NS_MAX, TUX_BURST_MAX));
    tux_client_leave(client);
    tux_clients_close(c);
}

static void an_address_is_found_again_with_what_it_has_taken(void)
{
    struct tux_clients *c = fresh(64);
    struct tux_client *client = tux_clients_enter(c, 7, 0);
    CHECK(tux_client_take(client, SECOND, SECOND, 1));
    tux_client_leave(client);
    CHECK(tux_clients_enter(c, 7, SECOND) == client);
    CHECK(!tux_client_take(client, SECOND, SECOND, 1));
    CHECK(tux_clients_enter(c, 8, SECOND) != client);
    CHECK_EQ(atomic_load(&client->connections), 1);
    tux_clients_close(c);
}

/* Of two that are idle the one whose bucket is full goes; who has connections stays whatever comes. */
static void a_full_table_forgets_who_has_taken_least(void)
{
    struct tux_clients *c = fresh(3);
    struct tux_client *stays = tux_clients_enter(c, 1, 0), *busy = tux_clients_enter(c, 2, 0);
    struct tux_client *calm = tux_clients_enter(c, 3, 0);
    for (int i = 0; i < 9; i++) (void)tux_client_take(busy, 0, SECOND, 100);
    tux_client_leave(busy);
    tux_client_leave(calm);
    CHECK(tux_clients_enter(c, 4, SECOND) == calm);
    CHECK(tux_clients_enter(c, 2, SECOND) == busy);
    CHECK(tux_clients_enter(c, 5, SECOND) == NULL); /* nobody can go */
    tux_client_leave(busy);
    CHECK(tux_clients_enter(c, 5, SECOND) == busy); /* all are more or less busy: the least */
    CHECK_EQ(atomic_load(&busy->due_ns), 0);
    CHECK_EQ(stays->key, 1);
    tux_clients_close(c);
}

static void a_flood_of_addresses_stays_in_its_bounds(void)
{
    struct tux_clients *c = fresh(256);
    u64 chance = 1;
    struct tux_client *held = tux_clients_enter(c, 42, 0);
    for (u32 i = 0; i < 200000; i++) {
        struct tux_client *client = tux_clients_enter(c, check_random(&chance) | 1, i);
        CHECK(client != NULL && client != held);
        (void)tux_client_take(client, i, SECOND, 10);
        tux_client_leave(client);
    }
    CHECK(tux_clients_enter(c, 42, 0) == held);
    tux_clients_close(c);
}

struct crowd {
    struct tux_clients *clients;
    u64 seed, taken;
};

static void *visit(void *argument)
{
    struct crowd *crowd = argument;
    for (u32 i = 0; i < 20000; i++) {
        u64 key = check_random(&crowd->seed) % 500 + 1;
        struct tux_client *client = tux_clients_enter(crowd->clients, key, 0);
        CHECK(client != NULL);
        CHECK_EQ(client->key, key); /* nobody else has taken its place meanwhile */
        tux_client_leave(client);
        struct tux_client *same = tux_clients_enter(crowd->clients, 9999, 0);
        crowd->taken += tux_client_take(same, 0, SECOND, 1000);
        if (i % 2) tux_client_leave(same);
    }
    return NULL;
}

/* Four threads: exactly as many tokens as there are, and as many connections as have not left. */
static void threads_share_it(void)
{
    struct crowd crowd[4];
    pthread_t thread[4];
    struct tux_clients *c = fresh(64);
    for (u32 i = 0; i < 4; i++) {
        crowd[i] = (struct crowd){.clients = c, .seed = i + 1};
        CHECK_EQ(pthread_create(&thread[i], NULL, visit, &crowd[i]), 0);
    }
    u64 taken = 0;
    for (u32 i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
        taken += crowd[i].taken;
    }
    CHECK_EQ(taken, 1000);
    CHECK_EQ(atomic_load(&tux_clients_enter(c, 9999, 0)->connections), 4 * 10000 + 1);
    tux_clients_close(c);
}

int main(void)
{
    an_ipv6_address_counts_by_its_64();
    sizes_that_cannot_be_are_refused();
    a_bucket_holds_a_burst_and_fills_at_its_rate();
    the_longest_interval_and_the_largest_burst_fit();
    an_address_is_found_again_with_what_it_has_taken();
    a_full_table_forgets_who_has_taken_least();
    a_flood_of_addresses_stays_in_its_bounds();
    threads_share_it();
    return 0;
}
