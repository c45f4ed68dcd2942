/* serve.c: a request's way through the engine, between accept.c and linger.c.
 *
 *   recv_head  delimits the next head; one that is too long or too slow goes on too, marked, and the judge refuses it
 *   decide     finds the response by the previous head, by a key in the cache, or asks the judge (decide.c)
 *   respond    enters the decision's own chain; tux_serve_leave takes the run back out of it
 *
 * C recognises and compares; it never interprets a head. Answering a hit allocates nothing, takes no lock and asks no
 * clock. */
#include "http/serve.h"

#include "engine/accept.h"
#include "base/address.h"
#include "http/decide.h"
#include "http/freshness.h"
#include "http/guard.h"
#include "http/linger.h"
#include "http/measure.h"
#include "http/note.h"
#include "http/proxy.h"
#include "http/ranged.h"
#include "http/room.h"
#include "http/sending.h"
#include "http/transport.h"

/* --- recv_head ----------------------------------------------------------------------------------------------- */

/* The number of bytes of empty lines before a request line, which are skipped (RFC 9112 section 2.2). */
static void skip_empty_lines(struct tux_conn *conn)
{
    u32 skip = 0, kept = tux_conn_kept(conn);
    const u8 *bytes = conn->input + conn->input_at;
    for (;;) {
        if (skip < kept && bytes[skip] == '\n') skip++;
        else if (skip + 1 < kept && bytes[skip] == '\r' && bytes[skip + 1] == '\n') skip += 2;
        else break;
    }
    if (skip == 0) return;
    conn->blank = (u16)tux_min_u64(conn->blank + skip, TUX_BLANK_BYTES_MAX + 1);
    tux_conn_consume(conn, skip);
}

static i64 have_head(struct tux_request *request, const u8 *head, size_t length, u32 flags)
{
    request->head = head;
    request->head_bytes = (u32)length;
    request->miss_flags = flags;
    return (i64)length;
}

/* For a connection that is refused: its first bytes count as a head, which shows whether it is a HEAD request. */
static i64 beginning(struct tux_request *request)
{
    struct tux_conn *conn = request->conn;
    static const char head[] = "HEAD ";
    skip_empty_lines(conn);
    u32 kept = tux_conn_kept(conn);
    return kept < sizeof head - 1 ? 0 : have_head(request, conn->input + conn->input_at, kept, 0);
}

static i64 keep_beginning(struct tux_conn *conn, const u8 *data, size_t bytes)
{
    return tux_conn_keep_input(conn, data, bytes < TUX_REFUSE_BYTES ? bytes : TUX_REFUSE_BYTES);
}

/* The length of a head in the kept bytes; 0 when none is complete. A head that is too long counts, marked. */
static i64 kept_head(struct tux_engine *e, struct tux_request *request)
{
    struct tux_conn *conn = request->conn;
    if (tux_conn_kept(conn) == 0) return 0;
    if (conn->refused_by) return beginning(request);
    skip_empty_lines(conn);
    u32 kept = tux_conn_kept(conn);
    if (kept == 0) return 0;
    const u8 *bytes = conn->input + conn->input_at;
    size_t end = tux_head_end(bytes, kept, conn->searched);
    conn->searched = kept;
    size_t most = e->http->rules.head_bytes_max;
    if (end > most || (end == 0 && kept >= most))
        return have_head(request, bytes, kept < most ? kept : most, TUX_MISS_HEAD_TOO_LONG);
    return end > 0 ? have_head(request, bytes, end, 0) : 0;
}

/* The time limit has passed, or the connection must leave: 0 ends it; an incomplete head is answered with 408. */
static i64 no_more_input(struct tux_engine *e, struct tux_request *request, bool expired)
{
    const struct tux_conn *conn = request->conn;
    if (tux_conn_kept(conn) == 0) {
        if (expired) tux_metric_add(&e->metrics.idle_timeouts, 1);
        return 0;
    }
    tux_metric_add(&e->metrics.head_timeouts, 1);
    return have_head(request, conn->input + conn->input_at, tux_conn_kept(conn), TUX_MISS_HEAD_TIMEOUT);
}

/* The time of a head runs from its first byte, that of an idle connection from its last answer. Skipped bytes renew
 * neither. */
static void set_patience(struct tux_engine *e, struct tux_conn *conn)
{
    bool begins = tux_conn_kept(conn) > 0 && !conn->heading && !conn->refused_by;
    if (begins) conn->limit_ms = e->stage.now_ms + e->http->rules.head_ms;
    else if (conn->limit_ms == 0) conn->limit_ms = e->stage.now_ms + e->http->rules.idle_ms;
    conn->heading |= begins;
}

/* No byte has come. The result, or TUX_AGAIN to wait. */
static i64 no_input(struct tux_engine *e, struct tux_run *run, struct tux_conn *conn)
{
    set_patience(e, conn);
    bool leaves = conn->leaving && tux_conn_kept(conn) == 0 && e->stage.now_ms >= conn->leave_ms;
    bool babbles = conn->blank > TUX_BLANK_BYTES_MAX;
    if (!conn->goes && !leaves && !babbles) return TUX_AGAIN;
    run->wait = TUX_WAIT_NOT;
    return 0;
}

static i64 serve_recv_head(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_request *request = run->request;
    struct tux_conn *conn = request->conn;
    int fd = (int)tux_arg(run, atom, 0);
    i64 landed;
    if (!tux_conn_is(conn, fd)) return -EBADF; /* not the connection that this run has accepted */
    bool dealt_with = request->head && tux_request_head_is_kept(request); /* by a chain that does not respond */
    if (dealt_with) tux_conn_consume(conn, request->head_bytes);
    request->head = NULL;
    if (tux_take_landed(run, &landed)) {
        if (landed != -ETIME && !conn->goes) return landed;
        if (!conn->goes && (!conn->leaving || tux_conn_kept(conn) > 0)) return no_more_input(e, request, true);
    } /* a request that comes at the last moment is still answered */
    for (;;) {
        i64 length = kept_head(e, request);
        if (length > 0) return length;
        const u8 *data;
        i64 n = conn->transport->receive(conn, stage, run, &data);
        if (n == TUX_AGAIN && (atom->flags & SYSLET_SYNC)) {
            run->wait = TUX_WAIT_NOT;
            return -EAGAIN;
        }
        if (n == TUX_AGAIN) return no_input(e, run, conn);
        if (n <= 0) return n; /* also after an incomplete head: the client is gone */
        if (__builtin_expect(conn->goes, 0)) tux_room_settled(e, conn, false);
        if (conn->blank > TUX_BLANK_BYTES_MAX) return 0;
        if (__builtin_expect(conn->refused_by, 0)) {
            if (keep_beginning(conn, data, (size_t)n) != 0) return -ENOMEM;
            continue;
        }
        if (tux_conn_kept(conn) == 0) {
            size_t end = tux_head_end(data, (size_t)n, 0);
            bool plain = end == (size_t)n && end <= e->http->rules.head_bytes_max && data[0] != '\r' && data[0] != '\n';
            if (plain) return have_head(request, data, end, 0);
        }
        if (tux_conn_keep_input(conn, data, (size_t)n) != 0) return -ENOMEM;
    }
}

/* --- recv_proxy ------------------------------------------------------------------------------------------------ */

/* Learn the client's address from the proxy, before reading anything else. */
static i64 take_proxied(struct tux_engine *e, struct tux_conn *conn)
{
    struct tux_proxied proxied;
    i64 bytes = tux_proxy_read(conn->input + conn->input_at, tux_conn_kept(conn), &proxied);
    if (bytes <= 0) return bytes;
    tux_conn_consume(conn, (u32)bytes);
    conn->limit_ms = e->stage.now_ms + e->http->rules.head_ms;
    if (!proxied.known) return bytes;
    memcpy(conn->address, proxied.address, sizeof conn->address);
    conn->client_port = proxied.port;
    conn->local = false;
    (void)tux_guard_classify(e, conn);
    return tux_guard_admit(e, conn) ? bytes : -ECONNABORTED;
}

static i64 serve_recv_proxy(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_conn *conn = tux_conn_of(run);
    int fd = (int)tux_arg(run, atom, 0);
    i64 landed, n;
    if (!tux_conn_is(conn, fd)) return -EBADF; /* not the connection that this run has accepted */
    bool in_time = !tux_take_landed(run, &landed);
    if (conn->goes) return -ECANCELED;
    tux_guard_look(conn);
    bool may = conn->local || tux_guard_classify(e, conn);
    if (!conn->local && tux_address_is_none(conn->address)) return -ENOTCONN; /* gone, as after a check of its health */
    n = may && in_time ? 0 : may ? -ETIME : -EACCES;
    while (n == 0) {
        if (tux_conn_kept(conn) > 0 && (n = take_proxied(e, conn)) != 0) break;
        const u8 *data;
        n = conn->transport->receive(conn, stage, run, &data);
        bool late = conn->leaving && stage->now_ms >= conn->leave_ms && tux_conn_kept(conn) == 0;
        if (n == TUX_AGAIN && !late && !(atom->flags & SYSLET_SYNC)) return n;
        if (n == TUX_AGAIN) {
            run->wait = TUX_WAIT_NOT;
            return late ? -ECANCELED : -EAGAIN;
        }
        if (n <= 0 && tux_conn_kept(conn) == 0) return -ENODATA; /* a probe, as load balancers send */
        n = n > 0 ? tux_conn_keep_input(conn, data, (size_t)n) : -EPROTO;
    }
    /* Without an answer: only programs may connect here. */
    if (n < 0 && n != -ECONNABORTED) tux_metric_add(&e->metrics.proxy_faults, 1);
    return n;
}

void tux_serve_hold_head(struct tux_engine *e, struct tux_run *run)
{
    struct tux_request *request = run->request;
    const struct tux_conn *conn = request->conn;
    if (!request->head || (request->chosen && !e->http->log) || tux_request_head_is_kept(request)) return;
    if (request->chosen && request->chosen == conn->repeat && conn->repeat_bytes == request->head_bytes) {
        request->head = conn->repeat_head; /* the log needs it at the end, and it is kept here anyway */
        return;
    }
    if (tux_request_pin_head(request) == 0) return;
    request->head = NULL; /* no memory: decide will say that there is none */
}

/* --- respond --------------------------------------------------------------------------------------------------- */

/* The file was written to again while the run waited for a write(2) to end. No byte was sent, so decide again; but only
 * a few times, as a file may be written to all the time. */
static bool is_over_already(const struct tux_request *request)
{
    bool may = request->head && !request->ranged && request->anew < TUX_ANEW_MAX;
    return may && !tux_response_file_holds(request->chosen);
}

static i64 serve_respond(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_request *request = run->request;
    i64 status = __builtin_expect(request->anew, 0) ? tux_decide(stage, run, atom) : 1; /* anew: decided once more */
    if (status <= 0) return status;
    struct tux_response *r = request->chosen;
    if (!r || run->outer.chain || tux_arg(run, atom, 0) != request->conn->fd) return tux_fault(run);
    if (__builtin_expect(tux_note_must_wait(e), 0)) return tux_note_wait(e, run);
    if (!request->ranged && __builtin_expect(tux_freshness_settles(e, run, r), 0)) return TUX_AGAIN;
    if (__builtin_expect(run->woken_for == TUX_WAIT_FRESH && is_over_already(request), 0)) {
        tux_response_drop(r, &e->metrics);
        request->chosen = NULL;
        request->anew++;
        run->woken_for = TUX_WAIT_NOT;
        return serve_respond(stage, run, atom);
    }
    if (e->http->log && r->reads_on) tux_serve_hold_head(e, run); /* else it may be gone when it is logged */
    if (!request->ranged) request->blob = tux_response_blob(r, e->http->wall_s, e->http->date, &e->metrics);
    if (!request->blob) return -ENOMEM;
    tux_metric_add(&e->metrics.requests, 1);
    i64 fd = tux_arg(run, atom, 0);
    run->outer = run->frame;
    tux_frame_start(&run->frame, r->chain, run->inner_cells, request->blob->data, NULL);
    run->inner_cells[r->connection_cell] = fd;
    if (r->file_cell != TUX_NONE16) run->inner_cells[r->file_cell] = r->file;
    if (request->ranged) tux_ranged_fill(r, &request->slice, request->blob, run->inner_cells);
    return TUX_ENTER;
}

i64 tux_serve_leave(struct tux_stage *stage, struct tux_run *run, i64 result, bool stopped)
{
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_request *request = run->request;
    struct tux_conn *conn = request->conn;
    bool keep = request->chosen->keep;
    if (stopped) tux_metric_add(&e->metrics.failed_responses, 1);
    if (e->http->log) tux_note(e, run);
    tux_measure_end(e, request);
    tux_request_end(request, &e->metrics);
    conn->requests++;
    conn->limit_ms = 0;
    conn->heading = false;
    conn->blank = 0;
    conn->closing = !keep;
    tux_guard_answered(e, conn, keep);
    return stopped ? result : keep;
}

void tux_serve_end(struct tux_engine *e, struct tux_run *run)
{
    struct tux_conn *conn = tux_conn_of(run);
    struct tux_frame *own = run->outer.chain ? &run->outer : &run->frame;
    for (unsigned i = 0; conn->fd >= 0 && i < own->chain->cells; i++) {
        bool owns = own->chain->cell[i].kind == TUX_FD && tux_conn_is(conn, (int)own->cells[i]);
        if (!owns || i == run->record->keep_cell) continue;
        own->cells[i] = -1;
        conn->transport->close(conn, &e->stage, run);
        break;
    }
    tux_serve_closed(e, run);
}

void tux_serve_closed(struct tux_engine *e, struct tux_run *run)
{
    struct tux_conn *conn = tux_conn_of(run);
    if (conn->fd < 0) return;
    if (__builtin_expect(conn->goes, 0)) tux_room_settled(e, conn, true);
    tux_metric_add(&e->metrics.connections, -1);
    tux_request_end(run->request, &e->metrics);
    tux_conn_reset(conn, &e->metrics);
}

void tux_serve_calls(tux_perform table[TUX_CALLS_MAX])
{
    table[TUX_CALL_recv_proxy] = serve_recv_proxy;
    table[TUX_CALL_recv_head] = serve_recv_head;
    table[TUX_CALL_decide] = tux_decide;
    table[TUX_CALL_respond] = serve_respond;
    table[TUX_CALL_send] = tux_sending_send;
    table[TUX_CALL_sendfile] = tux_sending_sendfile;
    table[TUX_CALL_shutdown] = tux_sending_shutdown;
    table[TUX_CALL_discard] = tux_linger_discard;
    table[TUX_CALL_close] = tux_linger_close;
}

void tux_serve_leaves(struct tux_engine *e, struct tux_run *run, u64 leave_ms)
{
    struct tux_conn *conn = tux_conn_of(run);
    if (!run->frame.chain || conn->fd < 0) return;
    conn->leaving = true;
    conn->leave_ms = leave_ms;
    tux_conn_forget_repeat(conn, &e->metrics); /* it would keep the connection */
    if (run->wait != TUX_WAIT_INPUT || conn->discarding || tux_conn_kept(conn) > 0) return;
    u64 limit_ms = e->deadlines.at_ms[run->slot];
    if (leave_ms <= e->stage.now_ms) tux_wake(e, run); /* recv_head looks once more and then lets it go */
    else if (limit_ms == 0 || leave_ms < limit_ms) tux_deadline_set(&e->deadlines, run->slot, leave_ms);
}
