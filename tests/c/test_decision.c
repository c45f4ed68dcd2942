/* test_decision.c: the cache finds what it was given and nothing else, stays within its bounds, and lets go of the
 * right ones. */
#include "http/decision.h"

#include "draft.h"

static struct tux_metrics metrics;
static struct tux_decisions cache;
static const u8 secret[16] = "not so secret...";

static i64 gauge(_Atomic u64 *metric) { return (i64)atomic_load(metric); }

/* A response as the engine takes it from the judge: from here on the gauges count it. */
static struct tux_response *respond(void)
{
    struct draft d = draft_response("HTTP/1.1 200 OK\r\n\r\n", 19);
    u8 bytes[DRAFT_BYTES_MAX];
    struct tux_response_options options = {.chain = bytes, .file = -1, .status = 200, .cacheable = 1, .date_at = -1};
    struct tux_response *response = NULL;
    char error[TUX_ERROR_BYTES] = "";
    options.chain_bytes = draft_encode(&d, bytes);
    CHECK_EQ(tux_response_make(&options, &response, error), 0);
    tux_metric_add(&metrics.responses, 1);
    tux_metric_add(&metrics.blobs, 1);
    return response;
}

static void open_cache(u32 entries_max, u64 bytes_max)
{
    memset(&metrics, 0, sizeof metrics);
    CHECK_EQ(tux_decisions_open(&cache, entries_max, bytes_max, secret, &metrics), 0);
}

/* Whatever a test did, nothing may be left when the cache is closed and the test has dropped its own references. */
static void close_cache(void)
{
    tux_decisions_close(&cache);
    CHECK_EQ(gauge(&metrics.entries), 0);
    CHECK_EQ(gauge(&metrics.cache_bytes), 0);
    CHECK_EQ(gauge(&metrics.responses), 0);
    CHECK_EQ(gauge(&metrics.blobs), 0);
}

static void drop(struct tux_response *response) { tux_response_drop(response, &metrics); }

static u64 hash_of(u64 key) { return tux_decision_hash(&cache, (const u8 *)&key, sizeof key); }

static struct tux_response *find(u64 key)
{
    return tux_decision_find(&cache, hash_of(key), (const u8 *)&key, sizeof key);
}

static void keep(u64 key, struct tux_response *response)
{
    tux_decision_keep(&cache, hash_of(key), (const u8 *)&key, sizeof key, response);
}

/* Seen twice: then it may push somebody out. */
static void insist(u64 key, struct tux_response *response)
{
    keep(key, response);
    if (!find(key)) keep(key, response);
}

/* --- finding ----------------------------------------------------------------------------------------------------- */

/* All with one hash, so that nothing but the bytes can tell the keys apart. */
static void every_byte_of_the_key_decides(void)
{
    static const char *const keys[TUX_WAYS] = {"abcdefgh", "xbcdefgh", "abcxefgh", "abcdefgx",
                                               "abcdefg", "abcdefghi", "a", "abcdefgh\n"};
    struct tux_response *responses[TUX_WAYS];
    const u64 hash = 0x1234567890ABCDEF;
    open_cache(64, 1 << 20);
    for (unsigned i = 0; i < TUX_WAYS; i++) {
        const u8 *key = (const u8 *)keys[i];
        responses[i] = respond();
        CHECK(tux_decision_find(&cache, hash, key, strlen(keys[i])) == NULL);
        tux_decision_keep(&cache, hash, key, strlen(keys[i]), responses[i]);
    }
    for (unsigned i = 0; i < TUX_WAYS; i++) {
        u8 key[16];
        size_t length = strlen(keys[i]);
        memcpy(key, keys[i], length);
        CHECK(tux_decision_find(&cache, hash, key, length) == responses[i]);
        CHECK(tux_decision_find(&cache, hash ^ 1ull << 40, key, length) == NULL);
        for (size_t at = 0; at < length; at++) {
            key[at] ^= 0x80;
            CHECK(tux_decision_find(&cache, hash, key, length) == NULL);
            key[at] ^= 0x80;
        }
    }
    for (unsigned i = 0; i < TUX_WAYS; i++) drop(responses[i]);
    close_cache();
}

static void the_hash_reads_every_byte_and_the_secret(void)
{
    struct check_guard guard = check_guard_open(100);
    struct tux_decisions other;
    u8 bytes[64] = {0};
    open_cache(8, 1000);
    CHECK_EQ(tux_decisions_open(&other, 8, 1000, (const u8 *)"another secret..", &metrics), 0);
    for (size_t length = 0; length < sizeof bytes; length++) {
        u8 *key = check_guard_put(&guard, bytes, length);
        u64 hash = tux_decision_hash(&cache, key, length);
        CHECK_EQ(tux_decision_hash(&cache, key, length), hash);
        CHECK(tux_decision_hash(&other, key, length) != hash);
        CHECK(tux_decision_hash(&cache, bytes, length + 1) != hash);
        for (size_t at = 0; at < length; at++) {
            key[at] ^= 1;
            CHECK(tux_decision_hash(&cache, key, length) != hash);
            key[at] ^= 1;
        }
    }
    tux_decisions_close(&other);
    close_cache();
}

/* --- bounds ------------------------------------------------------------------------------------------------------ */

static void entries_are_bounded(void)
{
    struct tux_response *response;
    open_cache(64, 1 << 30);
    response = respond();
    for (u64 key = 0; key < 2000; key++) {
        insist(key, response);
        CHECK(gauge(&metrics.entries) <= 64);
        CHECK(find(key) == response);
    }
    CHECK_EQ(gauge(&metrics.entries), 64);
    CHECK_EQ(gauge(&metrics.evictions), 2000 - 64);
    drop(response);
    close_cache();
}

static void bytes_are_bounded(void)
{
    enum { EACH = 1000, MOST = 20 * EACH + EACH / 2 };
    open_cache(1024, MOST);
    for (u64 key = 0; key < 2000; key++) {
        struct tux_response *response = respond();
        response->bytes = EACH - sizeof(u64); /* the key counts too */
        insist(key, response);
        drop(response);
        CHECK(gauge(&metrics.cache_bytes) <= MOST);
        CHECK_EQ(gauge(&metrics.cache_bytes), gauge(&metrics.entries) * EACH);
    }
    CHECK_EQ(gauge(&metrics.entries), 20);
    close_cache();
}

/* A response that answers several keys takes its memory, and its descriptor, once. */
static void what_is_shared_counts_once(void)
{
    struct tux_response *response;
    open_cache(64, 1 << 20);
    response = respond();
    response->bytes = 1000;
    response->file = check_eventfd();
    for (u64 key = 0; key < 10; key++) keep(key, response);
    CHECK_EQ(gauge(&metrics.cache_bytes), 1000 + 10 * sizeof(u64));
    CHECK_EQ(cache.files, 1);
    response->dead = true; /* they go one by one, as they are found */
    for (u64 key = 0; key < 9; key++) CHECK(find(key) == NULL);
    CHECK_EQ(gauge(&metrics.cache_bytes), 1000 + sizeof(u64));
    CHECK_EQ(cache.files, 1);
    CHECK(find(9) == NULL);
    CHECK_EQ(gauge(&metrics.cache_bytes), 0);
    CHECK_EQ(cache.files, 0);
    drop(response);
    close_cache();
}

/* A response that is sent from its file keeps a descriptor open; there are only so many. Others do not count. */
static void files_are_bounded(void)
{
    struct tux_response *plain;
    open_cache(64, 1 << 20);
    cache.files_max = 5;
    plain = respond();
    for (u64 key = 0; key < 20; key++) keep(key, plain);
    i64 entries = gauge(&metrics.entries);
    for (u64 key = 1000; key < 1300; key++) {
        struct tux_response *with_file = respond();
        with_file->file = check_eventfd();
        insist(key, with_file);
        CHECK(find(key) == with_file);
        CHECK(cache.files <= 5);
        drop(with_file);
    }
    CHECK(gauge(&metrics.entries) > entries && cache.files == 5);
    for (u64 key = 2000; key < 3000; key++) insist(key, plain);
    CHECK(cache.files <= 5);
    tux_decisions_forget(&cache);
    CHECK_EQ(cache.files, 0);
    drop(plain);
    close_cache();
}

/* One answer that would take more than an eighth of the memory is not worth what would have to go for it. */
static void the_large_do_not_push_out_the_small(void)
{
    struct tux_response *small[9], *large;
    open_cache(64, 10000);
    large = respond();
    large->bytes = 2000;
    for (u64 key = 0; key < 9; key++) {
        small[key] = respond();
        small[key]->bytes = 1000;
        keep(key, small[key]);
    }
    for (int again = 0; again < 3; again++) keep(100, large);
    CHECK(find(100) == NULL);
    for (u64 key = 0; key < 9; key++) CHECK(find(key) == small[key]);
    CHECK_EQ(gauge(&metrics.passed_over), 3);
    for (u64 key = 0; key < 9; key++) drop(small[key]);
    drop(large);
    close_cache();
}

/* --- who has to go ----------------------------------------------------------------------------------------------- */

static void a_full_cache_wants_to_see_a_key_twice(void)
{
    struct tux_response *response;
    open_cache(8, 1 << 20);
    response = respond();
    for (u64 key = 0; key < 8; key++) keep(key, response);
    CHECK_EQ(gauge(&metrics.entries), 8);
    keep(100, response);
    CHECK(find(100) == NULL);
    CHECK_EQ(gauge(&metrics.evictions), 0);
    keep(100, response);
    CHECK(find(100) == response);
    CHECK_EQ(gauge(&metrics.evictions), 1);
    CHECK_EQ(gauge(&metrics.passed_over), 1);
    drop(response);
    close_cache();
}

/* 100,000 targets that nobody asks for twice evict nothing of a full cache, though nobody touches it meanwhile. */
static void a_flood_evicts_nothing(void)
{
    enum { ENTRIES = 1024, FLOOD = 100000 };
    static u64 hot[ENTRIES];
    struct tux_response *warm, *cold;
    open_cache(ENTRIES, 1 << 30);
    warm = respond();
    cold = respond();
    u32 count = 0;
    for (u64 key = 0; count < ENTRIES; key++) {
        keep(key, warm);
        if (find(key)) hot[count++] = key;
    }
    CHECK_EQ(gauge(&metrics.entries), ENTRIES);
    for (u64 key = 1u << 30; key < (1u << 30) + FLOOD; key++) {
        CHECK(find(key) == NULL);
        keep(key, cold);
    }
    CHECK_EQ(gauge(&metrics.evictions), 0);
    for (u32 i = 0; i < ENTRIES; i++) CHECK(find(hot[i]) == warm);
    CHECK_EQ(cold->refs, 1);
    drop(warm);
    drop(cold);
    close_cache();
}

/* One target in use among many that are asked for twice and never again, wherever the hand stands at first. */
static void the_clock_keeps_the_hot(void)
{
    for (u64 hot = 0; hot < 8; hot++) {
        struct tux_response *response;
        open_cache(8, 1 << 20);
        response = respond();
        for (u64 key = 0; key < 8; key++) keep(key, response);
        for (u64 key = 100; key < 400; key++) {
            CHECK(find(hot) == response);
            insist(key, response);
        }
        CHECK(find(hot) == response);
        CHECK_EQ(gauge(&metrics.evictions), 300);
        drop(response);
        close_cache();
    }
}

/* The same where memory is what runs out. */
static void the_clock_keeps_the_hot_bytes(void)
{
    struct tux_response *hot = NULL;
    open_cache(1024, 10000);
    for (u64 key = 0; key < 400; key++) {
        struct tux_response *response = respond();
        response->bytes = 1000 - sizeof(u64);
        insist(key, response);
        if (key == 3) hot = response;
        if (key >= 3) CHECK(find(3) == hot);
        if (key >= 10) CHECK_EQ(gauge(&metrics.entries), 10);
        drop(response);
    }
    close_cache();
}

/* --- death ------------------------------------------------------------------------------------------------------- */

static void the_dead_are_not_found(void)
{
    struct tux_response *old, *fresh;
    open_cache(8, 1 << 20);
    old = respond();
    fresh = respond();
    keep(1, old);
    drop(old); /* now only the cache holds it */
    CHECK(find(1) == old);
    CHECK_EQ(gauge(&metrics.responses), 2);
    old->dead = true;
    CHECK(find(1) == NULL);
    CHECK_EQ(gauge(&metrics.responses), 1);
    CHECK_EQ(gauge(&metrics.entries), 0);
    keep(1, fresh);
    CHECK(find(1) == fresh);
    drop(fresh);
    close_cache();
}

/* A new answer stands behind a dead one that nobody has come across yet. */
static void the_dead_do_not_hide_the_living(void)
{
    struct tux_response *old, *fresh;
    open_cache(8, 1 << 20);
    old = respond();
    fresh = respond();
    keep(1, old);
    old->dead = true;
    keep(1, fresh);
    CHECK(find(1) == fresh);
    CHECK_EQ(gauge(&metrics.entries), 1);
    drop(old);
    drop(fresh);
    close_cache();
}

static void forget_leaves_nothing_to_find_or_to_repeat(void)
{
    struct tux_response *held, *let_go;
    open_cache(64, 1 << 20);
    held = respond();
    let_go = respond();
    for (u64 key = 0; key < 8; key++) keep(key, held);
    keep(8, let_go);
    drop(let_go);
    tux_decisions_forget(&cache);
    for (u64 key = 0; key < 9; key++) CHECK(find(key) == NULL);
    CHECK(held->generation != cache.generation); /* a connection that remembers it sees that */
    CHECK_EQ(held->refs, 1);
    CHECK_EQ(gauge(&metrics.entries), 0);
    CHECK_EQ(gauge(&metrics.cache_bytes), 0);
    CHECK_EQ(gauge(&metrics.responses), 1);
    drop(held);
    close_cache();
}

/* What a connection still sends outlives its entry, bytes and all. */
static void what_is_in_flight_outlives_its_entry(void)
{
    struct tux_response *response;
    open_cache(8, 1 << 20);
    response = respond();
    keep(1, response);
    struct tux_blob *blob = tux_response_blob(response, 1, "Sun, 06 Nov 1994 08:49:37 GMT", &metrics);
    drop(response);
    tux_decisions_forget(&cache);
    CHECK_EQ(gauge(&metrics.responses), 0);
    CHECK_EQ(gauge(&metrics.blobs), 1);
    CHECK(memcmp(blob->data, "HTTP/1.1 200 OK\r\n\r\n", 19) == 0);
    tux_blob_drop(blob, &metrics);
    close_cache();
}

int main(void)
{
    every_byte_of_the_key_decides();
    the_hash_reads_every_byte_and_the_secret();
    entries_are_bounded();
    bytes_are_bounded();
    what_is_shared_counts_once();
    files_are_bounded();
    the_large_do_not_push_out_the_small();
    a_full_cache_wants_to_see_a_key_twice();
    a_flood_evicts_nothing();
    the_clock_keeps_the_hot();
    the_clock_keeps_the_hot_bytes();
    the_dead_are_not_found();
    the_dead_do_not_hide_the_living();
    forget_leaves_nothing_to_find_or_to_repeat();
    what_is_in_flight_outlives_its_entry();
    return 0;
}
