/* guard.c: limits by connection and by address; clients.h counts for all engines. */
#include "http/guard.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/address.h"
#include "http/forwarded.h"
#include "log/logplan.h"

_Static_assert(TUX_LIMITS == TUX_LIMIT_KINDS, "metrics.h counts the limits that somebody ran into");

/* --- connections ------------------------------------------------------------------------------------------------ */

static bool counts_addresses(const struct tux_engine *e)
{
    return e->http->clients && (e->http->rules.bounds.connections_max || e->http->rules.bounds.interval_ns);
}

void tux_guard_look(struct tux_conn *conn)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof peer;
    if (conn->local || !tux_address_is_none(conn->address)) return;
    if (getpeername(conn->fd, &peer.any, &length) < 0) return;
    if (peer.any.sa_family == AF_INET) {
        tux_address_map(conn->address, &peer.v4.sin_addr);
        conn->client_port = ntohs(peer.v4.sin_port);
    } else if (peer.any.sa_family == AF_INET6) {
        memcpy(conn->address, &peer.v6.sin6_addr, 16);
        conn->client_port = ntohs(peer.v6.sin6_port);
    } else {
        conn->local = peer.any.sa_family == AF_UNIX;
    }
}

void tux_guard_meet(struct tux_engine *e, struct tux_conn *conn)
{
    const struct tux_http *h = e->http;
    if (h->log || h->rules.class_count || h->rules.network_count || counts_addresses(e)) tux_guard_look(conn);
}

static u32 networks_of(const struct tux_engine *e, const struct tux_conn *conn)
{
    return tux_class_of(e->http->rules.networks, e->http->rules.network_count, conn->address);
}

/* Connections without an address have class 0: those of unix sockets, and those whose peer was gone at once. */
static u32 class_of(const struct tux_engine *e, const u8 address[16])
{
    return tux_address_is_none(address) ? 0 : tux_class_of(e->http->rules.classes, e->http->rules.class_count, address);
}

bool tux_guard_classify(struct tux_engine *e, struct tux_conn *conn)
{
    bool trusted = (networks_of(e, conn) & TUX_NETWORK_TRUSTED) != 0 &&
                   (conn->local || !tux_address_is_none(conn->address));
    conn->class_number = class_of(e, conn->address);
    conn->forwards = trusted && e->http->rules.class_count > 0 && e->http->rules.bounds.forwarded != TUX_FORWARDED_OFF;
    return trusted;
}

void tux_guard_count_again(struct tux_engine *e, struct tux_conn *conn)
{
    if (conn->client) tux_client_leave(conn->client);
    conn->client = NULL;
    bool counted = counts_addresses(e) && !tux_address_is_none(conn->address) && networks_of(e, conn) == 0;
    if (counted) conn->client = tux_clients_enter(e->http->clients, tux_client_key(conn->address), e->turn_ns);
}

u64 tux_guard_party(const struct tux_engine *e, struct tux_conn *conn)
{
    tux_guard_look(conn);
    return networks_of(e, conn) ? 0 : tux_client_key(conn->address);
}

static void note_refusal(struct tux_engine *e, const struct tux_conn *conn, enum tux_limit limit)
{
    tux_metric_add(&e->metrics.limited[limit], 1);
    if (conn->client)
        atomic_store_explicit(&e->http->clients->refused[limit], conn->client->key, memory_order_relaxed);
}

/* A few connections beyond the limit are answered with a refusal; more are not, or refusing would take all runs. */
bool tux_guard_admit(struct tux_engine *e, struct tux_conn *conn)
{
    u32 most = e->http->rules.bounds.connections_max;
    tux_guard_count_again(e, conn);
    if (!conn->client || most == 0) return true;
    u32 open = atomic_load_explicit(&conn->client->connections, memory_order_relaxed);
    if (open <= most) return true;
    if (open > most + most / 4 + 4) {
        _Atomic u64 *told = &e->http->clients->refused[TUX_LIMIT_CONNECTIONS];
        atomic_store_explicit(told, conn->client->key, memory_order_relaxed);
        tux_metric_add(&e->metrics.dropped, 1);
        return false;
    }
    if (!conn->refused_by) conn->refused_by = TUX_LIMIT_CONNECTIONS + 1;
    return true;
}

bool tux_guard_crowded(const struct tux_engine *e, const struct tux_listener *listener)
{
    if (!e->http->rules.bounds.refuse || listener->drain_turns > 0) return false;
    return listener->full && listener->parked_count < listener->users >> TUX_REFUSE_SHIFT;
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

/* Choose the ready answer for this limit; 0 when there is none, so the connection ends without an answer. */
static i64 tell(struct tux_engine *e, struct tux_request *request, enum tux_limit limit, bool ends)
{
    static const char head[] = "HEAD ";
    u32 form = 0;
    bool has_method = request->head_bytes >= sizeof head - 1;
    if (has_method && memcmp(request->head, head, sizeof head - 1) == 0) form |= TUX_READY_HEAD;
    if (!ends && tux_head_is_plain(request->head, request->head_bytes)) form |= TUX_READY_KEEP;
    struct tux_response *r = e->http->ready_answer[limit][form];
    if (!r) return 0;
    request->source = TUX_SOURCE_LIMIT;
    request->chosen = r;
    r->refs++;
    return r->status;
}

static i64 refuse(struct tux_engine *e, struct tux_request *request, enum tux_limit limit)
{
    note_refusal(e, request->conn, limit);
    bool ends = request->conn->refused_by || request->miss_flags || tux_guard_is_last(e, request);
    return tell(e, request, limit, ends);
}

i64 tux_guard_unjudged(struct tux_engine *e, struct tux_request *request)
{
    return tell(e, request, TUX_LIMIT_BUSY, true);
}

i64 tux_guard_request(struct tux_engine *e, struct tux_request *request)
{
    struct tux_conn *conn = request->conn;
    const struct tux_bounds *b = &e->http->rules.bounds;
    if (conn->refused_by) return refuse(e, request, (enum tux_limit)(conn->refused_by - 1));
    if (request->charged || b->interval_ns == 0) return -1;
    request->charged = true; /* so that it is not charged again after it was parked */
    if (tux_client_take(conn->client, e->turn_ns, b->interval_ns, b->burst)) return -1;
    return refuse(e, request, TUX_LIMIT_RATE);
}

void tux_guard_forwarded(struct tux_engine *e, struct tux_request *request)
{
    u8 address[16];
    memcpy(address, request->conn->address, sizeof address);
    const struct tux_rules *rules = &e->http->rules;
    bool known = tux_forwarded(request->head, request->head_bytes, rules->bounds.forwarded, rules->networks,
                               rules->network_count, address);
    request->class_number = known ? class_of(e, address) : 0;
}

u64 tux_guard_asker(struct tux_engine *e, const struct tux_request *request)
{
    u8 address[16];
    tux_guard_look(request->conn);
    memcpy(address, request->conn->address, sizeof address);
    (void)tux_forwarded(request->head, request->head_bytes, e->http->rules.bounds.forwarded, e->http->rules.networks,
                        e->http->rules.network_count, address); /* else the proxy is charged */
    return tux_address_is_none(address) ? 0 : tux_client_key(address);
}

void tux_guard_answered(struct tux_engine *e, struct tux_conn *conn, bool keep)
{
    u32 most = e->http->rules.bounds.requests_max;
    if (__builtin_expect(most == 0, 1)) return;
    if (conn->requests + 1 >= most) tux_conn_forget_repeat(conn, &e->metrics); /* it would keep the connection */
    if (conn->requests >= most && !keep) tux_metric_add(&e->metrics.used_up, 1);
}

/* The one before may still be on its way, and goes like any other. */
void tux_guard_ready(struct tux_engine *e, u32 limit, u32 form, struct tux_response *answer)
{
    struct tux_response **place = &e->http->ready_answer[limit][form], *old = *place;
    *place = answer;
    if (!old) return;
    tux_metric_add(&e->metrics.responses, 1);
    tux_metric_add(&e->metrics.blobs, 1);
    tux_response_drop(old, &e->metrics);
}
