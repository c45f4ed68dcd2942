/* floor 5 · guard.h: limits: whose connection may stay, which request is answered, and how the others are refused.
 *
 * Refusals are ready answers that Python has made at the start (tux_engine_ready), so nothing is parsed or judged for
 * them. Where no limit is set nothing of this costs a request more than a look at a pointer. */
#ifndef TUX_GUARD_H
#define TUX_GUARD_H

#include "http.h"

/* Learn who the connection is from; _meet: if anybody wants to know. */
void tux_guard_look(struct tux_conn *conn);
void tux_guard_meet(struct tux_engine *e, struct tux_conn *conn);
/* The classes of its address, as rules and networks have it now. Whether the address is a trusted proxy's. */
bool tux_guard_classify(struct tux_engine *e, struct tux_conn *conn);
/* Count the connection for its address. False: that has so many that it is not even told. */
bool tux_guard_admit(struct tux_engine *e, struct tux_conn *conn);
/* The rules have changed: the connection stays, and is counted as they want it. */
void tux_guard_count_again(struct tux_engine *e, struct tux_conn *conn);
/* A request of a connection for which tux_guard_looks: its status if it is refused, 0 to end the connection in silence,
 * -1 to go on. */
i64 tux_guard_request(struct tux_engine *e, struct tux_request *request);
/* The judge has no answer: the 503 that lies ready, and no memory is needed for it. Its status; 0: there is none. */
i64 tux_guard_unjudged(struct tux_engine *e, struct tux_request *request);
/* A trusted proxy says for each request who asks: the class is that of this one. */
void tux_guard_forwarded(struct tux_engine *e, struct tux_request *request);
/* The key (clients.h) of the client that asks: the one that a trusted proxy names, else the peer. 0: none is known. */
u64 tux_guard_asker(struct tux_engine *e, const struct tux_request *request);
/* An answer is over. If the next one is the last, it is another than before. */
void tux_guard_answered(struct tux_engine *e, struct tux_conn *conn, bool keep);

/* A ready answer has come down; it is the engine's now. */
void tux_guard_ready(struct tux_engine *e, u32 limit, u32 form, struct tux_response *answer);

/* By what connections of one client are told: its address, 0 for one of which nothing is counted (a proxy's). */
u64 tux_guard_party(const struct tux_engine *e, struct tux_conn *conn);

/* So far a listener is busy that newcomers are told so: hardly a run is free, and room.h could make none. */
bool tux_guard_crowded(const struct tux_engine *e, const struct tux_port *port);

static inline bool tux_guard_looks(const struct tux_conn *conn) { return conn->client || conn->refused_by; }

/* This answer is to say that the connection goes away: with its listener, as no further request has come; or as it has
 * had its requests. */
static inline bool tux_guard_is_last(const struct tux_engine *e, const struct tux_request *request)
{
    const struct tux_conn *conn = request->conn;
    bool leaves = conn->leaving && (!tux_request_head_is_kept(request) || tux_conn_kept(conn) == request->head_bytes);
    u32 most = e->http->rules.bounds.requests_max;
    return leaves || (most > 0 && conn->requests + 1 >= most);
}

#endif
