/* test_shortage.c: a kernel that has no memory for requests, not only once: nobody waits for it without an end, who has
 * asked is told, and what could not be asked for is made up for when there is memory again.
 *
 * The linker puts the function below in the place of the C library's (Makefile: WRAP_test_shortage). */
#include <sys/syscall.h>

#include "backstage.h"
#include "wait/uring.h"

enum { URING_ENTER = 426, ENTRIES = 4, BOUND_MS = 10000 };

static bool is_short;
static unsigned refused; /* submissions */

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number != URING_ENTER || b == 0 || !is_short) return __real_syscall(number, a, b, c, d, e, f);
    refused++;
    errno = EAGAIN;
    return -1;
}

/* --- the ring ---------------------------------------------------------------------------------------------------- */

static void ask(struct uring *ring, int fd, u64 word)
{
    struct uring_sqe *sqe = uring_sqe(ring);
    sqe->opcode = OP_POLL_ADD;
    sqe->fd = fd;
    sqe->user_data = word;
    sqe->op_flags = POLLIN;
}

static u64 words[8];
static u32 count;

static void reap(void *context, const struct uring_cqe *cqe)
{
    (void)context;
    CHECK(count < TUX_COUNT(words));
    words[count++] = cqe->user_data;
}

static int readable(void)
{
    int fd = check_eventfd();
    CHECK_EQ(write(fd, &(u64){1}, sizeof(u64)), (i64)sizeof(u64));
    return fd;
}

static void a_full_queue_is_refused_after_a_while(void)
{
    struct uring ring;
    char why[TUX_ERROR_BYTES];
    int fd = readable();
    CHECK_EQ(uring_open(&ring, ENTRIES, 2 * ENTRIES, why, sizeof why), 0);
    is_short = true;
    for (u64 i = 0; i < ENTRIES; i++) ask(&ring, fd, i);
    CHECK(!ring.refused);
    u64 began_ms = tux_now_ms();
    ask(&ring, fd, 100);
    CHECK(ring.refused && tux_now_ms() - began_ms < BOUND_MS && refused > 10);
    unsigned before = refused;
    for (int i = 0; i < 10; i++) ask(&ring, fd, 100);
    CHECK_EQ(refused - before, 10); /* nobody waits for it again */
    is_short = false;
    ask(&ring, fd, ENTRIES);
    CHECK(!ring.refused);
    count = 0;
    uring_complete(&ring, ENTRIES + 1, reap, NULL);
    for (u64 i = 0; i <= ENTRIES; i++) CHECK_EQ(words[i], i); /* and none of those that were refused */
    uring_close(&ring);
    close(fd);
}

static void what_cannot_be_submitted_is_taken_back(void)
{
    struct uring ring;
    int fd = readable();
    CHECK_EQ(uring_open_shared(&ring, ENTRIES, ENTRIES), 0);
    is_short = true;
    for (u64 i = 0; i < 3; i++) ask(&ring, fd, i);
    count = 0;
    u64 began_ms = tux_now_ms();
    uring_complete(&ring, 3, reap, NULL);
    CHECK(count == 0 && tux_now_ms() - began_ms < BOUND_MS);
    is_short = false;
    for (u64 i = 10; i < 14; i++) ask(&ring, fd, i);
    uring_complete(&ring, 4, reap, NULL);
    for (u64 i = 0; i < 4; i++) CHECK_EQ(words[i], 10 + i);
    uring_close(&ring);
    close(fd);
}

/* --- the back-end ------------------------------------------------------------------------------------------------ */

static void fill(struct backstage *s, int fd)
{
    i64 result;
    u32 asked = 0;
    is_short = true;
    while ((result = s->ops->ready(s->backend, &s->run[asked % BACKSTAGE_SLOTS], fd, POLLIN)) == TUX_AGAIN)
        CHECK(++asked < 1u << 20);
    CHECK_EQ(result, -ENOMEM);
    CHECK(asked >= BACKSTAGE_SLOTS);
}

static void who_asks_is_told(struct backstage *s)
{
    int pair[2];
    const u8 *data;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fill(s, pair[0]);
    CHECK_EQ(s->ops->stream(s->backend, &s->run[1], pair[0], &data), -ENOMEM);
    CHECK_EQ(s->ops->send(s->backend, &s->run[2], pair[0], (const u8 *)"x", 1, 0), -ENOMEM);
    CHECK_EQ(s->ops->writable(s->backend, &s->run[3], pair[0]), -ENOMEM);
    is_short = false;
    CHECK_EQ(write(pair[1], "y", 1), 1);
    struct tux_run *run = &s->run[1];
    run->wait = TUX_WAIT_NOT;
    CHECK_EQ(s->ops->stream(s->backend, run, pair[0], &data), TUX_AGAIN);
    UNTIL(s, run->woken_for == TUX_WAIT_INPUT);
    CHECK_EQ(s->ops->stream(s->backend, run, pair[0], &data), 1);
    close(pair[1]);
    s->ops->hang_up(s->backend, run, pair[0]);
    backstage_spin(s);
}

/* What has no caller is made up for: wait() says that something was lost, and all is armed anew. */
static void what_nobody_is_told_of_is_made_up_for(struct backstage *s)
{
    struct sockaddr_in address;
    int pair[2], listener = check_listener(&address);
    const u8 *data;
    u8 byte;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct tux_run *run = &s->run[1];
    run->wait = TUX_WAIT_NOT;
    CHECK_EQ(s->ops->stream(s->backend, run, pair[0], &data), TUX_AGAIN); /* armed: it holds the socket */
    backstage_spin(s);
    CHECK_EQ(s->ops->listen(s->backend, 0, listener), 0);
    fill(s, s->knock_fd);
    s->ops->want(s->backend, 0, 1);
    run->wait = TUX_WAIT_NOT;
    s->ops->hang_up(s->backend, run, pair[0]);
    CHECK(!check_is_open(pair[0]));
    CHECK_EQ(read(pair[1], &byte, 1), 0); /* the peer sees an end */
    CHECK_EQ(s->ops->wait(s->backend, s->event, TUX_EVENTS_MAX, 0), -EBADR);
    is_short = false;
    while (s->ops->wait(s->backend, s->event, TUX_EVENTS_MAX, 0) == -EBADR) continue;
    int client = check_connect(&address);
    UNTIL(s, s->accepted_count == 1);
    close(s->accepted[0]);
    close(client);
    close(listener);
    close(pair[1]);
}

int main(void)
{
    struct backstage s;
    if (backstage_open(&s, &tux_backend_uring)) return 77;
    who_asks_is_told(&s);
    backstage_close(&s);
    backstage_again(&s);
    what_nobody_is_told_of_is_made_up_for(&s);
    backstage_close(&s);
    a_full_queue_is_refused_after_a_while();
    what_cannot_be_submitted_is_taken_back();
    return 0;
}
