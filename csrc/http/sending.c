/* sending.c: sends a response by the connection's transport, counts its bytes, and sends only bytes of the file's
 * version that the head announces. */
#include "http/sending.h"

#include "chain/call.h"
#include "http/measure.h"
#include "http/transport.h"

/* Count the bytes of an answer that were sent: all of an atom, or a part. */
static i64 counted(const struct tux_run *run, i64 result)
{
    struct tux_request *request = run->request;
    if (result >= 0) request->sent += (u64)result;
    else if (result != TUX_AGAIN && result != TUX_COLD) request->sent += run->progress;
    return result;
}

/* Calls that send to the client use its connection's transport. */
static tux_perform performer(const struct tux_run *run, const struct tux_atom *atom)
{
    const struct tux_conn *conn = tux_conn_of(run);
    bool sends = atom->call == TUX_CALL_send || atom->call == TUX_CALL_sendfile;
    if (!sends || !tux_conn_is(conn, (int)tux_arg(run, atom, 0))) return tux_plain_calls[atom->call];
    return atom->call == TUX_CALL_send ? conn->transport->send : conn->transport->send_file;
}

i64 tux_sending_on_worker(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    return performer(run, atom)(stage, run, atom);
}

i64 tux_sending_send(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    u64 before = run->progress;
    i64 result = performer(run, atom)(stage, run, atom);
    if (!run->outer.chain) return result;
    tux_measure_sent(e, run, before, result);
    return counted(run, result);
}

static i64 wall_ns(const struct tux_engine *e) { return e->http->wall_s * 1000000000; }

bool tux_sending_still_good(struct tux_stage *stage, struct tux_run *run, bool last)
{
    struct tux_engine *e = tux_engine_of(stage);
    return tux_response_file_still_good(run->request->chosen, wall_ns(e), last);
}

/* The answer cannot be completed as announced. */
static i64 break_off(struct tux_conn *conn)
{
    conn->transport->reset_when_closed(conn);
    conn->discarding = true; /* so that close does not linger */
    return -ESTALE;
}

/* Became shorter or was written to while it is sent: the connection ends, so that no answer is made of two versions.
 * That is looked at before each piece, and behind the last one. Copies were looked at before they left. */
i64 tux_sending_sendfile(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_request *request = run->request;
    struct tux_conn *conn = request->conn;
    u64 before = run->progress;
    bool sends = run->outer.chain && tux_arg(run, atom, 3) != 0; /* of a slice that was copied nothing is left */
    if (sends && !tux_sending_still_good(stage, run, false)) return break_off(conn);
    if (sends && before == 0) tux_response_file_watch(request->chosen, &e->http->watches);
    bool small = tux_arg(run, atom, 3) <= TUX_COPY_BYTES;
    run->copies = sends && (small || tux_response_file_is_young(request->chosen, wall_ns(e)));
    i64 result = performer(run, atom)(stage, run, atom);
    if (!run->outer.chain) return result;
    tux_measure_sent(e, run, before, result);
    if (sends && result == TUX_AGAIN) tux_response_file_watch(request->chosen, &e->http->watches);
    bool broken = result == -ESTALE;
    if (sends && result > 0 && !run->copies)
        broken = !tux_sending_still_good(stage, run, true) && !conn->transport->delivered(conn);
    run->copies = false;
    i64 done = counted(run, result);
    return broken ? break_off(conn) : done;
}

i64 tux_sending_shutdown(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    const struct tux_conn *conn = tux_conn_of(run);
    if (!tux_conn_is(conn, (int)tux_arg(run, atom, 0))) return tux_plain_calls[TUX_CALL_shutdown](stage, run, atom);
    return conn->transport->shut(conn, (int)tux_arg(run, atom, 1));
}
