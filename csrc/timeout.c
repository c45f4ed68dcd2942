/* timeout.c: a head must be complete in time, a connection may idle so long, and a client must take something.
 *
 * The last is measured by what the client's TCP has acknowledged: how a socket's buffer fills and drains says nothing
 * of a slow reader, who takes a little now and then and shall have his answer. The kernel is asked four times in the
 * limit. */
#include "timeout.h"

#include "transport.h"

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

/* There is room in the socket though nothing has told of it: a send that was refused falsely leaves no edge behind. */
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
