/* test_flood.c: more input than a back-end has room for: nothing is lost, nobody starves, no buffer stays behind. */
#include "backstage.h"

/* More input than there are buffers for: 200 connections, as much for each as a socket takes at once. */
enum { MANY = 200, EACH = 65536 };
static struct wire wires[MANY];
static struct sink sinks[MANY];

static void flood(struct backstage *s)
{
    for (u32 i = 0; i < MANY; i++) {
        wires[i] = wire_open(WIRE_UNIX);
        sinks[i] = (struct sink){.salt = i};
        CHECK(stream_some(s, &s->run[i], wires[i].fd, &sinks[i]) == TUX_AGAIN);
    }
    backstage_spin(s);
    for (u32 i = 0; i < MANY; i++) CHECK_EQ(wire_feed(&wires[i], 0, i, EACH), EACH);
    for (int turn = 0; turn < 20; turn++) backstage_turn(s, 0);
}

static void drain(struct backstage *s)
{
    u32 left = MANY;
    for (u64 limit_ms = tux_now_ms() + CHECK_LIMIT_MS; left > 0; backstage_turn(s, 0)) {
        CHECK(tux_now_ms() < limit_ms);
        for (u32 i = 0; i < MANY; i++) {
            struct tux_run *run = &s->run[i];
            if (run->wait != TUX_WAIT_NOT || wires[i].fd < 0) continue;
            i64 n = stream_some(s, run, wires[i].fd, &sinks[i]);
            if (n == TUX_AGAIN) continue;
            CHECK_EQ(n, 0);
            CHECK_EQ(sinks[i].at, EACH);
            backstage_hang_up(s, run, wires[i].fd);
            wires[i].fd = -1;
            left--;
        }
    }
}

/* Everybody reads at last, gets everything, and leaves. */
static void everybody_reads(struct backstage *s)
{
    for (u32 i = 0; i < MANY; i++) shutdown(wires[i].peer, SHUT_WR);
    drain(s);
    for (u32 i = 0; i < MANY; i++) close(wires[i].peer);
}

static void too_few_buffers_lose_nothing(struct backstage *s)
{
    backstage_again(s);
    flood(s);
    everybody_reads(s);
    backstage_close(s);
}

/* Those who do not read take nothing from one who does. */
static void too_few_buffers_starve_nobody(struct backstage *s)
{
    struct wire quiet = wire_open(WIRE_UNIX);
    struct sink sink = {.salt = 9};
    backstage_again(s);
    flood(s);
    CHECK_EQ(wire_feed(&quiet, 0, 9, 20000), 20000);
    CHECK(stream_until(s, &s->run[MANY], quiet.fd, &sink, 20000) == TUX_AGAIN);
    backstage_hang_up(s, &s->run[MANY], quiet.fd);
    close(quiet.peer);
    everybody_reads(s);
    backstage_close(s);
}

/* Connections that end while they hold input give their buffers back: three rounds would use them up three times. */
static void buffers_of_the_dead_come_back(struct backstage *s)
{
    backstage_again(s);
    for (int round = 0; round < 3; round++) {
        flood(s);
        for (u32 i = 0; i < MANY; i++) {
            backstage_hang_up(s, &s->run[i], wires[i].fd);
            close(wires[i].peer);
        }
        backstage_spin(s);
    }
    flood(s);
    everybody_reads(s);
    backstage_close(s);
}

/* What the kernel still delivers for a connection that is gone goes back, too. */
static void input_for_the_dead_goes_back(struct backstage *s)
{
    backstage_again(s);
    for (u32 i = 0; i < MANY; i++) {
        struct wire wire = wire_open(WIRE_UNIX);
        const u8 *data;
        CHECK_EQ(wire_feed(&wire, 0, i, EACH), EACH);
        (void)s->ops->stream(s->backend, &s->run[i], wire.fd, &data);
        s->ops->release(s->backend);
        if (i % 2) backstage_turn(s, 0); /* delivered already, but to nobody */
        backstage_hang_up(s, &s->run[i], wire.fd);
        backstage_turn(s, 0);
        close(wire.peer);
    }
    flood(s);
    everybody_reads(s);
    backstage_close(s);
}

/* A client that sends without end is stopped in its socket, while others go on. */
static void one_flooding_client_does_not_take_all(struct backstage *s, enum wire_kind kind)
{
    struct wire loud = wire_open(kind), quiet = wire_open(kind);
    struct sink loud_sink = {.salt = 8}, quiet_sink = {.salt = 9};
    u64 fed = 0;
    backstage_again(s);
    CHECK(stream_some(s, &s->run[0], loud.fd, &loud_sink) == TUX_AGAIN);
    for (int stuck = 0; stuck < 5;) {
        size_t n = wire_feed(&loud, fed, 8, SIZE_MAX);
        fed += n;
        stuck = n > 0 ? 0 : stuck + 1;
        backstage_turn(s, 0);
        CHECK(fed < 64u << 20);
    }
    CHECK_EQ(wire_feed(&quiet, 0, 9, 20000), 20000);
    CHECK(stream_until(s, &s->run[1], quiet.fd, &quiet_sink, 20000) == TUX_AGAIN);
    shutdown(loud.peer, SHUT_WR);
    CHECK_EQ(stream_to_end(s, &s->run[0], loud.fd, &loud_sink), 0);
    CHECK_EQ(loud_sink.at, fed);
    backstage_hang_up(s, &s->run[0], loud.fd);
    backstage_hang_up(s, &s->run[1], quiet.fd);
    backstage_close(s);
    close(loud.peer);
    close(quiet.peer);
}

static void body(struct backstage *s)
{
    too_few_buffers_lose_nothing(s);
    too_few_buffers_starve_nobody(s);
    buffers_of_the_dead_come_back(s);
    input_for_the_dead_goes_back(s);
    for (int kind = 0; kind < WIRE_KINDS; kind++) one_flooding_client_does_not_take_all(s, (enum wire_kind)kind);
}

int main(void) { return backstage_main(body); }
