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
        much_arrives_whole_at_a_slow_reader(s);
        both_ways_at_once(s);
        sending_to_nobody_is_an_error(s);
        a_full_socket_becomes_writable(s);
        a_send_can_be_taken_back(s);
    }
}

int main(void) { return backstage_main(body); }
