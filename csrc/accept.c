/* accept.c: connections come in by ports; runs wait there for them.
 *
 * The number of runs parked at a port is what the back-end may accept: when none is parked nobody accepts, and the
 * kernel's backlog holds whoever else comes. */
#include "accept.h"

#include <sys/socket.h>
#include <unistd.h>

#include "serve.h"

/* The port of a listener, made at the first accept. -errno when the back-end cannot watch it. */
static i64 port_of(struct tux_engine *e, int listener)
{
    for (u32 i = 0; i < e->port_count; i++)
        if (e->ports[i]->listener == listener) return i;
    if (e->port_count == TUX_PORTS_MAX) return -ENOSPC;
    struct tux_port *port = calloc(1, sizeof *port);
    if (!port) return -ENOMEM;
    port->listener = listener;
    port->parked = tux_no_runs();
    int failed = e->backend->ops->listen(e->backend, e->port_count, listener);
    if (failed) {
        free(port);
        return failed;
    }
    e->ports[e->port_count] = port;
    return e->port_count++;
}

static i64 begin_connection(struct tux_engine *e, struct tux_run *run, const struct tux_atom *atom, i64 fd)
{
    struct tux_conn *conn = tux_conn_of(e, run);
    i64 *owner = &run->frame.cells[atom->ret];
    if (*owner >= 0) { /* the chain accepts again without having closed: the former connection ends here */
        e->backend->ops->hang_up(e->backend, run, (int)*owner);
        run->generation++;
        *owner = -1;
    }
    tux_serve_end(e, run);
    conn->listener = (int)tux_arg(run, atom, 0);
    conn->fd = (int)fd;
    conn->limit_ms = e->stage.now_ms + e->options.head_ms;
    tux_metric_add(&e->metrics.accepted, 1);
    tux_metric_add(&e->metrics.connections, 1);
    return fd;
}

i64 tux_accept4(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    i64 landed;
    if (tux_take_landed(run, &landed)) return landed < 0 ? landed : begin_connection(e, run, atom, landed);
    i64 number = port_of(e, (int)tux_arg(run, atom, 0));
    if (number < 0) return number;
    struct tux_port *port = e->ports[number];
    if (port->early_count > 0) return begin_connection(e, run, atom, port->early[--port->early_count]);
    if (e->drain_turns > 0) return -ECANCELED;
    run->wait = TUX_WAIT_ACCEPT;
    tux_list_push(e, &port->parked, run); /* last in, first out: a few warm slots serve a small load */
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
    tux_land(run, result);
    tux_wake(e, run);
}

void tux_accept_landed(struct tux_engine *e, u32 number, i64 result)
{
    struct tux_port *port = e->ports[number];
    if (result < 0) { /* out of descriptors or memory: the backlog keeps the clients while we pause */
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

void tux_accept_drain(struct tux_engine *e)
{
    for (u32 i = 0; i < e->port_count; i++) {
        struct tux_port *port = e->ports[i];
        while (port->parked_count > 0) {
            int fd = accept4(port->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            wake_parked(e, port, fd < 0 ? -ECANCELED : fd);
        }
        (void)shutdown(port->listener, SHUT_RD); /* whoever comes now is refused at once instead of waiting in vain */
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
    if (e->retry_ms != 0 && e->stage.now_ms >= e->retry_ms) {
        e->retry_ms = 0;
        for (u32 i = 0; i < e->port_count; i++) e->ports[i]->changed = true;
    }
    for (u32 i = 0; i < e->port_count; i++) {
        struct tux_port *port = e->ports[i];
        if (!port->changed) continue;
        port->changed = false;
        bool closed = e->retry_ms != 0 || e->drain_turns > 0;
        e->backend->ops->want(e->backend, i, closed ? 0 : port->parked_count);
    }
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
