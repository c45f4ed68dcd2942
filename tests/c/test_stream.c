/* test_stream.c: bytes through a back-end: all of them, in order, and then the end. */
#include "backstage.h"

/* Every test is done over both kinds of wire. */
static enum wire_kind kind;

/* --- receiving --------------------------------------------------------------------------------------------------- */

static void bytes_come_split_anyhow(struct backstage *s)
{
    static const size_t pieces[] = {1, 1, 2, 500, 4095, 4096, 4097, 1, 8192, 40000, 3, 65535, 65536, 65536, 7};
    struct wire wire = wire_open(kind);
    struct sink sink = {.salt = 1};
    struct tux_run *run = &s->run[3];
    u64 sent = 0;
    backstage_again(s);
    for (size_t i = 0; i < TUX_COUNT(pieces); i++) {
        for (u64 until = sent + pieces[i]; sent < until;) sent += wire_feed(&wire, sent, 1, until - sent);
        CHECK(stream_until(s, run, wire.fd, &sink, sent) == TUX_AGAIN);
        CHECK_EQ(sink.at, sent);
    }
    shutdown(wire.peer, SHUT_WR);
    CHECK_EQ(stream_to_end(s, run, wire.fd, &sink), 0);
    CHECK_EQ(sink.at, sent);
    CHECK_EQ(stream_some(s, run, wire.fd, &sink), 0); /* the end stays the end */
    backstage_hang_up(s, run, wire.fd);
    backstage_close(s);
    close(wire.peer);
}

/* One and the same buffer may be looked at until it is given back. */
static void bytes_stay_until_released(struct backstage *s)
{
    struct wire wire = wire_open(kind);
    struct tux_run *run = &s->run[0];
    const u8 *data = NULL;
    backstage_again(s);
    CHECK_EQ(wire_feed(&wire, 0, 2, 1000), 1000);
    i64 n = s->ops->stream(s->backend, run, wire.fd, &data);
    if (n == TUX_AGAIN) {
        UNTIL(s, run->wait == TUX_WAIT_NOT);
        n = s->ops->stream(s->backend, run, wire.fd, &data);
    }
    CHECK(n > 0);
    CHECK_EQ(wire_feed(&wire, 1000, 2, 1000), 1000);
    backstage_spin(s);
    sink_put(&(struct sink){.salt = 2}, data, (size_t)n);
    s->ops->release(s->backend);
    s->ops->release(s->backend); /* nothing is lent: nothing to do */
    backstage_hang_up(s, run, wire.fd);
    backstage_close(s);
    close(wire.peer);
}

/* The end comes with the bytes, before anybody has looked. */
static void the_end_may_come_with_the_bytes(struct backstage *s)
{
    for (size_t length = 0; length <= 5000; length += 1000) {
        struct wire wire = wire_open(kind);
        struct sink sink = {.salt = 3};
        backstage_again(s);
        if (length > 0) CHECK_EQ(wire_feed(&wire, 0, 3, length), length);
        close(wire.peer);
        CHECK_EQ(stream_to_end(s, &s->run[0], wire.fd, &sink), 0);
        CHECK_EQ(sink.at, length);
        backstage_hang_up(s, &s->run[0], wire.fd);
        backstage_close(s);
    }
}

/* ... or in any gap between the steps of a receive: the run is parked, woken, has looked, is parked again. */
static void the_end_may_come_at_any_moment(struct backstage *s)
{
    for (int moment = 0; moment < 6; moment++) {
        struct wire wire = wire_open(kind);
        struct sink sink = {.salt = 4};
        struct tux_run *run = &s->run[0];
        backstage_again(s);
        CHECK(stream_some(s, run, wire.fd, &sink) == TUX_AGAIN);
        if (moment > 0) backstage_spin(s);
        CHECK_EQ(wire_feed(&wire, 0, 4, 100), 100);
        if (moment <= 1) shutdown(wire.peer, SHUT_WR); /* both before the kernel is asked */
        UNTIL(s, run->wait == TUX_WAIT_NOT);
        if (moment == 2) shutdown(wire.peer, SHUT_WR); /* woken by the bytes, which nobody has taken */
        i64 n = stream_until(s, run, wire.fd, &sink, 100);
        CHECK_EQ(sink.at, 100);
        CHECK(n == TUX_AGAIN || (n == 0 && moment <= 2));
        if (moment == 3) shutdown(wire.peer, SHUT_WR); /* parked again */
        if (moment > 3) backstage_spin(s);
        if (moment > 3) shutdown(wire.peer, moment == 4 ? SHUT_WR : SHUT_RDWR);
        CHECK_EQ(stream_to_end(s, run, wire.fd, &sink), 0);
        CHECK_EQ(sink.at, 100);
        backstage_hang_up(s, run, wire.fd);
        backstage_close(s);
        close(wire.peer);
    }
}

static void a_reset_is_an_error_or_the_end(struct backstage *s)
{
    struct wire wire = wire_open(kind);
    struct sink sink = {0};
    struct linger hard = {.l_onoff = 1};
    backstage_again(s);
    CHECK(stream_some(s, &s->run[0], wire.fd, &sink) == TUX_AGAIN);
    backstage_spin(s);
    CHECK_EQ(setsockopt(wire.peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    close(wire.peer);
    CHECK_EQ(stream_to_end(s, &s->run[0], wire.fd, &sink), kind == WIRE_TCP ? -ECONNRESET : 0);
    backstage_hang_up(s, &s->run[0], wire.fd);
    backstage_close(s);
}

/* --- two streams of one run -------------------------------------------------------------------------------------- */

/* What comes on one stream wakes nobody who waits for the other, and is there when the run asks for it. */
static void a_run_waits_for_one_of_two_streams(struct backstage *s)
{
    struct wire one = wire_open(kind), two = wire_open(kind);
    struct sink first = {.salt = 7}, second = {.salt = 8};
    struct tux_run *run = &s->run[5];
    backstage_again(s);
    CHECK(stream_some(s, run, two.fd, &second) == TUX_AGAIN);
    backstage_spin(s);
    CHECK(stream_some(s, run, one.fd, &first) == TUX_AGAIN);
    backstage_spin(s);
    CHECK_EQ(wire_feed(&two, 0, 8, 3000), 3000);
    backstage_spin(s);
    CHECK_EQ(run->wait, TUX_WAIT_INPUT);
    CHECK_EQ(wire_feed(&one, 0, 7, 2000), 2000);
    CHECK(stream_until(s, run, one.fd, &first, 2000) == TUX_AGAIN);
    run->wait = TUX_WAIT_NOT; /* the run turns to the other one */
    const u8 *data;
    while (second.at < 3000) {
        i64 n = s->ops->stream(s->backend, run, two.fd, &data);
        CHECK(n > 0); /* it has been here for long */
        sink_put(&second, data, (size_t)n);
    }
    CHECK(stream_some(s, run, two.fd, &second) == TUX_AGAIN);
    CHECK_EQ(wire_feed(&one, 2000, 7, 100), 100);
    backstage_spin(s);
    CHECK_EQ(run->wait, TUX_WAIT_INPUT);
    for (int i = 0; i < 2; i++) backstage_hang_up(s, run, i ? two.fd : one.fd);
    backstage_close(s);
    close(one.peer);
    close(two.peer);
}

/* Both carry many bytes at the same time, in pieces of any size; each is received in order and to its end. */
static void two_streams_carry_bytes_at_once(struct backstage *s)
{
    enum { BYTES = 300000 };
    struct wire wire[2] = {wire_open(kind), wire_open(kind)};
    struct sink sink[2] = {{.salt = 9}, {.salt = 10}};
    struct tux_run *run = &s->run[BACKSTAGE_SLOTS - 1];
    u64 fed[2] = {0, 0}, seed = 12;
    backstage_again(s);
    while (sink[0].at < BYTES || sink[1].at < BYTES) {
        for (u32 i = 0; i < 2; i++)
            fed[i] += wire_feed(&wire[i], fed[i], sink[i].salt, tux_min_u64(BYTES - fed[i], check_below(&seed, 9000)));
        u32 i = check_random(&seed) & 1;
        if (sink[i].at < fed[i]) {
            u64 until = sink[i].at + 1 + check_random(&seed) % (fed[i] - sink[i].at);
            CHECK(stream_until(s, run, wire[i].fd, &sink[i], until) == TUX_AGAIN);
            run->wait = TUX_WAIT_NOT;
        }
    }
    for (u32 i = 0; i < 2; i++) {
        shutdown(wire[i].peer, SHUT_WR);
        CHECK_EQ(stream_to_end(s, run, wire[i].fd, &sink[i]), 0);
        CHECK_EQ(sink[i].at, BYTES);
        backstage_hang_up(s, run, wire[i].fd);
        close(wire[i].peer);
    }
    backstage_close(s);
}

/* One is hung up while both are armed: its client sees the end at once, the other goes on, and there is room again. */
static void one_stream_ends_and_the_other_goes_on(struct backstage *s)
{
    for (u32 ends = 0; ends < 2; ends++) {
        struct wire wire[2] = {wire_open(kind), wire_open(kind)}, third = wire_open(kind);
        struct sink sink[2] = {{.salt = 11}, {.salt = 12}}, fresh = {.salt = 13};
        struct tux_run *run = &s->run[0];
        u32 stays = 1 - ends;
        u8 byte;
        backstage_again(s);
        for (u32 i = 0; i < 2; i++) CHECK(stream_some(s, run, wire[i].fd, &sink[i]) == TUX_AGAIN);
        backstage_spin(s);
        const u8 *data;
        CHECK_EQ(s->ops->stream(s->backend, run, third.fd, &data), -EMFILE);
        CHECK_EQ(wire_feed(&wire[ends], 0, sink[ends].salt, 500), 500); /* nobody takes this */
        CHECK_EQ(wire_feed(&wire[stays], 0, sink[stays].salt, 1000), 1000);
        backstage_spin(s);
        backstage_hang_up(s, run, wire[ends].fd);
        backstage_turn(s, 0);
        CHECK(check_readable(wire[ends].peer, CHECK_LIMIT_MS));
        CHECK(recv(wire[ends].peer, &byte, 1, 0) <= 0); /* a reset over TCP, since bytes were left */
        CHECK(stream_some(s, run, third.fd, &fresh) == TUX_AGAIN);
        CHECK_EQ(wire_feed(&third, 0, 13, 700), 700);
        CHECK(stream_until(s, run, third.fd, &fresh, 700) == TUX_AGAIN);
        CHECK_EQ(fresh.at, 700);
        run->wait = TUX_WAIT_NOT;
        CHECK(stream_until(s, run, wire[stays].fd, &sink[stays], 1000) == TUX_AGAIN);
        CHECK_EQ(wire_feed(&wire[stays], 1000, sink[stays].salt, 400), 400);
        CHECK(stream_until(s, run, wire[stays].fd, &sink[stays], 1400) == TUX_AGAIN);
        CHECK_EQ(sink[stays].at, 1400);
        backstage_hang_up(s, run, third.fd);
        backstage_hang_up(s, run, wire[stays].fd);
        backstage_close(s);
        for (u32 i = 0; i < 2; i++) close(wire[i].peer);
        close(third.peer);
    }
}

/* A run ends, and its descriptors outlive it: the next run of the slot has streams of its own, on the same numbers. */
static void the_end_of_a_run_ends_its_streams(struct backstage *s)
{
    backstage_again(s);
    struct wire wire[2] = {wire_open(kind), wire_open(kind)};
    struct tux_run *run = &s->run[1];
    for (u32 round = 0; round < 20; round++) {
        struct sink sink[2] = {{.salt = 14 + round}, {.salt = 50 + round}};
        for (u32 i = 0; i < 2; i++) CHECK(stream_some(s, run, wire[i].fd, &sink[i]) == TUX_AGAIN);
        if (round & 1) backstage_spin(s);
        for (u32 i = 0; i < 2; i++) {
            CHECK_EQ(wire_feed(&wire[i], 0, sink[i].salt, 2500), 2500);
            CHECK(stream_until(s, run, wire[i].fd, &sink[i], 2500) == TUX_AGAIN);
            CHECK_EQ(sink[i].at, 2500);
            run->wait = TUX_WAIT_NOT;
        }
        s->ops->detach(s->backend, run, round & 2 ? -1 : wire[0].fd);
        s->ops->detach(s->backend, run, -1);
        run->generation++; /* as the engine does when a run ends */
        backstage_spin(s);
        for (u32 i = 0; i < 2; i++) CHECK(check_is_open(wire[i].fd));
    }
    for (u32 i = 0; i < 2; i++) {
        backstage_hang_up(s, run, wire[i].fd);
        close(wire[i].peer);
    }
    backstage_close(s);
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

enum { LARGE = 8 << 20 };
static u8 large[LARGE];

/* The client reads at most `most` bytes; true at the end. */
static bool drink(const struct wire *wire, struct sink *sink, size_t most)
{
    u8 bytes[65536];
    ssize_t n = recv(wire->peer, bytes, most < sizeof bytes ? most : sizeof bytes, MSG_DONTWAIT);
    if (n < 0) CHECK(errno == EAGAIN);
    if (n > 0) sink_put(sink, bytes, (size_t)n);
    return n == 0;
}

/* As call.c does it: what is left is sent again until nothing is. The client reads a little every turn. */
static void send_all(struct backstage *s, const struct wire *wire, struct sink *sink, size_t length, int flags)
{
    struct tux_run *run = &s->run[0];
    u64 limit_ms = tux_now_ms() + CHECK_LIMIT_MS;
    for (size_t done = 0; done < length;) {
        i64 n = s->ops->send(s->backend, run, wire->fd, large + done, length - done, flags | MSG_NOSIGNAL);
        if (n == TUX_AGAIN) {
            CHECK(run->wait == TUX_WAIT_SENT || run->wait == TUX_WAIT_WRITABLE);
            while (run->wait != TUX_WAIT_NOT) {
                backstage_turn(s, 0);
                drink(wire, sink, 50000);
                CHECK(tux_now_ms() < limit_ms);
            }
            continue;
        }
        CHECK(n > 0);
        done += (size_t)n;
    }
}

static void much_arrives_whole_at_a_slow_reader(struct backstage *s)
{
    static const struct { size_t length; int flags; } sends[] = {{LARGE, 0}, {LARGE / 8, MSG_MORE}};
    for (size_t i = 0; i < TUX_COUNT(sends); i++) {
        struct wire wire = wire_open(kind);
        struct sink sink = {.salt = 5};
        backstage_again(s);
        send_all(s, &wire, &sink, sends[i].length, sends[i].flags);
        backstage_hang_up(s, &s->run[0], wire.fd);
        backstage_turn(s, 0);
        while (!drink(&wire, &sink, SIZE_MAX)) CHECK(check_readable(wire.peer, CHECK_LIMIT_MS));
        CHECK_EQ(sink.at, sends[i].length);
        backstage_close(s);
        close(wire.peer);
    }
}

/* One connection that is sent to while it is received from, as with a pipelining client. */
static void both_ways_at_once(struct backstage *s)
{
    struct wire wire = wire_open(kind);
    struct sink sink = {.salt = 5}, back = {.salt = 6};
    struct tux_run *run = &s->run[0];
    backstage_again(s);
    CHECK(stream_some(s, run, wire.fd, &back) == TUX_AGAIN);
    backstage_spin(s);
    CHECK_EQ(wire_feed(&wire, 0, 6, 10000), 10000);
    UNTIL(s, run->wait == TUX_WAIT_NOT);
    send_all(s, &wire, &sink, LARGE / 4, 0); /* 10,000 bytes wait meanwhile */
    shutdown(wire.peer, SHUT_WR);
    CHECK_EQ(stream_to_end(s, run, wire.fd, &back), 0);
    CHECK_EQ(back.at, 10000);
    backstage_hang_up(s, run, wire.fd);
    backstage_turn(s, 0);
    while (!drink(&wire, &sink, SIZE_MAX)) CHECK(check_readable(wire.peer, CHECK_LIMIT_MS));
    CHECK_EQ(sink.at, LARGE / 4);
    backstage_close(s);
    close(wire.peer);
}

/* The result of a send: at once, or landed with the event. */
static i64 sent(struct backstage *s, struct tux_run *run, int fd, size_t length)
{
    i64 n = s->ops->send(s->backend, run, fd, large, length, MSG_NOSIGNAL);
    while (n == TUX_AGAIN) {
        UNTIL(s, run->wait == TUX_WAIT_NOT);
        n = s->ops->send(s->backend, run, fd, large, length, MSG_NOSIGNAL);
    }
    return n;
}

static void sending_to_nobody_is_an_error(struct backstage *s)
{
    struct wire wire = wire_open(kind);
    i64 n = 0;
    backstage_again(s);
    close(wire.peer);
    for (int tries = 0; tries < 100 && n >= 0; tries++) n = sent(s, &s->run[0], wire.fd, 100000);
    CHECK(n == -EPIPE || n == -ECONNRESET);
    backstage_hang_up(s, &s->run[0], wire.fd);
    backstage_close(s);
}

/* Room for more is reported when the client has read, and not before. */
static void a_full_socket_becomes_writable(struct backstage *s)
{
    struct wire wire = wire_open(kind);
    struct sink sink = {.salt = 5};
    struct tux_run *run = &s->run[0];
    size_t full = 0;
    backstage_again(s);
    for (ssize_t n; (n = send(wire.fd, large + full, LARGE - full, MSG_DONTWAIT)) > 0;) full += (size_t)n;
    CHECK(s->ops->writable(s->backend, run, wire.fd) == TUX_AGAIN);
    backstage_spin(s);
    CHECK_EQ(run->wait, TUX_WAIT_WRITABLE);
    for (u64 limit_ms = tux_now_ms() + CHECK_LIMIT_MS; run->wait != TUX_WAIT_NOT; backstage_turn(s, 0)) {
        drink(&wire, &sink, SIZE_MAX);
        CHECK(tux_now_ms() < limit_ms);
    }
    CHECK(sink.at > 0);
    backstage_hang_up(s, run, wire.fd);
    backstage_close(s);
    close(wire.peer);
}

/* A send that the kernel has not finished is taken back; while it still reads the bytes, cancel() says so, and the
 * event that ends this comes although the client never reads again. */
static void a_send_can_be_taken_back(struct backstage *s)
{
    struct wire wire = wire_open(kind);
    struct sink sink = {.salt = 5};
    struct tux_run *run = &s->run[0];
    backstage_again(s);
    i64 n = 0;
    while (n >= 0) n = s->ops->send(s->backend, run, wire.fd, large, LARGE, MSG_NOSIGNAL);
    CHECK(n == TUX_AGAIN);
    backstage_spin(s);
    CHECK(run->wait != TUX_WAIT_NOT);
    if (!s->ops->cancel(s->backend, run)) {
        CHECK_EQ(run->wait, TUX_WAIT_SENT);
        UNTIL(s, run->wait == TUX_WAIT_NOT);
    }
    backstage_hang_up(s, run, wire.fd);
    backstage_turn(s, 0);
    while (!drink(&wire, &sink, SIZE_MAX)) CHECK(check_readable(wire.peer, CHECK_LIMIT_MS));
    CHECK(sink.at > 0 && sink.at < LARGE);
    backstage_close(s);
    close(wire.peer);
}

static void body(struct backstage *s)
{
    for (size_t at = 0; at < LARGE; at += WIRE_PERIOD) memcpy(large + at, wire_at(at, 5), WIRE_PERIOD);
    for (kind = 0; kind < WIRE_KINDS; kind++) {
        bytes_come_split_anyhow(s);
        bytes_stay_until_released(s);
        the_end_may_come_with_the_bytes(s);
        the_end_may_come_at_any_moment(s);
        a_reset_is_an_error_or_the_end(s);
        a_run_waits_for_one_of_two_streams(s);
        two_streams_carry_bytes_at_once(s);
        one_stream_ends_and_the_other_goes_on(s);
        the_end_of_a_run_ends_its_streams(s);
        much_arrives_whole_at_a_slow_reader(s);
        both_ways_at_once(s);
        sending_to_nobody_is_an_error(s);
        a_full_socket_becomes_writable(s);
        a_send_can_be_taken_back(s);
    }
}

int main(void) { return backstage_main(body); }
