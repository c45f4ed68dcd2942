/* test_backend.c: the contract of backend.h but for the bytes, which are in test_stream.c: accepting, waking,
 * letting go. */
#include <pthread.h>

#include "backstage.h"

/* --- accept ------------------------------------------------------------------------------------------------------ */

static bool backlog_waits(int listener) { return check_readable(listener, 0); }

static void hang_up_accepted(struct backstage *s)
{
    while (s->accepted_count > 0) close(s->accepted[--s->accepted_count]);
}

/* As many as runs are parked for; whoever comes next waits in the kernel's backlog until another run parks. */
static void exactly_the_wanted_are_accepted(struct backstage *s)
{
    struct sockaddr_in address;
    int listener = check_listener(&address), clients[5];
    backstage_again(s);
    CHECK_EQ(s->ops->listen(s->backend, 0, listener), 0);
    for (int i = 0; i < 4; i++) clients[i] = check_connect(&address);
    backstage_spin(s);
    CHECK_EQ(s->accepted_count, 0);
    s->ops->want(s->backend, 0, 1);
    UNTIL(s, s->accepted_count == 1);
    backstage_spin(s);
    CHECK_EQ(s->accepted_count, 1);
    CHECK(backlog_waits(listener));
    s->ops->want(s->backend, 0, 2);
    UNTIL(s, s->accepted_count == 3);
    backstage_spin(s);
    CHECK_EQ(s->accepted_count, 3);
    CHECK(backlog_waits(listener));
    s->ops->want(s->backend, 0, 2);
    UNTIL(s, s->accepted_count == 4);
    CHECK(!backlog_waits(listener));
    clients[4] = check_connect(&address); /* one run is still parked for it */
    UNTIL(s, s->accepted_count == 5);
    for (int i = 0; i < 5; i++) CHECK(fcntl(s->accepted[i], F_GETFL) & O_NONBLOCK);
    for (int i = 0; i < 5; i++) CHECK(fcntl(s->accepted[i], F_GETFD) & FD_CLOEXEC);
    for (int i = 0; i < 5; i++) close(clients[i]);
    hang_up_accepted(s);
    backstage_close(s);
    close(listener);
}

static void nobody_wanted_means_nobody_accepted(struct backstage *s)
{
    struct sockaddr_in address;
    int listener = check_listener(&address);
    backstage_again(s);
    CHECK_EQ(s->ops->listen(s->backend, 0, listener), 0);
    s->ops->want(s->backend, 0, 3);
    backstage_spin(s);
    s->ops->want(s->backend, 0, 0);
    int client = check_connect(&address);
    backstage_spin(s);
    CHECK_EQ(s->accepted_count, 0);
    CHECK(backlog_waits(listener));
    s->ops->want(s->backend, 0, 1);
    UNTIL(s, s->accepted_count == 1);
    close(client);
    hang_up_accepted(s);
    backstage_close(s);
    close(listener);
}

/* With more free runs than any backlog can hold the way of accepting may be another; nobody is lost between the two. */
static void many_wanted_and_then_few(struct backstage *s)
{
    struct sockaddr_in address;
    int listener = check_listener(&address), clients[24];
    u32 wanted = TUX_BACKLOG + 4;
    backstage_again(s);
    CHECK_EQ(s->ops->listen(s->backend, 0, listener), 0);
    s->ops->want(s->backend, 0, wanted);
    for (int i = 0; i < 8; i++) clients[i] = check_connect(&address);
    UNTIL(s, s->accepted_count == 8);
    s->ops->want(s->backend, 0, wanted - 8);
    for (int i = 8; i < 16; i++) clients[i] = check_connect(&address);
    UNTIL(s, s->accepted_count == 16);
    s->ops->want(s->backend, 0, 4);
    backstage_spin(s);
    for (int i = 16; i < 24; i++) clients[i] = check_connect(&address);
    UNTIL(s, s->accepted_count == 20);
    backstage_spin(s);
    CHECK_EQ(s->accepted_count, 20);
    CHECK(backlog_waits(listener));
    s->ops->want(s->backend, 0, wanted);
    UNTIL(s, s->accepted_count == 24);
    for (int i = 0; i < 24; i++) close(clients[i]);
    hang_up_accepted(s);
    backstage_close(s);
    close(listener);
}

static void every_port_has_its_own_count(struct backstage *s)
{
    struct sockaddr_in address[2];
    int listeners[2] = {check_listener(&address[0]), check_listener(&address[1])};
    backstage_again(s);
    for (u32 i = 0; i < 2; i++) CHECK_EQ(s->ops->listen(s->backend, i, listeners[i]), 0);
    int clients[4];
    for (int i = 0; i < 4; i++) clients[i] = check_connect(&address[i % 2]);
    s->ops->want(s->backend, 1, 1);
    UNTIL(s, s->accepted_count == 1);
    backstage_spin(s);
    CHECK_EQ(s->accepted_count, 1);
    struct sockaddr_in own;
    socklen_t length = sizeof own;
    CHECK_EQ(getsockname(s->accepted[0], (struct sockaddr *)&own, &length), 0);
    CHECK_EQ(own.sin_port, address[1].sin_port);
    for (int i = 0; i < 4; i++) close(clients[i]);
    hang_up_accepted(s);
    backstage_close(s);
    for (u32 i = 0; i < 2; i++) close(listeners[i]);
}

/* --- waiting and waking ------------------------------------------------------------------------------------------ */

static void a_wait_ends_at_its_limit(struct backstage *s)
{
    backstage_again(s);
    backstage_spin(s);
    u64 before = tux_now_ms();
    CHECK_EQ(backstage_turn(s, 0), 0);
    CHECK_EQ(backstage_turn(s, 20), 0);
    u64 took = tux_now_ms() - before;
    CHECK(took >= 19 && took < CHECK_LIMIT_MS);
    backstage_close(s);
}

static void knock(int knock_fd)
{
    u64 one = 1;
    CHECK_EQ(write(knock_fd, &one, sizeof one), sizeof one);
}

/* Each knock wakes, whether it comes before the wait or in it; several before one wait may be one. */
static void a_knock_wakes(struct backstage *s)
{
    backstage_again(s);
    for (int i = 1; i <= 3; i++) {
        knock(s->knock_fd);
        knock(s->knock_fd);
        UNTIL(s, s->knocks == i);
        backstage_spin(s);
        CHECK_EQ(s->knocks, i);
    }
    backstage_close(s);
}

static void *knock_later(void *stage)
{
    knock(((struct backstage *)stage)->knock_fd);
    return NULL;
}

static void a_knock_from_another_thread_wakes(struct backstage *s)
{
    backstage_again(s);
    for (int i = 1; i <= 50; i++) {
        pthread_t other;
        CHECK_EQ(pthread_create(&other, NULL, knock_later, s), 0);
        UNTIL(s, s->knocks == i);
        pthread_join(other, NULL);
    }
    backstage_close(s);
}

/* Two runs wait for the same pipe, a third for a file. Files are ready at once, one way or the other. */
static void a_run_may_wait_for_any_descriptor(struct backstage *s)
{
    int ends[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(pipe2(ends, O_CLOEXEC) == 0 && file >= 0);
    backstage_again(s);
    for (int i = 0; i < 2; i++) CHECK(s->ops->ready(s->backend, &s->run[i], ends[0], POLLIN) == TUX_AGAIN);
    i64 at_once = s->ops->ready(s->backend, &s->run[2], file, POLLIN);
    if (at_once != 0) UNTIL(s, s->run[2].wait == TUX_WAIT_NOT);
    backstage_spin(s);
    for (int i = 0; i < 2; i++) CHECK_EQ(s->run[i].wait, TUX_WAIT_READY);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    UNTIL(s, s->run[0].wait == TUX_WAIT_NOT && s->run[1].wait == TUX_WAIT_NOT);
    for (int i = 0; i < 2; i++) {
        i64 landed;
        CHECK(tux_take_landed(&s->run[i], &landed) && landed > 0 && (landed & POLLIN));
    }
    CHECK(s->ops->ready(s->backend, &s->run[0], ends[0], POLLIN) == TUX_AGAIN); /* and again, while it is so */
    UNTIL(s, s->run[0].wait == TUX_WAIT_NOT);
    backstage_close(s);
    close(ends[0]);
    close(ends[1]);
    close(file);
}

/* What was cancelled wakes nobody, and the slot can wait anew. */
static void a_cancelled_wait_is_over(struct backstage *s)
{
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    backstage_again(s);
    struct tux_run *run = &s->run[0];
    for (int round = 0; round < 3; round++) {
        CHECK(s->ops->ready(s->backend, run, ends[0], POLLIN) == TUX_AGAIN);
        if (round > 0) backstage_spin(s);
        CHECK(s->ops->cancel(s->backend, run));
        run->wait = TUX_WAIT_NOT;
        run->generation++;
    }
    CHECK(s->ops->ready(s->backend, run, ends[0], POLLIN) == TUX_AGAIN);
    backstage_spin(s);
    CHECK_EQ(run->wait, TUX_WAIT_READY);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    UNTIL(s, run->wait == TUX_WAIT_NOT);
    i64 landed;
    CHECK(tux_take_landed(run, &landed) && (landed & POLLIN));
    backstage_close(s);
    close(ends[0]);
    close(ends[1]);
}

/* --- letting go -------------------------------------------------------------------------------------------------- */

/* The client of a connection that was let go sees the end of it. */
static void sees_the_end(struct backstage *s, const struct wire *wire)
{
    u8 byte;
    backstage_turn(s, 0);
    CHECK(check_readable(wire->peer, CHECK_LIMIT_MS));
    CHECK_EQ(recv(wire->peer, &byte, 1, 0), 0);
    close(wire->peer);
}

/* A descriptor closed under an armed receive would keep the connection open, for ever on an idle one. */
static void hanging_up_is_seen_at_once(struct backstage *s)
{
    for (int kind = 0; kind < WIRE_KINDS; kind++)
        for (int spins = 0; spins < 2; spins++) {
            struct wire wire = wire_open((enum wire_kind)kind);
            struct sink sink = {0};
            backstage_again(s);
            CHECK(stream_some(s, &s->run[0], wire.fd, &sink) == TUX_AGAIN);
            if (spins) backstage_spin(s); /* with and without the receive having reached the kernel */
            backstage_hang_up(s, &s->run[0], wire.fd);
            sees_the_end(s, &wire);
            backstage_close(s);
        }
}

static void hanging_up_closes_what_was_never_streamed(struct backstage *s)
{
    struct wire wire = wire_open(WIRE_TCP);
    backstage_again(s);
    backstage_hang_up(s, &s->run[0], wire.fd);
    sees_the_end(s, &wire);
    backstage_close(s);
}

/* The slot is used again and again, mostly with the same descriptor number, while the former connection's bytes are
 * still on their way. None of them may come to the wrong one. */
static void a_former_connection_reaches_nobody(struct backstage *s)
{
    backstage_again(s);
    struct tux_run *run = &s->run[7];
    for (u32 round = 0; round < 200; round++) {
        struct sink sink = {.salt = round};
        struct wire old = wire_open((enum wire_kind)(round % WIRE_KINDS));
        CHECK(stream_some(s, run, old.fd, &sink) == TUX_AGAIN);
        if (round & 2) backstage_turn(s, 0);
        CHECK_EQ(wire_feed(&old, 0, round, 5000), 5000);
        if (round & 4) backstage_turn(s, 0);
        if (round & 8) shutdown(old.peer, SHUT_WR);
        backstage_hang_up(s, run, old.fd);
        if (round & 16) backstage_turn(s, 0);

        struct sink fresh_sink = {.salt = round + 100};
        struct wire fresh = wire_open((enum wire_kind)(round / 2 % WIRE_KINDS));
        CHECK(stream_some(s, run, fresh.fd, &fresh_sink) == TUX_AGAIN);
        backstage_spin(s);
        CHECK_EQ(run->wait, TUX_WAIT_INPUT);
        CHECK_EQ(wire_feed(&fresh, 0, round + 100, 3000), 3000);
        CHECK(stream_until(s, run, fresh.fd, &fresh_sink, 3000) == TUX_AGAIN);
        CHECK_EQ(fresh_sink.at, 3000);
        close(old.peer);
        close(fresh.peer);
        CHECK_EQ(stream_to_end(s, run, fresh.fd, &fresh_sink), 0);
        backstage_hang_up(s, run, fresh.fd);
    }
    backstage_close(s);
}

/* Closing the back-end lets go of whatever it held: the port is free, and connections in the middle of things end. */
static void closing_leaves_nothing_armed(struct backstage *s)
{
    struct sockaddr_in address;
    int listener = check_listener(&address);
    struct wire wire = wire_open(WIRE_TCP);
    struct sink sink = {0};
    backstage_again(s);
    CHECK_EQ(s->ops->listen(s->backend, 0, listener), 0);
    s->ops->want(s->backend, 0, 1);
    CHECK(stream_some(s, &s->run[0], wire.fd, &sink) == TUX_AGAIN);
    backstage_spin(s);
    backstage_close(s);
    close(wire.fd);
    close(listener);
    u8 byte;
    CHECK(check_readable(wire.peer, CHECK_LIMIT_MS)); /* a ring is taken down behind the scenes: soon, not at once */
    CHECK_EQ(recv(wire.peer, &byte, 1, 0), 0);
    close(wire.peer);
}

static void body(struct backstage *s)
{
    exactly_the_wanted_are_accepted(s);
    nobody_wanted_means_nobody_accepted(s);
    many_wanted_and_then_few(s);
    every_port_has_its_own_count(s);
    a_wait_ends_at_its_limit(s);
    a_knock_wakes(s);
    a_knock_from_another_thread_wakes(s);
    a_run_may_wait_for_any_descriptor(s);
    a_cancelled_wait_is_over(s);
    hanging_up_is_seen_at_once(s);
    hanging_up_closes_what_was_never_streamed(s);
    a_former_connection_reaches_nobody(s);
    closing_leaves_nothing_armed(s);
}

int main(void) { return backstage_main(body); }
