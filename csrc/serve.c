/* serve.c: a request's way through the engine, between accept.c and linger.c.
 *
 *   recv_head  delimits the next head; what is too long or too slow goes on too, marked, for the judge to refuse
 *   decide     the connection's previous head again, or a key in the cache, or up to the judge
 *   respond    enters the decision's own chain; tux_serve_leave takes the run back out of it
 *
 * C recognises and compares; it never reads a meaning into a head. Nothing here allocates, locks or asks the clock
 * while it answers a hit. */
#include "serve.h"

#include "accept.h"
#include "linger.h"

/* --- recv_head ----------------------------------------------------------------------------------------------- */

/* Empty lines before a request line are skipped (RFC 9112 section 2.2). */
static void skip_empty_lines(struct tux_conn *conn)
{
    u32 skip = 0, kept = tux_conn_kept(conn);
    const u8 *bytes = conn->input + conn->input_at;
    for (;;) {
        if (skip < kept && bytes[skip] == '\n') skip++;
        else if (skip + 1 < kept && bytes[skip] == '\r' && bytes[skip + 1] == '\n') skip += 2;
        else break;
    }
    if (skip > 0) tux_conn_consume(conn, skip);
}

static i64 have_head(struct tux_conn *conn, const u8 *head, size_t length, u32 flags)
{
    conn->head = head;
    conn->head_bytes = (u32)length;
    conn->miss_flags = flags;
    return (i64)length;
}

/* A head among the bytes kept: its length, 0 when there is none yet. What is too long counts as one, marked. */
static i64 kept_head(struct tux_engine *e, struct tux_conn *conn)
{
    if (tux_conn_kept(conn) == 0) return 0;
    skip_empty_lines(conn);
    u32 kept = tux_conn_kept(conn);
    if (kept == 0) return 0;
    const u8 *bytes = conn->input + conn->input_at;
    size_t end = tux_head_end(bytes, kept, conn->searched);
    conn->searched = kept;
    size_t most = e->options.head_bytes_max;
    if (end > most || (end == 0 && kept >= most))
        return have_head(conn, bytes, kept < most ? kept : most, TUX_MISS_HEAD_TOO_LONG);
    return end > 0 ? have_head(conn, bytes, end, 0) : 0;
}

/* The limit of waiting has passed, or the connection must go: 0 ends it, a half head goes up to be answered with 408.
 */
static i64 no_more_input(struct tux_engine *e, struct tux_conn *conn, bool expired)
{
    if (tux_conn_kept(conn) == 0) {
        if (expired) tux_metric_add(&e->metrics.idle_timeouts, 1);
        return 0;
    }
    tux_metric_add(&e->metrics.head_timeouts, 1);
    return have_head(conn, conn->input + conn->input_at, tux_conn_kept(conn), TUX_MISS_HEAD_TIMEOUT);
}

static i64 serve_recv_head(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_conn *conn = tux_conn_of(e, run);
    int fd = (int)tux_arg(run, atom, 0);
    i64 landed;
    if (fd < 0 || fd != conn->fd) return -EBADF; /* not the connection that this run has accepted */
    conn->head = NULL;
    if (tux_take_landed(run, &landed)) return landed == -ETIME ? no_more_input(e, conn, true) : landed;
    for (;;) {
        i64 length = kept_head(e, conn);
        if (length > 0) return length;
        const u8 *data;
        i64 n = e->backend->ops->stream(e->backend, run, fd, &data);
        if (n == TUX_AGAIN && (atom->flags & SYSLET_SYNC)) {
            run->wait = TUX_WAIT_NOT;
            return -EAGAIN;
        }
        if (n == TUX_AGAIN) {
            if (tux_conn_kept(conn) > 0 && conn->limit_ms == 0) conn->limit_ms = stage->now_ms + e->options.head_ms;
            if (e->drain_turns == 0 || tux_conn_kept(conn) > 0) return n;
            run->wait = TUX_WAIT_NOT;
            return 0;
        }
        if (n <= 0) return n; /* also half a head and then the end: nobody is left to be answered */
        if (tux_conn_kept(conn) == 0) {
            size_t end = tux_head_end(data, (size_t)n, 0);
            bool plain = end == (size_t)n && end <= e->options.head_bytes_max && data[0] != '\r' && data[0] != '\n';
            if (plain) return have_head(conn, data, end, 0);
            conn->limit_ms = 0; /* the whole head has its time from its first byte on */
        }
        if (tux_conn_keep_input(conn, data, (size_t)n) != 0) return -ENOMEM;
    }
}

void tux_serve_hold_head(struct tux_engine *e, struct tux_run *run)
{
    struct tux_conn *conn = tux_conn_of(e, run);
    if (!conn->head || conn->chosen || tux_conn_pin_head(conn) == 0) return;
    conn->head = NULL; /* no memory: decide will say that there is none */
}

/* --- decide -------------------------------------------------------------------------------------------------- */

/* May the response be used now? If it is old, a worker looks behind the scenes; if it is too old, the run waits. */
static bool is_fresh(struct tux_engine *e, struct tux_run *run, struct tux_response *r)
{
    u64 age_ms = e->stage.now_ms - r->checked_ms;
    if (__builtin_expect(age_ms < TUX_FRESH_MS || r->witness_count == 0, 1)) return true;
    if (!r->checking) {
        r->checking = true;
        r->check_began_ms = e->stage.now_ms;
        r->refs++;
        tux_metric_add(&e->metrics.checks, 1);
        tux_cachemiss_post(e->pool, &r->job);
    }
    if (age_ms < TUX_STALE_MS || tux_conn_pin_head(tux_conn_of(e, run)) != 0) return true;
    run->wait = TUX_WAIT_FRESH;
    struct tux_run_list waiters = {r->waiters, r->waiters_last};
    tux_list_add(e, &waiters, run);
    r->waiters = waiters.first;
    r->waiters_last = waiters.last;
    return false;
}

/* A file that is sent from where it lies must be the version of the head; what is in memory cannot be another. */
static bool is_current(struct tux_engine *e, struct tux_response *r)
{
    if (tux_response_file_holds(r)) return true;
    r->dead = true;
    tux_metric_add(&e->metrics.stale, 1);
    return false;
}

static i64 choose(struct tux_engine *e, struct tux_conn *conn, struct tux_response *r)
{
    tux_metric_add(&e->metrics.hits, 1);
    conn->chosen = r;
    r->refs++;
    return r->status;
}

/* The key of the head at hand in e->key, 0 when it has none: listener and class of address, then what tux_head_key
 * makes. */
static size_t key_of(struct tux_engine *e, const struct tux_conn *conn)
{
    const u32 place[2] = {(u32)conn->listener, conn->class_number};
    memcpy(e->key, place, sizeof place);
    size_t bytes = tux_head_key(conn->head, conn->head_bytes, &e->significant, e->key + sizeof place);
    return bytes ? bytes + sizeof place : 0;
}

/* Up to the judge. Whoever asks what is being judged already waits for that answer, and then looks again; but only
 * once, since an answer that may not be kept will not be found. `hash` of the key, 0 when there is no key to join by.
 */
static i64 ask_judge(struct tux_engine *e, struct tux_run *run, struct tux_conn *conn, u64 hash)
{
    if (tux_conn_pin_head(conn) != 0) return -ENOMEM;
    struct tux_pending *p = &e->pending[hash % TUX_PENDING];
    bool may_join = hash != 0 && run->woken != TUX_WAIT_DECISION;
    run->wait = TUX_WAIT_DECISION;
    if (may_join && p->slot != TUX_NONE32 && p->hash == hash) {
        tux_list_add(e, &p->joined, run);
        tux_metric_add(&e->metrics.joined, 1);
        return TUX_AGAIN;
    }
    if (may_join && p->slot == TUX_NONE32)
        *p = (struct tux_pending){.hash = hash, .slot = run->slot, .joined = tux_no_runs()};
    tux_metric_add(&e->metrics.judged, 1);
    conn->asked = true;
    struct tux_miss miss = {.class_number = conn->class_number,
                            .slot = run->slot, .generation = run->generation, .listener = conn->listener,
                            .flags = conn->miss_flags, .head = conn->head, .head_bytes = conn->head_bytes};
    tux_ring_put(&e->misses, &miss);
    e->notify = true;
    return TUX_AGAIN;
}

static i64 serve_decide(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)atom;
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_conn *conn = tux_conn_of(e, run);
    i64 landed;
    if (tux_take_landed(run, &landed)) return landed; /* the judge has chosen */
    if (conn->chosen) return conn->chosen->status; /* decided already */
    if (!conn->head) return tux_fault(run);
    if (conn->miss_flags) return ask_judge(e, run, conn, 0);
    struct tux_response *r = conn->repeat;
    if (r && !r->dead && r->generation == e->decisions.generation && conn->repeat_bytes == conn->head_bytes &&
        memcmp(conn->repeat_head, conn->head, conn->head_bytes) == 0 && is_current(e, r)) {
        if (!is_fresh(e, run, r)) return TUX_AGAIN;
        tux_metric_add(&e->metrics.repeats, 1);
        return choose(e, conn, r);
    }
    size_t key_bytes = key_of(e, conn);
    if (key_bytes == 0) {
        tux_metric_add(&e->metrics.keyless, 1);
        return ask_judge(e, run, conn, 0);
    }
    u64 hash = tux_decision_hash(&e->decisions, e->key, key_bytes);
    r = tux_decision_find(&e->decisions, hash, e->key, key_bytes);
    if (!r || !is_current(e, r)) return ask_judge(e, run, conn, hash);
    if (!is_fresh(e, run, r)) return TUX_AGAIN;
    tux_conn_remember(conn, r, &e->metrics);
    return choose(e, conn, r);
}

void tux_serve_checked(struct tux_engine *e, struct tux_response *r)
{
    r->checking = false;
    r->checked_ms = r->check_began_ms;
    if (!r->unchanged && !r->dead) {
        r->dead = true; /* whoever finds it next takes it out */
        tux_metric_add(&e->metrics.stale, 1);
    }
    struct tux_run_list waiters = {r->waiters, r->waiters_last};
    r->waiters = r->waiters_last = TUX_NONE32;
    for (struct tux_run *run; (run = tux_list_take(e, &waiters)) != NULL;) tux_wake(e, run);
    tux_response_drop(r, &e->metrics);
}

/* The runs that wait for the same judgement; they look for themselves: what was kept they find, else each asks. */
static void release_joined(struct tux_engine *e, u32 slot)
{
    for (u32 i = 0; i < TUX_PENDING; i++) {
        struct tux_pending *p = &e->pending[i];
        if (p->slot != slot) continue;
        struct tux_run_list joined = p->joined;
        p->slot = TUX_NONE32;
        for (struct tux_run *run; (run = tux_list_take(e, &joined)) != NULL;) tux_wake(e, run);
        return;
    }
}

static void take_answer(struct tux_engine *e, struct tux_answer *answer)
{
    struct tux_run *run = &e->runs[answer->slot];
    struct tux_conn *conn = &e->conns[answer->slot];
    struct tux_response *r = answer->response;
    TUX_ASSERT(conn->asked && run->generation == answer->generation); /* a run with a question out stays until now */
    conn->asked = false;
    if (r) {
        tux_metric_add(&e->metrics.responses, 1);
        tux_metric_add(&e->metrics.blobs, 1);
        size_t key_bytes = r->cacheable && !conn->miss_flags ? key_of(e, conn) : 0;
        if (key_bytes > 0) {
            u64 hash = tux_decision_hash(&e->decisions, e->key, key_bytes);
            tux_decision_keep(&e->decisions, hash, e->key, key_bytes, r);
        }
    }
    release_joined(e, run->slot);
    conn->chosen = r; /* with the reference it came with */
    tux_land(run, r ? r->status : -EIO);
    tux_wake(e, run);
}

void tux_serve_answers(struct tux_engine *e)
{
    struct tux_answer answers[32];
    for (u32 n; (n = tux_ring_take(&e->answers, answers, TUX_COUNT(answers))) > 0;)
        for (u32 i = 0; i < n; i++) take_answer(e, &answers[i]);
}

/* --- respond --------------------------------------------------------------------------------------------------- */

static i64 serve_respond(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_conn *conn = tux_conn_of(e, run);
    struct tux_response *r = conn->chosen;
    if (!r || run->outer.chain || tux_arg(run, atom, 0) != conn->fd) return tux_fault(run);
    conn->blob = tux_response_blob(r, e->wall_s, e->date, &e->metrics);
    if (!conn->blob) return -ENOMEM;
    tux_metric_add(&e->metrics.requests, 1);
    i64 fd = tux_arg(run, atom, 0);
    run->outer = run->frame;
    tux_frame_start(&run->frame, r->chain, run->inner_cells, conn->blob->data, NULL);
    run->inner_cells[r->connection_cell] = fd;
    if (r->file_cell != TUX_NONE16) run->inner_cells[r->file_cell] = r->file;
    return TUX_ENTER;
}

i64 tux_serve_leave(struct tux_stage *stage, struct tux_run *run, i64 result, bool stopped)
{
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_conn *conn = tux_conn_of(e, run);
    bool keep = conn->chosen->keep;
    if (stopped) tux_metric_add(&e->metrics.failed_responses, 1);
    tux_conn_end_request(conn, &e->metrics);
    conn->requests++;
    conn->limit_ms = 0;
    conn->closing = !keep;
    return stopped ? result : keep;
}

/* Written to while it is sent: the connection ends short, so that no answer is made of two versions. */
static i64 serve_sendfile(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    struct tux_conn *conn = tux_conn_of(tux_engine_of(stage), run);
    if (run->outer.chain && !tux_response_file_holds(conn->chosen)) return -ESTALE;
    return tux_plain_calls[TUX_CALL_sendfile](stage, run, atom);
}

void tux_serve_end(struct tux_engine *e, struct tux_run *run)
{
    struct tux_conn *conn = tux_conn_of(e, run);
    if (conn->listener < 0) return;
    tux_metric_add(&e->metrics.connections, -1);
    tux_conn_reset(conn, &e->metrics);
}

void tux_serve_calls(tux_perform table[TUX_CALLS_MAX])
{
    memcpy(table, tux_plain_calls, sizeof tux_plain_calls);
    table[TUX_CALL_accept4] = tux_accept4;
    table[TUX_CALL_recv_head] = serve_recv_head;
    table[TUX_CALL_decide] = serve_decide;
    table[TUX_CALL_respond] = serve_respond;
    table[TUX_CALL_sendfile] = serve_sendfile;
    table[TUX_CALL_discard] = tux_linger_discard;
    table[TUX_CALL_close] = tux_linger_close;
}

void tux_serve_drain(struct tux_engine *e)
{
    for (u32 slot = 0; slot < e->options.slots; slot++) {
        struct tux_run *run = &e->runs[slot];
        bool idle = run->frame.chain && run->wait == TUX_WAIT_INPUT && tux_conn_kept(&e->conns[slot]) == 0;
        if (idle) tux_wake(e, run); /* recv_head looks once more and then lets the connection go */
    }
}
