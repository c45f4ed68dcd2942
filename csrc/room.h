/* floor 5 · room.h: a crowded listener makes room: connections that wait for their clients end before newcomers must be
 * refused.
 *
 * First those that idle or have said nothing yet, the longest idle one first; then heads that are not complete, the
 * oldest first; then those that are closed anyway and only linger. A connection that waits for the judge or for a disk,
 * or that is being sent to, is never ended.
 *
 * Among them, those of one address go before all others when a quarter of those that wait are of it: a good client's
 * idle connection stays while another client holds thousands. Behind a proxy all are of one address, and that changes
 * nothing.
 *
 * What a run waits for stands in a dense array by slot, beside the time limits: noting it is one store whenever a run
 * parks. The oldest are looked for a batch at a time, so that ending one costs a part of one pass over that array, and
 * nothing when there is room. */
#ifndef TUX_ROOM_H
#define TUX_ROOM_H

#include "http.h"

/* What a connection waits for that may be ended, 0 for nothing; with the number of its port in the bits above. */
enum { TUX_STANDS_SILENT = 1, TUX_STANDS_IDLE, TUX_STANDS_HEAD, TUX_STANDS_LINGERS };
#define TUX_STANDS_BITS 3u

/* The run has parked. */
static inline void tux_room_note(struct tux_engine *e, const struct tux_run *run)
{
    const struct tux_conn *conn = &e->http->conns[run->slot];
    u8 stands = 0;
    if (run->wait == TUX_WAIT_INPUT && conn->fd >= 0 && !conn->goes) {
        if (conn->discarding || conn->refused_by) stands = TUX_STANDS_LINGERS;
        else if (tux_conn_kept(conn) > 0) stands = TUX_STANDS_HEAD;
        else stands = conn->requests > 0 ? TUX_STANDS_IDLE : TUX_STANDS_SILENT;
        stands |= (u8)(run->port << TUX_STANDS_BITS);
    }
    e->http->room.stands[run->slot] = stands;
}

/* So many runs of a port are kept for newcomers. */
static inline u32 tux_room_reserve(u32 users)
{
    u32 reserve = users >> TUX_REFUSE_SHIFT;
    return reserve == 0 && users >= TUX_ROOM_USERS_LEAST ? 1 : reserve;
}

/* End as many connections of the port as its reserve lacks. */
void tux_room_make(struct tux_engine *e, u32 port);
/* A connection that was to end has ended; or something has come for it at the last moment, and it stays. */
void tux_room_settled(struct tux_engine *e, struct tux_conn *conn, bool ended);

#endif
