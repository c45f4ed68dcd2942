/* accept.c: connections come in by ports; runs wait there for them.
 *
 * The back-end may accept as many connections as runs are parked at a port. When none is parked, new connections wait
 * in the kernel's backlog. */
#include "accept.h"

#include <sys/socket.h>
#include <unistd.h>

/* Refuse a descriptor at which accept4(2) can never succeed, so that no run waits for it. */
static int check_listener(int listener)
{
    int accepts = 0;
    socklen_t length = sizeof accepts;
    if (getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) < 0) return -errno;
    return accepts ? 0 : -EINVAL;
}

static void begin_drain(struct tux_engine *e, u32 number, bool shut, u32 idle_ms)
{
    struct tux_port *port = e->ports[number];
    if (port->drain_turns > 0) return;
    port->drain_turns = 1;
    port->shut = shut;
    port->shed = 0; /* all of them end */
    port->leave_ms = e->stage.now_ms + idle_ms;
    port->changed = true;
    e->accept_turns = true;
    for (u32 slot = 0; slot < e->options.slots; slot++)
        if (e->protocol && e->runs[slot].port == number + 1)
            e->protocol->leaves(e, &e->runs[slot], port->leave_ms);
}

/* The number of the port for this socket, made for its first run. It is given up when its last run ends, before that
 * run completes; until then the descriptor is lent, so its number cannot be reused. -errno when a run cannot accept
 * there. */
static i64 port_of(struct tux_engine *e, const struct tux_run *run, int listener)
{
    u32 number = e->port_count;
    for (u32 i = 0; i < e->port_count; i++) {
        if (e->ports[i]->listener == listener) return i;
        if (e->ports[i]->listener < 0) number = i;
    }
    int failed = check_listener(listener);
    if (failed) return failed;
    if (number == TUX_PORTS_MAX) return -ENOSPC;
    if (number == e->port_count) {
        struct tux_port *port = calloc(1, sizeof *port);
        if (!port) return -ENOMEM;
        e->ports[e->port_count++] = port;
        port->parked = tux_no_runs();
        port->listener = -1;
    }
    failed = e->backend->ops->listen(e->backend, number, listener);
    if (failed) return failed;
    e->ports[number]->listener = listener;
    e->ports[number]->line = run->cookie;
    if (e->draining) begin_drain(e, number, e->draining_shut, 0);
    return number;
}

/* No run accepts at the port any more: its place is free for another listener. */
static void give_up_port(struct tux_engine *e, u32 number)
{
    struct tux_port *port = e->ports[number];
    while (port->early_count > 0) close(port->early[--port->early_count]);
    if (port->drain_turns > 0 && port->shut) (void)shutdown(port->listener, SHUT_RD);
    (void)e->backend->ops->listen(e->backend, number, -1);
    port->listener = -1;
    port->shed = port->drain_turns = port->going = 0;
    port->changed = port->full = false;
}

static void use_port(struct tux_engine *e, struct tux_run *run, u32 number)
{
    if (run->port == number + 1) return;
    e->ports[number]->users++;
    tux_accept_leave(e, run);
    run->port = (u8)(number + 1);
}

void tux_accept_leave(struct tux_engine *e, struct tux_run *run)
{
    if (run->port == 0) return;
    u32 number = run->port - 1u;
    struct tux_port *port = e->ports[number];
    run->port = 0;
    if (--port->users == 0) give_up_port(e, number);
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
    int listener = (int)tux_arg(run, atom, 0);
    bool known = run->port > 0 && e->ports[run->port - 1]->listener == listener;
    i64 number = known ? run->port - 1 : port_of(e, run, listener);
    if (number < 0) return number;
    use_port(e, run, (u32)number);
    struct tux_port *port = e->ports[number];
    while (port->early_count > 0) {
        if (e->protocol) e->protocol->meets(e, run, (u32)number);
        i64 fd = connected(e, run, atom, port->early[--port->early_count]);
        if (fd >= 0) return fd;
    }
    if (port->drain_turns > 0) return -ECANCELED;
    if (port->shed > 0) {
        port->shed--;
        return -ECANCELED;
    }
    while (atom->flags & SYSLET_SYNC) {
        int fd = accept4(port->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return -errno;
        i64 begun = connected(e, run, atom, fd);
        if (begun >= 0) return begun;
    }
    run->wait = TUX_WAIT_ACCEPT;
    tux_list_push(e, &port->parked, run); /* last in, first out: under little load a few warm slots do all the work */
    port->parked_count++;
    port->changed = true;
    return TUX_AGAIN;
}

static void wake_parked(struct tux_engine *e, struct tux_port *port, i64 result)
{
    struct tux_run *run = tux_list_take(e, &port->parked);
    TUX_ASSERT(run != NULL);
    port->parked_count--;
    port->changed = true;
    u32 number = run->port - 1u;
    if (e->protocol && result >= 0 && !port->full) e->protocol->make_room(e, number);
    if (e->protocol && result >= 0) e->protocol->meets(e, run, number);
    tux_land(run, result);
    tux_wake(e, run);
}

void tux_accept_landed(struct tux_engine *e, u32 number, i64 result)
{
    struct tux_port *port = e->ports[number];
    if (result < 0) { /* out of descriptors or memory: clients wait in the backlog during the pause */
        tux_metric_add(&e->metrics.accept_errors, 1);
        e->retry_ms = e->stage.now_ms + TUX_RETRY_MS;
        port->changed = true;
    } else if (port->parked_count > 0) {
        wake_parked(e, port, result);
    } else if (port->early_count < TUX_BACKLOG) {
        port->early[port->early_count++] = (int)result;
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
    for (u32 i = 0; i < e->port_count; i++)
        if (e->ports[i]->listener >= 0 && (all || e->ports[i]->line == line)) begin_drain(e, i, shut, idle_ms);
}

/* Accepting has stopped, and no connection is under way any more: let the parked runs go. They accept what is still in
 * the backlog, even if other engines share the socket: the kernel may have woken only us (backend.h). Connections that
 * came early are for the runs that are still busy. */
static void end_drain(struct tux_engine *e, u32 number)
{
    struct tux_port *port = e->ports[number];
    while (port->parked_count > 0) {
        int fd = accept4(port->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        wake_parked(e, port, fd < 0 ? -ECANCELED : fd);
    }
    /* New clients are refused at once instead of waiting in vain. */
    if (port->shut) (void)shutdown(port->listener, SHUT_RD);
}

bool tux_accept_turn(struct tux_engine *e)
{
    bool more = false;
    for (u32 i = 0; i < e->port_count; i++) {
        struct tux_port *port = e->ports[i];
        if (port->drain_turns == 0 || port->drain_turns > TUX_DRAIN_TURNS) continue;
        bool last = port->drain_turns == TUX_DRAIN_TURNS;
        if (last && !e->backend->ops->accepting(e->backend, i)) {
            port->drain_turns++;
            end_drain(e, i);
            continue;
        }
        if (!last) port->drain_turns++;
        more = true;
    }
    return more;
}

/* Runs with a connection end after it. Its next answer says so, or it ends when it has been idle for idle_ms: otherwise
 * a new listener would wait for ever for the runs of a listener whose clients stay. */
static void shed_at(struct tux_engine *e, u32 number, u32 count, u32 idle_ms)
{
    struct tux_port *port = e->ports[number];
    if (port->drain_turns > 0) return;
    port->shed += count;
    for (; port->shed > 0 && port->parked_count > 0; port->shed--) wake_parked(e, port, -ECANCELED);
    if (e->protocol) e->protocol->sheds(e, number, idle_ms);
}

void tux_accept_shed(struct tux_engine *e, u64 line, u32 count, u32 idle_ms)
{
    for (u32 i = 0; i < e->port_count; i++)
        if (e->ports[i]->listener >= 0 && e->ports[i]->line == line) {
            shed_at(e, i, count, idle_ms);
            return;
        }
}

void tux_accept_unpark(struct tux_engine *e, struct tux_run *run)
{
    struct tux_run_list others;
    for (u32 i = 0; i < e->port_count; i++) {
        struct tux_port *port = e->ports[i];
        others = tux_no_runs();
        for (struct tux_run *parked; (parked = tux_list_take(e, &port->parked)) != NULL;) {
            if (parked != run) tux_list_add(e, &others, parked);
            else port->parked_count--;
        }
        port->parked = others;
        port->changed = true;
    }
    run->wait = TUX_WAIT_NOT;
}

void tux_accept_update(struct tux_engine *e)
{
    u64 now_ms = e->stage.now_ms;
    bool retry = e->retry_ms != 0 && now_ms >= e->retry_ms, room = e->room_ms != 0 && now_ms >= e->room_ms;
    if (retry) e->retry_ms = 0;
    if (room) e->room_ms = 0;
    for (u32 i = 0; (retry || room) && i < e->port_count; i++) e->ports[i]->changed = true;
    for (u32 i = 0; i < e->port_count; i++) {
        struct tux_port *port = e->ports[i];
        if (!port->changed) continue;
        port->changed = false;
        if (port->listener < 0) continue;
        if (e->protocol) e->protocol->make_room(e, i);
        bool closed = e->retry_ms != 0 || port->drain_turns > 0;
        e->backend->ops->want(e->backend, i, closed ? 0 : port->parked_count);
    }
}

void tux_accept_stop(struct tux_engine *e)
{
    for (u32 i = 0; i < e->port_count; i++) e->backend->ops->want(e->backend, i, 0);
}

void tux_accept_close(struct tux_engine *e)
{
    for (u32 i = 0; i < e->port_count; i++) {
        struct tux_port *port = e->ports[i];
        while (port->early_count > 0) close(port->early[--port->early_count]);
        free(port);
    }
    e->port_count = 0;
}
