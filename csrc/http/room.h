/* room.h: a crowded listener makes room: connections that wait for their clients end before new ones must be
 * refused.
 *
 * First end idle or silent connections, the longest idle one first; then those with an incomplete head, the oldest
 * first; then those that are closed and only linger. A connection that waits for the judge or a disk, or to which an
 * answer is being sent, is never ended.
 *
 * If a quarter of the waiting connections have one address, those of that address are ended before all others: so a
 * good client's idle connection stays while another client holds thousands. Behind a proxy all connections have one
 * address, so that makes no difference.
 *
 * The state of each connection is in a dense array by slot, beside the time limits: noting it is one store whenever a
 * run parks. The oldest connections are found in batches, so that ending one costs a part of a pass over that array,
 * and nothing while there is room. */
#ifndef TUX_ROOM_H
#define TUX_ROOM_H

#include "http/http.h"

/* The state of a connection that may be ended, 0 for any other; with the number of its listener in the bits above. */
enum { TUX_ROOM_SILENT = 1, TUX_ROOM_IDLE, TUX_ROOM_HEAD, TUX_ROOM_LINGERS };
#define TUX_ROOM_STATE_BITS 3u

/* The run has parked. */
static inline void tux_room_note(struct tux_engine *e, const struct tux_run *run)
{
    const struct tux_conn *conn = &e->http->conns[run->slot];
    u8 state = 0;
    if (run->wait == TUX_WAIT_INPUT && conn->fd >= 0 && !conn->goes) {
        if (conn->discarding || conn->refused_by) state = TUX_ROOM_LINGERS;
        else if (tux_conn_kept(conn) > 0) state = TUX_ROOM_HEAD;
        else state = conn->requests > 0 ? TUX_ROOM_IDLE : TUX_ROOM_SILENT;
        state |= (u8)(run->listener << TUX_ROOM_STATE_BITS);
    }
    e->http->room.state[run->slot] = state;
}

/* How many runs of a listener are kept for new connections. */
static inline u32 tux_room_reserve(u32 users)
{
    u32 reserve = users >> TUX_REFUSE_SHIFT;
    return reserve == 0 && users >= TUX_ROOM_USERS_LEAST ? 1 : reserve;
}

/* End as many connections of the listener as its reserve lacks. */
void tux_room_make(struct tux_engine *e, u32 listener);
/* A connection that was told to end has ended, or it has got input at the last moment and stays. */
void tux_room_settled(struct tux_engine *e, struct tux_conn *conn, bool ended);

#endif
