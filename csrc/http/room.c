/* room.c: which connections end when a listener is crowded. */
#include "http/room.h"

#include "http/guard.h"
#include "http/transport.h"

_Static_assert((TUX_LISTENERS_MAX << TUX_ROOM_STATE_BITS) <= UINT8_MAX, "a listener and a state fit in a byte");

/* --- the address that crowds the listener ------------------------------------------------------------------------ */

/* The address of most of the waiting connections, by a sample; 0 when no address has so many. */
static u64 crowd_of(struct tux_engine *e, u8 listener)
{
    u64 party[TUX_ROOM_SAMPLE], crowd = 0;
    u32 slots = e->options.slots, stride = slots / TUX_ROOM_SAMPLE + 1, sampled = 0, most = 0;
    u32 first = e->http->room.hand++ % stride;
    for (u32 slot = first; slot < slots && sampled < TUX_ROOM_SAMPLE; slot += stride)
        if (e->http->room.state[slot] >> TUX_ROOM_STATE_BITS == listener)
            party[sampled++] = tux_guard_party(e, &e->http->conns[slot]);
    for (u32 i = 0; i < sampled; i++) {
        u32 count = 0;
        for (u32 j = 0; j < sampled; j++) count += party[j] == party[i];
        if (party[i] == 0 || count <= most) continue;
        most = count;
        crowd = party[i];
    }
    return sampled >= TUX_ROOM_CROWD_LEAST && most * 4 >= sampled ? crowd : 0;
}

/* --- the oldest ------------------------------------------------------------------------------------------------- */

/* The smallest is ended first: the state in the upper byte, and below it the time since when it waits. */
static u64 order_of(const struct tux_engine *e, u32 slot)
{
    u64 patience_ms = e->http->rules.head_ms, rank = 0;
    switch (e->http->room.state[slot] & ((1u << TUX_ROOM_STATE_BITS) - 1)) {
    case TUX_ROOM_IDLE: patience_ms = e->http->rules.idle_ms; break;
    case TUX_ROOM_HEAD: rank = 1; break;
    case TUX_ROOM_LINGERS:
        rank = 2;
        patience_ms = e->http->linger_ms;
        break;
    default: break;
    }
    u64 limit_ms = e->deadlines.at_ms[slot];
    return rank << 56 | (limit_ms > patience_ms ? limit_ms - patience_ms : 0);
}

static void put_in_order(struct tux_room *room, u64 order, u32 slot, u32 generation)
{
    u32 place = room->count < TUX_ROOM_BATCH ? room->count++ : TUX_ROOM_BATCH - 1;
    for (; place > 0 && room->oldest[place - 1].order > order; place--) room->oldest[place] = room->oldest[place - 1];
    room->oldest[place] = (struct tux_leaver){.order = order, .slot = slot, .generation = generation};
}

/* Find the oldest connections of the listener that may be ended, not before `least` in order; only those of the crowd
 * if there is one. */
static void find(struct tux_engine *e, u8 listener, u64 crowd, u64 least)
{
    struct tux_room *room = &e->http->room;
    room->count = room->next = 0;
    room->listener = listener;
    room->until_ms = e->stage.now_ms + TUX_SWEEP_MS;
    for (u32 slot = 0; slot < e->options.slots; slot++) {
        if (room->state[slot] >> TUX_ROOM_STATE_BITS != listener) continue;
        u64 order = order_of(e, slot);
        if (order < least) continue;
        if (room->count == TUX_ROOM_BATCH && order >= room->oldest[TUX_ROOM_BATCH - 1].order) continue;
        if (e->runs[slot].wait != TUX_WAIT_INPUT) continue;
        if (crowd != 0 && tux_guard_party(e, &e->http->conns[slot]) != crowd) continue;
        put_in_order(room, order, slot, e->runs[slot].generation);
    }
}

/* --- ending them ------------------------------------------------------------------------------------------------ */

/* False: it is gone, or is in another state by now. A request that has arrived already is answered. */
static bool end(struct tux_engine *e, const struct tux_leaver *one)
{
    struct tux_run *run = &e->runs[one->slot];
    struct tux_conn *conn = &e->http->conns[one->slot];
    bool same = run->generation == one->generation && run->wait == TUX_WAIT_INPUT && conn->fd >= 0 &&
                e->http->room.state[one->slot] >> TUX_ROOM_STATE_BITS == run->listener &&
                order_of(e, one->slot) == one->order;
    if (!same || (one->order >> 56 == 0 && conn->transport->has_input(conn))) return false;
    conn->goes = run->listener;
    e->listeners[run->listener - 1]->going++;
    tux_land(run, -ECANCELED);
    tux_wake(e, run);
    return true;
}

static u32 end_some(struct tux_engine *e, u32 wanted)
{
    struct tux_room *room = &e->http->room;
    u32 ended = 0;
    while (ended < wanted && room->next < room->count) ended += end(e, &room->oldest[room->next++]);
    return ended;
}

/* How many were ended. If none of a batch could be ended, since each has got input, look for the next ones. */
static u32 search(struct tux_engine *e, u8 listener, u64 crowd, u32 wanted)
{
    u32 ended = 0;
    for (u64 least = 0; least <= (u64)1 << 56; least += (u64)1 << 56)
        for (u32 more = 1; ended < wanted && more > 0; ended += more) {
            find(e, listener, crowd, least);
            more = end_some(e, wanted - ended);
        }
    return ended;
}

void tux_room_make(struct tux_engine *e, u32 number)
{
    struct tux_listener *listener = e->listeners[number];
    u32 reserve = tux_room_reserve(listener->users), free = listener->parked_count + listener->going, ended = 0;
    listener->full = false;
    if (__builtin_expect(free >= reserve, 1) || listener->drain_turns > 0) return;
    u8 place = (u8)(number + 1);
    u32 wanted = reserve - free;
    if (e->http->room.listener == place && e->stage.now_ms < e->http->room.until_ms) ended = end_some(e, wanted);
    if (ended < wanted) {
        u64 crowd = crowd_of(e, place);
        ended += search(e, place, crowd, wanted - ended);
        if (crowd != 0 && ended < wanted) ended += search(e, place, 0, wanted - ended);
    }
    listener->full = ended < wanted;
    if (listener->full) e->room_ms = e->stage.now_ms + TUX_SWEEP_MS; /* some may be idle by then */
}

void tux_room_settled(struct tux_engine *e, struct tux_conn *conn, bool ended)
{
    struct tux_listener *listener = e->listeners[conn->goes - 1];
    conn->goes = 0;
    if (listener->going > 0) listener->going--;
    listener->changed = true;
    if (ended) tux_metric_add(&e->metrics.made_room, 1);
}
