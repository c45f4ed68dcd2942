/* call_sockets.c: more calls of the white list for sockets, pipes and other descriptors that can be polled. */
#include "chain/call.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chain/callkit.h"
#include "chain/step.h"

#define MORE_AT_ONCE (1u << 20) /* bytes moved by one splice */

static int number(const struct tux_run *run, const struct tux_atom *atom, unsigned i)
{
    return (int)tux_arg(run, atom, i);
}

i64 tux_call_socket(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage;
    return tux_result_of(socket(number(run, atom, 0), number(run, atom, 1), number(run, atom, 2)));
}

/* A local address is a name in the file system. */
static bool is_local(const u8 *address, u64 length)
{
    sa_family_t family;
    if (length < sizeof family) return false;
    memcpy(&family, address, sizeof family);
    return family == AF_UNIX;
}

i64 tux_call_bind(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 answer;
    u64 length = (u64)tux_arg(run, atom, 2);
    const u8 *address = tux_memory(run, atom, 1, length);
    if (!address) return tux_fault(run);
    if (is_local(address, length) && tux_elsewhere(stage, run, atom, &answer)) return answer;
    return tux_result_of(bind(number(run, atom, 0), (const struct sockaddr *)(const void *)address, (socklen_t)length));
}

i64 tux_call_listen(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage;
    return tux_result_of(listen(number(run, atom, 0), number(run, atom, 1)));
}

/* The result of a connect that was under way: 0 or -errno. */
static i64 outcome_of(int fd)
{
    int failed = 0;
    socklen_t length = sizeof failed;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &length) < 0 ? -(i64)errno : -(i64)failed;
}

/* The socket becomes non-blocking: nothing else says "not now" to connect(2). `progress` tells that it has begun. */
i64 tux_call_connect(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 landed;
    int fd = number(run, atom, 0);
    u64 length = (u64)tux_arg(run, atom, 2);
    const u8 *address = tux_memory(run, atom, 1, length);
    if (!address) return tux_fault(run);
    if (tux_take_landed(run, &landed) && landed < 0) return landed;
    if (run->progress == 0) {
        int failed = tux_never_block(fd);
        if (failed) return failed;
        i64 result =
            tux_result_of(connect(fd, (const struct sockaddr *)(const void *)address, (socklen_t)length));
        if (result != -EINPROGRESS) return result;
        run->progress = 1;
    }
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, 0) == 1) return outcome_of(fd);
        i64 wait = tux_await(stage, run, atom, fd, POLLOUT);
        if (wait != 0) return wait;
    }
}

/* The result is the length of the value, which the system call says by reference. */
i64 tux_call_getsockopt(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage;
    u64 length = (u64)tux_arg(run, atom, 4);
    u8 *value = tux_memory(run, atom, 3, length);
    if (!value) return tux_fault(run);
    socklen_t used = (socklen_t)length;
    int failed = getsockopt(number(run, atom, 0), number(run, atom, 1), number(run, atom, 2), value, &used);
    return failed < 0 ? -(i64)errno : (i64)used;
}

/* Both ends go to cells of the run, which owns them at once. When it fails, the cells keep what they have. */
i64 tux_call_pipe2(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    int ends[2];
    i64 failed = tux_result_of(pipe2(ends, number(run, atom, 2)));
    if (failed) return failed;
    for (unsigned i = 0; i < 2; i++) {
        if (run->frame.cells[atom->args[i]] >= 0) tux_give_up(stage, run, atom->args[i]);
        run->frame.cells[atom->args[i]] = ends[i];
    }
    return 0;
}

/* Which end of a splice is not ready? Called after EAGAIN; the other end may have become ready meanwhile. */
static int unready_end(int in, int out, short *events)
{
    struct pollfd p = {.fd = in, .events = POLLIN};
    *events = POLLIN;
    if (poll(&p, 1, 0) != 1) return in;
    *events = POLLOUT;
    return out;
}

static i64 splice_as_it_is(int in, off_t from, int out, off_t to, u64 length, unsigned flags)
{
    return tux_result_of(splice(in, from == -1 ? NULL : &from, out, to == -1 ? NULL : &to, length,
                                flags | SPLICE_F_NONBLOCK));
}

/* The kernel refuses a descriptor that is not open for this, unless it finds another error first. SPLICE_F_NONBLOCK is
 * for pipes. The other end, if there is one, follows its own mode. */
static i64 splice_at_once(int in, off_t from, int out, off_t to, u64 length, unsigned flags)
{
    struct tux_quiet source, target;
    int failed = tux_quiet_open(&source, in, O_RDONLY);
    if (failed == -EBADF) return splice_as_it_is(in, from, out, to, length, flags);
    if (failed) return failed;
    i64 n = tux_quiet_open(&target, out, O_WRONLY);
    if (n == -EBADF) n = splice_as_it_is(source.fd, from, out, to, length, flags);
    else if (n == 0) {
        n = splice_as_it_is(source.fd, from, target.fd, to, length, flags);
        tux_quiet_close(&target);
    }
    tux_quiet_close(&source);
    return n;
}

/* One splice(2), which may move fewer bytes. An offset of -1 is the descriptor's own position. A worker reads or writes
 * a regular file; both ends are set not to block, and the engine waits for the end that is not ready. */
i64 tux_call_splice(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 landed;
    int in = number(run, atom, 0), out = number(run, atom, 2);
    off_t from = (off_t)tux_arg(run, atom, 1), to = (off_t)tux_arg(run, atom, 3);
    u64 length = tux_min_u64((u64)tux_arg(run, atom, 4), MORE_AT_ONCE);
    unsigned flags = (unsigned)tux_arg(run, atom, 5);
    if (length == 0) return 0; /* as in the kernel, which then does not check descriptors and flags */
    bool full = false; /* a worker has tried in vain */
    if (tux_take_landed(run, &landed)) {
        if (landed < 0 && landed != -EAGAIN) return landed;
        if (run->woken_for == TUX_WAIT_COLD && landed != -EAGAIN) return landed;
        full = run->woken_for == TUX_WAIT_COLD;
    }
    for (;; full = false) {
        if (!full) {
            bool files = stage->place == TUX_ON_ENGINE && (tux_is_file(in) || tux_is_file(out));
            if (files) return tux_cold(run, atom);
            i64 n = splice_at_once(in, from, out, to, length, flags);
            if (n == -EINTR) continue;
            if (n != -EAGAIN || stage->place == TUX_ON_WORKER) return n;
        }
        short events;
        int waited_for = unready_end(in, out, &events);
        i64 wait = waited_for == in ? tux_await(stage, run, atom, in, events) : tux_await_room(stage, run, atom, out);
        if (wait != 0) return wait;
    }
}

/* One descriptor, and no time limit but the run's deadline. The result is the set of events that are ready. A file
 * never reports other events than input and output, so a wait for those alone would not end. */
i64 tux_call_poll(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 landed;
    if (tux_take_landed(run, &landed) && landed < 0) return landed;
    struct pollfd p = {.fd = number(run, atom, 0), .events = (short)tux_arg(run, atom, 1)};
    if (p.fd < 0) return -EBADF;
    if (!(p.events & (POLLIN | POLLOUT))) return -EINVAL;
    for (;;) {
        int n = poll(&p, 1, stage->place == TUX_ON_ENGINE ? 0 : -1);
        if (n < 0 && errno != EINTR) return -(i64)errno;
        if (n == 1) return p.revents & POLLNVAL ? -EBADF : (i64)(u16)p.revents;
        i64 wait = tux_await(stage, run, atom, p.fd, p.events);
        if (wait != 0) return wait;
    }
}

/* Send two pieces of memory as one, for example a head and a body; all of it, or it fails. */
i64 tux_call_sendmsg(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 landed;
    int fd = number(run, atom, 0), flags = number(run, atom, 5) | MSG_NOSIGNAL;
    u64 first = (u64)tux_arg(run, atom, 2), second = (u64)tux_arg(run, atom, 4);
    u8 *head = tux_memory(run, atom, 1, first), *rest = tux_memory(run, atom, 3, second);
    if (!head || !rest) return tux_fault(run);
    if (tux_take_landed(run, &landed) && landed < 0) return landed;
    if (stage->place == TUX_ON_ENGINE) flags |= MSG_DONTWAIT;
    while (run->progress < first + second) {
        u64 done = run->progress, of_first = tux_min_u64(done, first), of_second = done - of_first;
        struct iovec pieces[2] = {{head + of_first, first - of_first}, {rest + of_second, second - of_second}};
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
        i64 n = tux_result_of(sendmsg(fd, &message, flags));
        if (n == -EINTR) continue;
        if (n == -EAGAIN) n = tux_await(stage, run, atom, fd, POLLOUT);
        if (n < 0) return n; /* also TUX_AGAIN */
        run->progress += (u64)n;
    }
    return (i64)(first + second);
}
