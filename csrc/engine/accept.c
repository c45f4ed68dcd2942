/* accept.c: connections come in at listeners; runs wait there for them.
 *
 * The back-end may accept as many connections as runs are parked at a listener. When none is parked, new connections
 * wait in the kernel's backlog. */
#include "engine/accept.h"

#include <sys/socket.h>
#include <unistd.h>

/* Refuse a descriptor at which accept4(2) can never succeed, so that no run waits for it. */
static int check_listener(int socket_fd)
{
    int accepts = 0;
    socklen_t length = sizeof accepts;
    if (getsockopt(socket_fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) < 0) return -errno;
    return accepts ? 0 : -EINVAL;
}

static void begin_drain(struct tux_engine *e, u32 number, bool shut, u32 idle_ms)
{
    struct tux_listener *listener = e->listeners[number];
    if (listener->drain_turns > 0) return;
    listener->drain_turns = 1;
    listener->shut = shut;
    listener->shed = 0; /* all of them end */
    listener->leave_ms = e->stage.now_ms + idle_ms;
    listener->changed = true;
    e->accept_turns = true;
    for (u32 slot = 0; slot < e->options.slots; slot++)
        if (e->protocol && e->runs[slot].listener == number + 1)
            e->protocol->leaves(e, &e->runs[slot], listener->leave_ms);
}

/* The number of the listener for this socket, made for its first run. It is given up when its last run ends, before
 * that run completes; until then the descriptor is lent, so its number cannot be reused. -errno when a run cannot
 * accept there. */
static i64 listener_of(struct tux_engine *e, const struct tux_run *run, int socket_fd)
{
    u32 number = e->listener_count;
    for (u32 i = 0; i < e->listener_count; i++) {
        if (e->listeners[i]->fd == socket_fd) return i;
        if (e->listeners[i]->fd < 0) number = i;
    }
    int failed = check_listener(socket_fd);
    if (failed) return failed;
    if (number == TUX_LISTENERS_MAX) return -ENOSPC;
    if (number == e->listener_count) {
        struct tux_listener *listener = calloc(1, sizeof *listener);
        if (!listener) return -ENOMEM;
        e->listeners[e->listener_count++] = listener;
        listener->parked = tux_no_runs();
        listener->fd = -1;
    }
    failed = e->backend->ops->listen(e->backend, number, socket_fd);
    if (failed) return failed;
    e->listeners[number]->fd = socket_fd;
    e->listeners[number]->line = run->cookie;
    if (e->draining) begin_drain(e, number, e->draining_shut, 0);
    return number;
}

/* No run accepts at the listener any more: its place is free for another listener. */
static void give_up_listener(struct tux_engine *e, u32 number)
{
    struct tux_listener *listener = e->listeners[number];
    while (listener->early_count > 0) close(listener->early[--listener->early_count]);
    if (listener->drain_turns > 0 && listener->shut) (void)shutdown(listener->fd, SHUT_RD);
    (void)e->backend->ops->listen(e->backend, number, -1);
    listener->fd = -1;
    listener->shed = listener->drain_turns = listener->going = 0;
    listener->changed = listener->full = false;
}

static void use_port(struct tux_engine *e, struct tux_run *run, u32 number)
{
    if (run->listener == number + 1) return;
    e->listeners[number]->users++;
    tux_accept_leave(e, run);
    run->listener = (u8)(number + 1);
}

void tux_accept_leave(struct tux_engine *e, struct tux_run *run)
{
    if (run->listener == 0) return;
    u32 number = run->listener - 1u;
    struct tux_listener *listener = e->listeners[number];
    run->listener = 0;
    if (--listener->users == 0) give_up_listener(e, number);
}

/* The connection, or -ECONNABORTED when it was closed at once. */
static i64 connected(struct tux_engine *e, struct tux_run *run, const struct tux_atom *atom, i64 fd)
{
    tux_metric_add(&e->metrics.accepted, 1);
    return e->protocol ? e->protocol->connected(e, run, atom, (int)fd) : fd;
}

i64 tux_accept4(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    i64 landed;
    if (tux_take_landed(run, &landed)) {
        if (landed >= 0) landed = connected(e, run, atom, landed);
        if (landed != -ECONNABORTED) return landed;
    }
    if (tux_arg(run, atom, 1) & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) return -EINVAL; /* both are set in any case */
    int socket_fd = (int)tux_arg(run, atom, 0);
    bool known = run->listener > 0 && e->listeners[run->listener - 1]->fd == socket_fd;
    i64 number = known ? run->listener - 1 : listener_of(e, run, socket_fd);
    if (number < 0) return number;
    use_port(e, run, (u32)number);
    struct tux_listener *listener = e->listeners[number];
    while (listener->early_count > 0) {
        if (e->protocol) e->protocol->meets(e, run, (u32)number);
        i64 fd = connected(e, run, atom, listener->early[--listener->early_count]);
        if (fd >= 0) return fd;
    }
    if (listener->drain_turns > 0) return -ECANCELED;
    if (listener->shed > 0) {
        listener->shed--;
        return -ECANCELED;
    }
    while (atom->flags & SYSLET_SYNC) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return -errno;
        i64 begun = connected(e, run, atom, fd);
        if (begun >= 0) return begun;
    }
    run->wait = TUX_WAIT_ACCEPT;
    tux_list_push(e, &listener->parked, run); /* last in, first out: a small load uses a few warm slots */
    listener->parked_count++;
    listener->changed = true;
    return TUX_AGAIN;
}

static void wake_parked(struct tux_engine *e, struct tux_listener *listener, i64 result)
{
    struct tux_run *run = tux_list_take(e, &listener->parked);
    TUX_ASSERT(run != NULL);
    listener->parked_count--;
    listener->changed = true;
    u32 number = run->listener - 1u;
    if (e->protocol && result >= 0 && !listener->full) e->protocol->make_room(e, number);
    if (e->protocol && result >= 0) e->protocol->meets(e, run, number);
    tux_land(run, result);
    tux_wake(e, run);
}

void tux_accept_landed(struct tux_engine *e, u32 number, i64 result)
{
    struct tux_listener *listener = e->listeners[number];
    if (result < 0) { /* out of descriptors or memory: clients wait in the backlog during the pause */
        tux_metric_add(&e->metrics.accept_errors, 1);
        e->retry_ms = e->stage.now_ms + TUX_RETRY_MS;
        listener->changed = true;
    } else if (listener->parked_count > 0) {
        wake_parked(e, listener, result);
    } else if (listener->early_count < TUX_BACKLOG) {
        listener->early[listener->early_count++] = (int)result;
    } else {
        tux_metric_add(&e->metrics.accept_errors, 1);
        close((int)result);
    }
}

void tux_accept_drain(struct tux_engine *e, u64 line, bool shut, u32 idle_ms)
{
    bool all = line == UINT64_MAX;
    if (all) {
        e->draining = true;
        e->draining_shut = shut;
    }
    for (u32 i = 0; i < e->listener_count; i++)
        if (e->listeners[i]->fd >= 0 && (all || e->listeners[i]->line == line)) begin_drain(e, i, shut, idle_ms);
}

/* Accepting has stopped, and no connection is under way any more: let the parked runs go. They accept what is still in
 * the backlog, even if other engines share the socket: the kernel may have woken only us (backend.h). Connections that
 * came early are for the runs that are still busy. */
static void end_drain(struct tux_engine *e, u32 number)
{
    struct tux_listener *listener = e->listeners[number];
    while (listener->parked_count > 0) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        wake_parked(e, listener, fd < 0 ? -ECANCELED : fd);
    }
    /* New clients are refused at once instead of waiting in vain. */
    if (listener->shut) (void)shutdown(listener->fd, SHUT_RD);
}

bool tux_accept_turn(struct tux_engine *e)
{
    bool more = false;
    for (u32 i = 0; i < e->listener_count; i++) {
        struct tux_listener *listener = e->listeners[i];
        if (listener->drain_turns == 0 || listener->drain_turns > TUX_DRAIN_TURNS) continue;
        bool last = listener->drain_turns == TUX_DRAIN_TURNS;
        if (last && !e->backend->ops->accepting(e->backend, i)) {
            listener->drain_turns++;
            end_drain(e, i);
            continue;
        }
        if (!last) listener->drain_turns++;
        more = true;
    }
    return more;
}

/* Runs with a connection end after it. Its next answer says so, or it ends when it has been idle for idle_ms: otherwise
 * a new listener would wait for ever for the runs of a listener whose clients stay. */
static void shed_at(struct tux_engine *e, u32 number, u32 count, u32 idle_ms)
{
    struct tux_listener *listener = e->listeners[number];
    if (listener->drain_turns > 0) return;
    listener->shed += count;
    for (; listener->shed > 0 && listener->parked_count > 0; listener->shed--) wake_parked(e, listener, -ECANCELED);
    if (e->protocol) e->protocol->sheds(e, number, idle_ms);
}

void tux_accept_shed(struct tux_engine *e, u64 line, u32 count, u32 idle_ms)
{
    for (u32 i = 0; i < e->listener_count; i++)
        if (e->listeners[i]->fd >= 0 && e->listeners[i]->line == line) {
            shed_at(e, i, count, idle_ms);
            return;
        }
}

void tux_accept_unpark(struct tux_engine *e, struct tux_run *run)
{
    struct tux_run_list others;
    for (u32 i = 0; i < e->listener_count; i++) {
        struct tux_listener *listener = e->listeners[i];
        others = tux_no_runs();
        for (struct tux_run *parked; (parked = tux_list_take(e, &listener->parked)) != NULL;) {
            if (parked != run) tux_list_add(e, &others, parked);
            else listener->parked_count--;
        }
        listener->parked = others;
        listener->changed = true;
    }
    run->wait = TUX_WAIT_NOT;
}

void tux_accept_update(struct tux_engine *e)
{
    u64 now_ms = e->stage.now_ms;
    bool retry = e->retry_ms != 0 && now_ms >= e->retry_ms, room = e->room_ms != 0 && now_ms >= e->room_ms;
    if (retry) e->retry_ms = 0;
    if (room) e->room_ms = 0;
    for (u32 i = 0; (retry || room) && i < e->listener_count; i++) e->listeners[i]->changed = true;
    for (u32 i = 0; i < e->listener_count; i++) {
        struct tux_listener *listener = e->listeners[i];
        if (!listener->changed) continue;
        listener->changed = false;
        if (listener->fd < 0) continue;
        if (e->protocol) e->protocol->make_room(e, i);
        bool closed = e->retry_ms != 0 || listener->drain_turns > 0;
        e->backend->ops->want(e->backend, i, closed ? 0 : listener->parked_count);
    }
}

void tux_accept_stop(struct tux_engine *e)
{
    for (u32 i = 0; i < e->listener_count; i++) e->backend->ops->want(e->backend, i, 0);
}

void tux_accept_close(struct tux_engine *e)
{
    for (u32 i = 0; i < e->listener_count; i++) {
        struct tux_listener *listener = e->listeners[i];
        while (listener->early_count > 0) close(listener->early[--listener->early_count]);
        free(listener);
    }
    e->listener_count = 0;
}
