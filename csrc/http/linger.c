/* linger.c: closing in stages (RFC 9112 section 9.6).
 *
 * close(2) with unread input makes TCP reset the connection, and a reset destroys an answer that is still under way. So
 * the engine first shuts down its sending side, then discards what the client still sends, until its end, a number of
 * bytes or a time, and only then closes. */
#include "http/linger.h"

#include <sys/socket.h>

#include "http/serve.h"
#include "http/transport.h"

static i64 discard(struct tux_engine *e, struct tux_run *run, u64 most)
{
    struct tux_conn *conn = tux_conn_of(run);
    i64 landed;
    if (tux_take_landed(run, &landed)) return 0; /* time is over */
    if (!conn->discarding) {
        conn->discarding = true;
        conn->limit_ms = e->stage.now_ms + e->http->linger_ms;
    }
    while (run->progress < most) {
        const u8 *data;
        i64 n = conn->transport->receive(conn, &e->stage, run, &data);
        if (n == TUX_AGAIN) return n;
        if (n <= 0) return 0;
        run->progress += (u64)n;
    }
    return 0;
}

i64 tux_linger_discard(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    bool accepted = tux_conn_is(tux_conn_of(run), (int)tux_arg(run, atom, 0)); /* the one of this run */
    i64 done = accepted ? discard(tux_engine_of(stage), run, (u64)tux_arg(run, atom, 1)) : -EBADF;
    if (done != TUX_AGAIN || !(atom->flags & SYSLET_SYNC)) return done;
    run->wait = TUX_WAIT_NOT;
    return -EAGAIN;
}

/* A chain with a discard of its own has lingered already; for others this is done when we end the connection. */
i64 tux_linger_close(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_conn *conn = tux_conn_of(run);
    const struct tux_transport *transport = conn->transport;
    i64 *cell = &run->frame.cells[atom->args[0]];
    if (!tux_conn_is(conn, (int)*cell)) return tux_plain_calls[TUX_CALL_close](stage, run, atom);
    bool may = conn->closing && !conn->discarding;
    if (may && transport->has_input(conn) && transport->shut(conn, SHUT_WR) == 0) conn->lingering = true;
    if (conn->lingering && discard(e, run, TUX_LINGER_BYTES_MAX) == TUX_AGAIN) return TUX_AGAIN;
    *cell = -1;
    transport->close(conn, stage, run);
    tux_serve_closed(e, run);
    return 0;
}
