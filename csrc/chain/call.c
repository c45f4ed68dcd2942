/* call.c: the system calls of the white list, each in one function.
 *
 * A function is tried on the engine's thread first, where it must not block: sockets with MSG_DONTWAIT, names with
 * RESOLVE_CACHED, files with RWF_NOWAIT and a residency probe. A call that would block parks the run (TUX_AGAIN) or
 * asks for a worker (TUX_COLD); there, and on an inline caller's thread, the same function runs again and may block. */
#include "chain/call.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "chain/callkit.h"
#include "base/file_abi.h"
#include "chain/window.h"

static i64 call_getpid(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage, (void)run, (void)atom;
    return getpid();
}

static i64 changed_by(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, u64 n)
{
    const struct tux_cell *cell = &run->frame.chain->cell[atom->args[0]];
    if (cell->kind == TUX_SHARED) return (i64)((u64)atomic_fetch_add(&stage->shared[cell->value], (i64)n) + n);
    i64 *value = &run->frame.cells[atom->args[0]];
    return *value = (i64)((u64)*value + n);
}

static i64 call_umem_add(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return changed_by(stage, run, atom, (u64)tux_arg(run, atom, 1));
}

static i64 call_umem_sub(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return changed_by(stage, run, atom, 0 - (u64)tux_arg(run, atom, 1));
}

static i64 call_accept4(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 landed;
    bool ready = tux_take_landed(run, &landed);
    if (ready && landed < 0) return landed;
    int listener = (int)tux_arg(run, atom, 0), flags = (int)tux_arg(run, atom, 1);
    for (;; ready = false) {
        i64 wait = ready ? 0 : tux_await(stage, run, atom, listener, POLLIN);
        if (wait != 0) return wait;
        if (stage->place == TUX_ON_ENGINE) (void)tux_never_block(listener); /* another may take that connection */
        i64 fd = tux_result_of(accept4(listener, NULL, NULL, flags));
        if (fd != -EAGAIN && fd != -EINTR && fd != -ECONNABORTED) return fd;
    }
}

/* With SO_LINGER close(2) would wait for the peer on the engine's thread, even with O_NONBLOCK: socket(7). */
static i64 call_setsockopt(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage;
    u64 length = (u64)tux_arg(run, atom, 4);
    int level = (int)tux_arg(run, atom, 1), option = (int)tux_arg(run, atom, 2);
    const void *value = tux_memory(run, atom, 3, length);
    if (!value) return tux_fault(run);
    struct linger linger;
    if (level == SOL_SOCKET && option == SO_LINGER && length >= sizeof linger) {
        memcpy(&linger, value, sizeof linger); /* a copy: the memory may change after the check */
        if (linger.l_onoff != 0 && linger.l_linger != 0) return -EINVAL;
        value = &linger, length = sizeof linger;
    }
    return tux_result_of(setsockopt((int)tux_arg(run, atom, 0), level, option, value, (socklen_t)length));
}

static i64 call_recv(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 landed;
    if (tux_take_landed(run, &landed) && landed < 0) return landed;
    int fd = (int)tux_arg(run, atom, 0);
    u64 length = (u64)tux_arg(run, atom, 2);
    u8 *buffer = tux_memory(run, atom, 1, length);
    if (!buffer) return tux_fault(run);
    for (;;) {
        i64 n = tux_result_of(recv(fd, buffer, length, (int)tux_arg(run, atom, 3) | MSG_DONTWAIT));
        if (n == -EINTR) continue;
        if (n != -EAGAIN) return n;
        i64 wait = tux_await(stage, run, atom, fd, POLLIN);
        if (wait != 0) return wait;
    }
}

/* The back-end watches a connection that the run owns for as long as it is open. A descriptor that is lent may be lent
 * to other runs too, so each of them waits for it separately. */
static bool is_own(const struct tux_run *run, const struct tux_atom *atom, unsigned i)
{
    return run->outer.chain || run->frame.chain->cell[atom->args[i]].kind == TUX_FD;
}

/* Sends everything or fails: a short send is not success. */
static i64 call_send(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    int fd = (int)tux_arg(run, atom, 0), flags = (int)tux_arg(run, atom, 3) | MSG_NOSIGNAL;
    u64 length = (u64)tux_arg(run, atom, 2);
    const u8 *bytes = tux_memory(run, atom, 1, length);
    if (!bytes) return tux_fault(run);
    bool by_backend = stage->place == TUX_ON_ENGINE && !(atom->flags & SYSLET_SYNC) && is_own(run, atom, 0);
    i64 landed;
    if (!by_backend && tux_take_landed(run, &landed) && landed < 0) return landed;
    while (run->progress < length) {
        const u8 *rest = bytes + run->progress;
        i64 n;
        if (by_backend)
            n = stage->backend->ops->send(stage->backend, run, fd, rest, length - run->progress, flags);
        else
            n = tux_result_of(
                send(fd, rest, length - run->progress, flags | (stage->place == TUX_ON_ENGINE ? MSG_DONTWAIT : 0)));
        if (n == -EINTR) continue;
        if (n == -EAGAIN) n = tux_await(stage, run, atom, fd, POLLOUT);
        if (n < 0) return n; /* also TUX_AGAIN */
        run->progress += (u64)n;
    }
    return (i64)length;
}

/* May the bytes from `at` on be sent here? 0 and how far, or the status word for which the run waits. Where a window
 * begins, the next one is fetched too: on a disk of 2 ms a request one client gets over 500 MB/s, against
 * 315 without. */
static i64 seek_window(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom,
                       const struct tux_file *file, u64 at, u64 end, u64 *until)
{
    struct tux_windows *w = stage->windows;
    int in = (int)tux_arg(run, atom, 1);
    u64 now_ms = stage->now_ms, next = *until = tux_window_end(at, end);
    enum tux_look look = TUX_LOOK_FAR;
    if (!(atom->flags & SYSLET_ASYNC)) look = tux_window_look(w, file, in, at, *until, now_ms);
    i64 parked = look == TUX_LOOK_HOT ? 0 : tux_cold(run, atom);
    if (parked == TUX_COLD && look == TUX_LOOK_COLD) run->fetch = (u8)tux_window_fetch(w, file, in, at, *until);
    bool begins = look == TUX_LOOK_COLD || run->progress == 0 || at % TUX_WINDOW_BYTES == 0;
    if (begins && look != TUX_LOOK_FAR && !(atom->flags & SYSLET_SYNC))
        tux_window_ahead(w, file, in, next, tux_window_end(next, end), now_ms);
    return parked;
}

/* On a worker: send bytes that the engine must not send itself. The number of bytes; -EAGAIN when the socket
 * is full. */
static i64 send_from_worker(const struct tux_run *run, int out, int in, u64 start, u64 count)
{
    u64 sent = 0, most = tux_min_u64(count - run->progress, TUX_SENDFILE_BURST_BYTES);
    while (sent < most) {
        u64 at = start + run->progress + sent, until = tux_window_end(at, at + most - sent);
        tux_read_ahead(in, at, until);
        off_t offset = (off_t)at;
        i64 n = tux_result_of(sendfile(out, in, &offset, until - at));
        if (n == -EINTR) continue;
        if (n <= 0) return sent > 0 ? (i64)sent : n == 0 ? -EIO : n;
        sent += (u64)n;
    }
    return (i64)sent;
}

/* The same as sendfile(2), but bytes in the socket do not change with the file, and bytes that changed while they were
 * copied are not sent. */
static i64 send_copy(struct tux_stage *stage, struct tux_run *run, int out, int in, u64 at, u64 most, bool more)
{
    ssize_t n = pread(in, stage->copy, tux_min_u64(most, TUX_COPY_BYTES), (off_t)at);
    if (n <= 0) return tux_result_of(n);
    more |= (u64)n < most;
    if (!stage->still_good(stage, run, !more)) return -ESTALE;
    return tux_result_of(send(out, stage->copy, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0)));
}

/* Until there is room in the socket. */
static i64 await_room(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, int out)
{
    if (stage->place != TUX_ON_ENGINE || (atom->flags & SYSLET_SYNC) || !is_own(run, atom, 0))
        return tux_await(stage, run, atom, out, POLLOUT);
    return stage->backend->ops->writable(stage->backend, run, out);
}

/* Go on after an event or a worker. If a worker found the socket full, the event for room may have come, and been
 * dropped, while the worker still had the run: so look before waiting. */
static i64 go_on_sending(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, int out, i64 landed)
{
    struct pollfd p = {.fd = out, .events = POLLOUT};
    if (run->woken_for == TUX_WAIT_COLD && landed > 0) run->progress += (u64)landed;
    if (landed != -EAGAIN) return landed < 0 ? landed : 0;
    return poll(&p, 1, 0) == 1 ? 0 : await_room(stage, run, atom, out);
}

/* `to` is `out` in non-blocking mode. */
static i64 sendfile_to(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom, int to)
{
    int out = (int)tux_arg(run, atom, 0), in = (int)tux_arg(run, atom, 1);
    u64 start = (u64)tux_arg(run, atom, 2), count = (u64)tux_arg(run, atom, 3), until = 0;
    u64 turn = run->progress < TUX_SENDFILE_BURST_BYTES ? TUX_SENDFILE_BURST_BYTES : TUX_SENDFILE_TURN_BYTES;
    if (run->woken_for == TUX_WAIT_COLD) turn = TUX_SENDFILE_COLD_BYTES;
    i64 landed = 0;
    if ((i64)count < 0) return -EINVAL;
    if ((i64)start < 0 && count > 0) { /* our probes would misread it; let the kernel report the error */
        off_t nowhere = (off_t)start;
        return tux_result_of(sendfile(to, in, &nowhere, count));
    }
    if (stage->place == TUX_ON_WORKER) return send_from_worker(run, to, in, start, count);
    if (stage->visiting && count > 0) { /* the windows are the engine's: it moves there */
        run->wait = TUX_WAIT_READY;
        return TUX_AGAIN;
    }
    bool on_engine = stage->place == TUX_ON_ENGINE;
    if (tux_take_landed(run, &landed)) landed = go_on_sending(stage, run, atom, out, landed);
    if (landed < 0) return landed; /* also TUX_AGAIN */
    if (on_engine && run->progress < count && !run->outer.chain && tux_is_file(out)) return tux_cold(run, atom);
    struct tux_file file = {0};
    if (on_engine && run->progress < count) file = tux_file_of(in);
    while (run->progress < count) {
        u64 at = start + run->progress;
        if (run->ending) return -ECANCELED; /* cancelled at a worker, or in a long transfer */
        if (on_engine && at >= until) {
            i64 wait = seek_window(stage, run, atom, &file, at, start + count, &until);
            if (wait != 0) return wait;
        }
        off_t offset = (off_t)at;
        u64 most = on_engine ? tux_min_u64(until - at, turn) : count - run->progress;
        i64 n = run->copies ? send_copy(stage, run, out, in, at, most, at + most < start + count)
                            : tux_result_of(sendfile(to, in, &offset, most));
        if (n > 0) {
            run->progress += (u64)n;
            stage->bulk_bytes += (u64)n;
            turn -= on_engine ? (u64)n : 0;
            if (turn > 0) continue;
            run->wait = TUX_WAIT_NOT; /* parked without a reason: it goes on behind all others */
            if (run->progress < count) return TUX_AGAIN;
        } else if (n == 0) {
            return -EIO;
        } else if (n == -EAGAIN) {
            n = await_room(stage, run, atom, out);
            if (n != 0) return n;
        } else if (n != -EINTR) {
            return n;
        }
    }
    return (i64)count;
}

/* Sends `count` bytes of the file or fails; -EIO when the file has become shorter. sendfile(2) has no flag that says
 * "not now"; a server's own sockets are all in non-blocking mode. */
static i64 call_sendfile(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_quiet to;
    int out = (int)tux_arg(run, atom, 0);
    if (run->outer.chain || stage->place == TUX_INLINE) return sendfile_to(stage, run, atom, out);
    int failed = tux_quiet_open(&to, out, O_WRONLY);
    if (failed == -EBADF) return sendfile_to(stage, run, atom, out); /* the kernel decides which error comes first */
    if (failed) return failed;
    i64 result = sendfile_to(stage, run, atom, to.fd);
    tux_quiet_close(&to);
    return result;
}

static i64 call_shutdown(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage;
    return tux_result_of(shutdown((int)tux_arg(run, atom, 0), (int)tux_arg(run, atom, 1)));
}

static i64 call_close(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 *cell = &run->frame.cells[atom->args[0]];
    int fd = (int)*cell;
    *cell = -1;
    if (fd < 0) return -EBADF;
    if (run->frame.chain->sockets >> atom->args[0] & 1) tux_do_not_linger(fd);
    if (stage->place == TUX_ON_ENGINE) {
        stage->backend->ops->hang_up(stage->backend, run, fd);
        return 0;
    }
    return tux_result_of(close(fd));
}

static i64 call_openat2(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 landed;
    if (tux_take_landed(run, &landed)) return landed;
    u64 size = (u64)tux_arg(run, atom, 3);
    const u8 *given = tux_memory(run, atom, 2, size);
    if (!given || size != sizeof(struct tux_open_how)) return tux_fault(run);
    struct tux_open_how how;
    memcpy(&how, given, sizeof how);
    const u8 *path = tux_memory(run, atom, 1, 1);
    /* Opening a fifo without a writer would block the engine, or a worker, for ever. O_PATH opens nothing, and allows
     * no other flag. */
    if (stage->place != TUX_INLINE && !(how.flags & O_PATH)) how.flags |= O_NONBLOCK;
    if (stage->place != TUX_ON_ENGINE)
        return tux_result_of(syscall(SYS_OPENAT2, (int)tux_arg(run, atom, 0), path, &how, sizeof how));
    if (atom->flags & SYSLET_ASYNC) return tux_cold(run, atom);
    how.resolve |= TUX_RESOLVE_CACHED;
    i64 fd = tux_result_of(syscall(SYS_OPENAT2, (int)tux_arg(run, atom, 0), path, &how, sizeof how));
    return fd == -EAGAIN || fd == -EINVAL ? tux_cold(run, atom) : fd;
}

static i64 call_nanosleep(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    i64 landed, ns = tux_arg(run, atom, 0);
    if (tux_take_landed(run, &landed)) return landed;
    if (ns < 0) return -EINVAL;
    if (stage->place == TUX_ON_ENGINE) {
        if (atom->flags & SYSLET_SYNC) return ns > 0 ? -EAGAIN : 0;
        run->wait = TUX_WAIT_TIMER;
        run->progress = stage->now_ms + (u64)ns / 1000000u + 1; /* when to wake it, in the engine's milliseconds */
        return TUX_AGAIN;
    }
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    return tux_result_of(nanosleep(&t, NULL));
}

const tux_perform tux_plain_calls[TUX_CALLS_MAX] = {
    [TUX_CALL_getpid] = call_getpid,         [TUX_CALL_umem_add] = call_umem_add, [TUX_CALL_accept4] = call_accept4,
    [TUX_CALL_setsockopt] = call_setsockopt, [TUX_CALL_recv] = call_recv,         [TUX_CALL_send] = call_send,
    [TUX_CALL_sendfile] = call_sendfile,     [TUX_CALL_shutdown] = call_shutdown, [TUX_CALL_close] = call_close,
    [TUX_CALL_openat2] = call_openat2,       [TUX_CALL_nanosleep] = call_nanosleep,
    [TUX_CALL_umem_sub] = call_umem_sub,
    /* call_bytes.c */
    [TUX_CALL_read] = tux_call_read, [TUX_CALL_pread] = tux_call_pread, [TUX_CALL_readv] = tux_call_readv,
    [TUX_CALL_write] = tux_call_write, [TUX_CALL_writev] = tux_call_writev,
    /* call_files.c */
    [TUX_CALL_pwrite] = tux_call_pwrite,     [TUX_CALL_statx] = tux_call_statx,
    [TUX_CALL_getdents64] = tux_call_getdents64, [TUX_CALL_fsync] = tux_call_fsync,
    [TUX_CALL_fdatasync] = tux_call_fdatasync, [TUX_CALL_fallocate] = tux_call_fallocate,
    [TUX_CALL_ftruncate] = tux_call_ftruncate, [TUX_CALL_renameat2] = tux_call_renameat2,
    [TUX_CALL_unlinkat] = tux_call_unlinkat, [TUX_CALL_mkdirat] = tux_call_mkdirat,
    [TUX_CALL_fadvise64] = tux_call_fadvise64, [TUX_CALL_readahead] = tux_call_readahead,
    /* call_sockets.c */
    [TUX_CALL_socket] = tux_call_socket, [TUX_CALL_bind] = tux_call_bind, [TUX_CALL_listen] = tux_call_listen,
    [TUX_CALL_connect] = tux_call_connect, [TUX_CALL_getsockopt] = tux_call_getsockopt,
    [TUX_CALL_splice] = tux_call_splice, [TUX_CALL_poll] = tux_call_poll, [TUX_CALL_sendmsg] = tux_call_sendmsg,
    [TUX_CALL_pipe2] = tux_call_pipe2,
};
