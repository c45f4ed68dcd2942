/* backstage.h: a back-end with runs that only wait, and the loop around it: what the engine does with events, without
 * the engine. One body of a test runs on every back-end that this kernel has. */
#ifndef TUX_BACKSTAGE_H
#define TUX_BACKSTAGE_H

#include "chain/backend.h"
#include "check.h"
#include "base/clock.h"

enum { BACKSTAGE_SLOTS = 256, BACKSTAGE_ACCEPTED_MAX = 64 };

struct backstage {
    const struct tux_backend_ops *ops;
    struct tux_backend *backend;
    int knock_fd;
    int accepted[BACKSTAGE_ACCEPTED_MAX], accepted_count;
    int knocks, stale; /* stale: events that found their run gone or waiting for something else */
    struct tux_event event[TUX_EVENTS_MAX];
    struct tux_run run[BACKSTAGE_SLOTS];
};

/* 0, or what open() said; the sentence is printed. Generations begin where they will soon outgrow the mask. */
static inline int backstage_open(struct backstage *s, const struct tux_backend_ops *ops)
{
    char why[TUX_ERROR_BYTES] = "";
    *s = (struct backstage){.ops = ops, .knock_fd = check_eventfd()};
    for (u32 i = 0; i < BACKSTAGE_SLOTS; i++) {
        s->run[i].slot = i;
        s->run[i].generation = TUX_GENERATION_MASK - 1;
    }
    const struct tux_backend_options options = {.slots = BACKSTAGE_SLOTS, .knock_fd = s->knock_fd};
    int failed = ops->open(&s->backend, &options, why);
    if (!failed) return 0;
    printf("%s: %s\n", ops->name, why);
    CHECK(why[0] != 0);
    close(s->knock_fd);
    return failed;
}

/* The same back-end afresh: each test has its own. */
static inline void backstage_again(struct backstage *s) { CHECK_EQ(backstage_open(s, s->ops), 0); }

static inline void backstage_close(struct backstage *s)
{
    s->ops->close(s->backend);
    close(s->knock_fd);
}

static inline void backstage_handle(struct backstage *s, const struct tux_event *event)
{
    static const u8 waits[] = {[TUX_EVENT_INPUT] = TUX_WAIT_INPUT, [TUX_EVENT_SENT] = TUX_WAIT_SENT,
                               [TUX_EVENT_WRITABLE] = TUX_WAIT_WRITABLE, [TUX_EVENT_READY] = TUX_WAIT_READY};
    if (event->kind == TUX_EVENT_KNOCK) {
        s->knocks++;
    } else if (event->kind == TUX_EVENT_ACCEPTED) {
        CHECK(s->accepted_count < BACKSTAGE_ACCEPTED_MAX && event->result >= 0);
        s->accepted[s->accepted_count++] = (int)event->result;
    } else {
        CHECK(event->kind < TUX_COUNT(waits) && event->slot < BACKSTAGE_SLOTS);
        struct tux_run *run = &s->run[event->slot];
        if ((run->generation & TUX_GENERATION_MASK) != event->generation || run->wait != waits[event->kind]) {
            s->stale++;
            return;
        }
        if (event->kind != TUX_EVENT_INPUT) tux_land(run, event->result);
        run->woken_for = run->wait;
        run->wait = TUX_WAIT_NOT;
    }
}

/* One turn: at most `timeout_ms`. The number of events, the stale ones included. */
static inline int backstage_turn(struct backstage *s, int timeout_ms)
{
    int count = s->ops->wait(s->backend, s->event, TUX_EVENTS_MAX, timeout_ms);
    CHECK(count >= 0 && count <= TUX_EVENTS_MAX);
    for (int i = 0; i < count; i++) backstage_handle(s, &s->event[i]);
    return count;
}

/* Turns until the condition holds. The limit only ends a test that has failed already. */
#define UNTIL(stage, condition)                                                  \
    for (u64 limit_ms_ = tux_now_ms() + CHECK_LIMIT_MS; !(condition);) {         \
        CHECK(tux_now_ms() < limit_ms_);                                         \
        backstage_turn(stage, 1000);                                             \
    }

/* Some turns without waiting, for what must not happen in them. */
static inline void backstage_spin(struct backstage *s)
{
    for (int turn = 0; turn < 5; turn++) backstage_turn(s, 0);
}

/* The engine's own way to let a connection go. */
static inline void backstage_hang_up(struct backstage *s, struct tux_run *run, int fd)
{
    s->ops->hang_up(s->backend, run, fd);
    run->wait = TUX_WAIT_NOT;
    run->landed_is_set = false;
}

/* A connection: the engine's side, and the client's, which never blocks. */
struct wire {
    int fd, peer;
};

enum wire_kind { WIRE_UNIX, WIRE_TCP, WIRE_KINDS };

static inline struct wire wire_open(enum wire_kind kind)
{
    struct wire wire;
    if (kind == WIRE_UNIX) {
        int pair[2];
        check_pair(pair);
        wire = (struct wire){pair[0], pair[1]};
    } else {
        struct sockaddr_in address;
        int listener = check_listener(&address);
        wire.peer = check_connect(&address);
        wire.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        close(listener);
    }
    CHECK(wire.fd >= 0);
    CHECK(fcntl(wire.fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
    CHECK(fcntl(wire.peer, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
    return wire;
}

/* What travels: random bytes, entered at another place for each salt, so that nothing lost, doubled, swapped or led to
 * another connection goes unseen. Twice the period, so that a period can be taken from any place. */
enum { WIRE_PERIOD = 65536 };
static u8 wire_bytes[2 * WIRE_PERIOD];

static inline void wire_write_bytes(void)
{
    u64 seed = 4;
    for (size_t i = 0; i < WIRE_PERIOD; i++) wire_bytes[i] = wire_bytes[i + WIRE_PERIOD] = (u8)check_random(&seed);
}

/* The bytes at this place of a stream, WIRE_PERIOD of them. */
static inline const u8 *wire_at(u64 at, u32 salt) { return wire_bytes + (at + salt * 257u) % WIRE_PERIOD; }

struct sink {
    u64 at;
    u32 salt;
};

static inline void sink_put(struct sink *sink, const u8 *bytes, size_t length)
{
    while (length > 0) {
        size_t part = length < WIRE_PERIOD ? length : WIRE_PERIOD;
        if (memcmp(bytes, wire_at(sink->at, sink->salt), part) != 0) {
            fprintf(stderr, "salt %u: wrong within %zu bytes from %llu on\n", sink->salt, part,
                    (unsigned long long)sink->at);
            exit(1);
        }
        sink->at += part;
        bytes += part;
        length -= part;
    }
}

/* The client sends the next `length` bytes, or as many as fit; the number. */
static inline size_t wire_feed(const struct wire *wire, u64 at, u32 salt, size_t length)
{
    if (length > WIRE_PERIOD) length = WIRE_PERIOD;
    ssize_t n = send(wire->peer, wire_at(at, salt), length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) CHECK(errno == EAGAIN);
    return n < 0 ? 0 : (size_t)n;
}

/* Whatever stream() has now. What it said at last: 0 at the end, TUX_AGAIN when the run is parked, or -errno. */
static inline i64 stream_some(struct backstage *s, struct tux_run *run, int fd, struct sink *sink)
{
    const u8 *data = NULL;
    i64 n;
    while ((n = s->ops->stream(s->backend, run, fd, &data)) > 0) sink_put(sink, data, (size_t)n);
    s->ops->release(s->backend);
    if (n == TUX_AGAIN) CHECK_EQ(run->wait, TUX_WAIT_INPUT);
    return n;
}

/* Streams until `wanted` bytes are here in all, or the end. */
static inline i64 stream_until(struct backstage *s, struct tux_run *run, int fd, struct sink *sink, u64 wanted)
{
    for (u64 limit_ms = tux_now_ms() + CHECK_LIMIT_MS;;) {
        CHECK(tux_now_ms() < limit_ms);
        i64 n = stream_some(s, run, fd, sink);
        if (n != TUX_AGAIN || sink->at >= wanted) return n;
        UNTIL(s, run->wait == TUX_WAIT_NOT);
    }
}

static inline i64 stream_to_end(struct backstage *s, struct tux_run *run, int fd, struct sink *sink)
{
    return stream_until(s, run, fd, sink, UINT64_MAX);
}

/* The body on both back-ends: 0, or 77 with a reason when this kernel does without the second. */
static inline int backstage_main(void (*body)(struct backstage *))
{
    static const struct tux_backend_ops *const both[] = {&tux_backend_epoll, &tux_backend_uring};
    static struct backstage stage;
    wire_write_bytes();
    for (size_t i = 0; i < TUX_COUNT(both); i++) {
        if (backstage_open(&stage, both[i]) != 0) {
            CHECK(both[i] != &tux_backend_epoll);
            return 77;
        }
        backstage_close(&stage);
        body(&stage);
    }
    return 0;
}

#endif
