/* The probe by completion: multishot accept and receive, one send for each request, one io_uring_enter for each turn.
 *
 * Raw system calls and <linux/io_uring.h> only. Large answers have no operation in the ring: they go out with
 * sendfile(2), and a poll in the ring waits for room. user_data is the descriptor and what was asked of it. A
 * descriptor is closed only when its receive has ended, so the one late event it can have is that poll; should the
 * number belong to a new connection by then, the poll makes it try a send early, and nothing else. */
#include "probe.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SQ_ENTRIES 1024u
#define CQ_ENTRIES 8192u
#define INPUTS 1024u /* buffers provided for receives; a power of two */

enum kind { ACCEPT, RECV, SEND, ROOM, CLOSE };

static struct {
    int fd;
    unsigned *sq_tail, *cq_head, *cq_tail, sq_mask, cq_mask, pending;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    struct io_uring_buf_ring *inputs;
    char *input_bytes;
    unsigned short inputs_tail;
} ring;

static struct {
    size_t sent;
    bool sending;
} connections[PROBE_CONNECTIONS_MAX];

static void *map(size_t length, off_t offset)
{
    int flags = ring.fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, ring.fd, offset);
    if (memory == MAP_FAILED) {
        perror("probe: mmap");
        exit(1);
    }
    return memory;
}

static void input_give(unsigned short id)
{
    struct io_uring_buf *buffer = &ring.inputs->bufs[ring.inputs_tail++ & (INPUTS - 1)];
    buffer->addr = (uintptr_t)(ring.input_bytes + (size_t)id * PROBE_INPUT_BYTES);
    buffer->len = PROBE_INPUT_BYTES;
    buffer->bid = id;
}

static void inputs_publish(void)
{
    atomic_store_explicit((_Atomic unsigned short *)&ring.inputs->tail, ring.inputs_tail, memory_order_release);
}

static int ring_open(void)
{
    ring.fd = -1; /* the first maps are plain memory */
    ring.inputs = map(INPUTS * sizeof(struct io_uring_buf), 0);
    ring.input_bytes = map((size_t)INPUTS * PROBE_INPUT_BYTES, 0);

    struct io_uring_params params = {
        .flags =
            IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    ring.fd = (int)syscall(__NR_io_uring_setup, SQ_ENTRIES, &params);
    if (ring.fd < 0) return -errno;
    char *rings = map(params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING); /* lies last */
    ring.sqes = map(params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
    ring.sq_tail = (unsigned *)(rings + params.sq_off.tail);
    ring.sq_mask = params.sq_entries - 1;
    ring.cq_head = (unsigned *)(rings + params.cq_off.head);
    ring.cq_tail = (unsigned *)(rings + params.cq_off.tail);
    ring.cq_mask = params.cq_entries - 1;
    ring.cqes = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
    unsigned *array = (unsigned *)(rings + params.sq_off.array);
    for (unsigned i = 0; i < params.sq_entries; i++) array[i] = i;

    struct io_uring_buf_reg inputs = {.ring_addr = (uintptr_t)ring.inputs, .ring_entries = INPUTS};
    if (syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_PBUF_RING, &inputs, 1) < 0) return -errno;
    for (unsigned id = 0; id < INPUTS; id++) input_give((unsigned short)id);
    inputs_publish();
    return 0;
}

static void ring_enter(unsigned wait)
{
    unsigned flags = wait > 0 ? IORING_ENTER_GETEVENTS : 0;
    long n = syscall(__NR_io_uring_enter, ring.fd, ring.pending, wait, flags, NULL, 0);
    if (n > 0) ring.pending -= (unsigned)n;
    if (n >= 0 || errno == EINTR || errno == EAGAIN || errno == EBUSY) return;
    perror("probe: io_uring_enter");
    exit(1);
}

/* Room for entries that must reach the kernel in one call, as a link does not reach past its end. */
static void ring_reserve(unsigned entries)
{
    while (ring.pending + entries > SQ_ENTRIES) {
        inputs_publish(); /* a receive that is submitted now must find the buffers given back in this turn */
        ring_enter(0);
    }
}

static struct io_uring_sqe *ask(enum kind kind, unsigned char operation, int fd)
{
    ring_reserve(1);
    unsigned tail = *ring.sq_tail;
    struct io_uring_sqe *sqe = &ring.sqes[tail & ring.sq_mask];
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = operation;
    sqe->fd = fd;
    sqe->user_data = (uint64_t)fd << 8 | kind;
    atomic_store_explicit((_Atomic unsigned *)ring.sq_tail, tail + 1, memory_order_release);
    ring.pending++;
    return sqe;
}

static void ask_accept(int listener)
{
    struct io_uring_sqe *sqe = ask(ACCEPT, IORING_OP_ACCEPT, listener);
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC; /* for sendfile(2); the ring waits all the same */
}

static void ask_input(int fd, bool once)
{
    struct io_uring_sqe *sqe = ask(RECV, IORING_OP_RECV, fd);
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->ioprio = once ? 0 : IORING_RECV_MULTISHOT;
}

static void ask_send(int fd, const struct answer *answer)
{
    ring_reserve(2);
    struct io_uring_sqe *sqe = ask(SEND, IORING_OP_SEND, fd);
    sqe->addr = (uintptr_t)answer->bytes;
    sqe->len = (unsigned)answer->bytes_length;
    sqe->msg_flags = MSG_WAITALL | MSG_NOSIGNAL; /* the ring sends the rest itself when there was no room for all */
    if (!answer->close_after) return;
    sqe->flags = IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS;
    ask(CLOSE, IORING_OP_CLOSE, fd)->flags = IOSQE_CQE_SKIP_SUCCESS;
}

/* Nothing waits for the descriptor any more, except perhaps a poll for room, which the shutdown ends. */
static void hang_up(int fd)
{
    connections[fd].sending = false;
    connections[fd].sent = 0;
    shutdown(fd, SHUT_RDWR);
    close(fd);
}

static void send_large(int fd, const struct answer *answer)
{
    enum progress progress = answer_send(answer, fd, &connections[fd].sent);
    connections[fd].sending = progress == PROGRESS_FULL;
    if (progress == PROGRESS_FULL) {
        ask(ROOM, IORING_OP_POLL_ADD, fd)->poll32_events = POLLOUT;
    } else if (answer->close_after) {
        hang_up(fd);
    } else if (progress == PROGRESS_BROKEN) {
        shutdown(fd, SHUT_RDWR); /* ends the receive, and that closes */
    }
}

static void received(const struct io_uring_cqe *cqe, int fd, const struct answer *answer)
{
    bool more = (cqe->flags & IORING_CQE_F_MORE) != 0;
    if (cqe->flags & IORING_CQE_F_BUFFER) input_give((unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
    if (cqe->res == -ENOBUFS) {
        ask_input(fd, answer->close_after);
        return;
    }
    if (cqe->res <= 0) {
        hang_up(fd);
        return;
    }
    if (answer->file >= 0) {
        send_large(fd, answer);
    } else {
        ask_send(fd, answer);
    }
    if (!more && !answer->close_after) ask_input(fd, false);
}

static void handle(const struct io_uring_cqe *cqe, int listener, const struct answer *answer)
{
    int fd = (int)(cqe->user_data >> 8);
    switch ((enum kind)(cqe->user_data & 0xff)) {
    case ACCEPT:
        if (cqe->res >= PROBE_CONNECTIONS_MAX) {
            close(cqe->res);
        } else if (cqe->res >= 0) {
            ask_input(cqe->res, answer->close_after);
        }
        if (!(cqe->flags & IORING_CQE_F_MORE)) ask_accept(listener);
        break;
    case RECV: received(cqe, fd, answer); break;
    case ROOM:
        if (connections[fd].sending) send_large(fd, answer);
        break;
    case SEND: /* seen only when it failed or was not the last; a broken connection ends by its receive */
    case CLOSE: break;
    }
}

int run_uring(int listener, const struct answer *answer)
{
    int error = ring_open();
    if (error < 0) {
        fprintf(stderr, "probe: io_uring: %s\n", strerror(-error));
        return 77;
    }
    ask_accept(listener);
    for (;;) {
        ring_enter(1);
        unsigned head = *ring.cq_head;
        unsigned tail = atomic_load_explicit((_Atomic unsigned *)ring.cq_tail, memory_order_acquire);
        for (; head != tail; head++) handle(&ring.cqes[head & ring.cq_mask], listener, answer);
        atomic_store_explicit((_Atomic unsigned *)ring.cq_head, head, memory_order_release);
        inputs_publish();
    }
}
