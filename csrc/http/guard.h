/* guard.h: limits: which connections may stay, which requests are answered, and how the others are refused.
 *
 * Refusals are ready answers that Python has made at the start (tux_engine_ready), so no request is parsed or judged
 * for them. Without limits a request pays for this with one look at a pointer. */
#ifndef TUX_GUARD_H
#define TUX_GUARD_H

#include "http/http.h"

/* Learn the client's address; _meet: only if a rule or the log needs it. */
void tux_guard_look(struct tux_conn *conn);
void tux_guard_meet(struct tux_engine *e, struct tux_conn *conn);
/* Set the class of its address by the rules in force. True if the address is a trusted proxy's. */
bool tux_guard_classify(struct tux_engine *e, struct tux_conn *conn);
/* Count the connection for its address. False: the address has so many that the connection ends without an answer. */
bool tux_guard_admit(struct tux_engine *e, struct tux_conn *conn);
/* The rules have changed: the connection stays, and is counted by the new ones. */
void tux_guard_count_again(struct tux_engine *e, struct tux_conn *conn);
/* A request of a connection for which tux_guard_looks: its status if it is refused, 0 to end the connection in silence,
 * -1 to go on. */
i64 tux_guard_request(struct tux_engine *e, struct tux_request *request);
/* The judge has no answer: choose the ready 503, which needs no memory. Its status; 0: there is none. */
i64 tux_guard_unjudged(struct tux_engine *e, struct tux_request *request);
/* A trusted proxy names the client of each request: set the class by that address. */
void tux_guard_forwarded(struct tux_engine *e, struct tux_request *request);
/* The key (clients.h) of the client that asks: the one that a trusted proxy names, else the peer. 0: none is known. */
u64 tux_guard_asker(struct tux_engine *e, const struct tux_request *request);
/* An answer is over. If the next one is the last, the remembered answer does not fit any more. */
void tux_guard_answered(struct tux_engine *e, struct tux_conn *conn, bool keep);

/* Store a ready answer; takes it over. */
void tux_guard_ready(struct tux_engine *e, u32 limit, u32 form, struct tux_response *answer);

/* Identifies the connections of one client: its address, or 0 for an address that is not counted (a proxy's). */
u64 tux_guard_party(const struct tux_engine *e, struct tux_conn *conn);

/* True if new connections should get 503: almost all slots are in use, and room.h could make no room. */
bool tux_guard_crowded(const struct tux_engine *e, const struct tux_listener *listener);

static inline bool tux_guard_looks(const struct tux_conn *conn) { return conn->client || conn->refused_by; }

/* Should this answer carry `Connection: close`? Yes if the listener is draining and no request is pipelined, or if the
 * limit of requests is reached. */
static inline bool tux_guard_is_last(const struct tux_engine *e, const struct tux_request *request)
{
    const struct tux_conn *conn = request->conn;
    bool leaves = conn->leaving && (!tux_request_head_is_kept(request) || tux_conn_kept(conn) == request->head_bytes);
    u32 most = e->http->rules.bounds.requests_max;
    return leaves || (most > 0 && conn->requests + 1 >= most);
}

#endif
