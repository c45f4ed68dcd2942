/* timeout.c: limits for completing a head, for idling, and for a client that takes no bytes.
 *
 * The last one goes by the bytes that the client has acknowledged: a slow reader, which takes a few bytes now and then,
 * shall get its answer, and the fill level of the socket does not show that. The kernel is asked four times within the
 * limit. */
#include "http/timeout.h"

#include "http/transport.h"

#define LOOKS 4u

u64 tux_timeout_of(struct tux_engine *e, struct tux_run *run)
{
    struct tux_conn *conn = tux_conn_of(run);
    if (conn->fd < 0) return 0;
    switch (run->wait) {
    case TUX_WAIT_INPUT: {
        u64 limit_ms = conn->limit_ms ? conn->limit_ms : e->stage.now_ms + e->http->rules.idle_ms;
        bool idle = conn->leaving && !conn->discarding && tux_conn_kept(conn) == 0;
        return idle ? tux_min_u64(limit_ms, conn->leave_ms) : limit_ms;
    }
    case TUX_WAIT_SENT:
    case TUX_WAIT_WRITABLE: conn->watched = false; return e->stage.now_ms + e->http->rules.send_ms / LOOKS;
    default: return 0;
    }
}

static bool takes_something(struct tux_engine *e, struct tux_conn *conn)
{
    u64 taken = conn->transport->acknowledged(conn);
    if (!conn->watched || taken > conn->taken) conn->taken_ms = e->stage.now_ms;
    conn->watched = true;
    conn->taken = taken;
    return e->stage.now_ms - conn->taken_ms < e->http->rules.send_ms;
}

/* Is there room in the socket without an event? A send that was refused wrongly leaves no edge. */
static bool has_room(const struct tux_run *run, const struct tux_conn *conn)
{
    return run->wait == TUX_WAIT_WRITABLE && conn->transport->has_room(conn);
}

void tux_timeout_expired(struct tux_engine *e, struct tux_run *run)
{
    struct tux_conn *conn = tux_conn_of(run);
    if (conn->fd < 0) return;
    if (run->wait == TUX_WAIT_INPUT) {
        tux_land(run, -ETIME);
        tux_wake(e, run);
    } else if (!e->stop && has_room(run, conn)) {
        tux_land(run, 0);
        tux_wake(e, run);
    } else if (!e->stop && takes_something(e, conn)) {
        tux_deadline_set(&e->deadlines, run->slot, e->stage.now_ms + e->http->rules.send_ms / LOOKS);
    } else { /* reset, which also ends what the kernel still sends for it; the atom then fails and the chain closes */
        tux_metric_add(&e->metrics.send_timeouts, 1);
        conn->transport->reset_now(conn);
    }
}
