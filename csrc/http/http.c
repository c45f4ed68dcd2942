/* http.c: HTTP as the protocol of an engine: the functions by which the engine calls it, and its memory. */
#include "http/http.h"

#include <unistd.h>

#include "engine/accept.h"
#include "http/decide.h"
#include "http/freshness.h"
#include "http/guard.h"
#include "log/logger.h"
#include "http/measure.h"
#include "http/note.h"
#include "http/room.h"
#include "http/rules.h"
#include "http/sending.h"
#include "http/serve.h"
#include "http/timeout.h"

/* --- runs -------------------------------------------------------------------------------------------------------- */

static void http_began(struct tux_engine *e, struct tux_run *run)
{
    run->request = &e->http->requests[run->slot];
    run->request->conn = &e->http->conns[run->slot];
    run->request->conn->fd = -1;
}

static void http_ended(struct tux_engine *e, struct tux_run *run)
{
    if (e->stop) run->request->asked = false; /* the judge is gone */
    tux_serve_end(e, run);
}

static u64 http_parked(struct tux_engine *e, struct tux_run *run)
{
    tux_room_note(e, run);
    return tux_timeout_of(e, run);
}

static bool http_leads(const struct tux_run *run) { return tux_conn_of(run)->fd >= 0; }

static u64 http_place_of(const struct tux_run *run)
{
    const struct tux_response *r = run->request->chosen;
    return r ? r->job.place : 0;
}

/* --- connections ------------------------------------------------------------------------------------------------- */

static i64 http_connected(struct tux_engine *e, struct tux_run *run, const struct tux_atom *atom, int fd)
{
    struct tux_conn *conn = tux_conn_of(run);
    bool crowded = conn->crowded;
    conn->crowded = false;
    i64 *owner = &run->frame.cells[atom->ret];
    /* The chain may accept again without having closed: the former connection ends here. */
    if (tux_conn_is(conn, (int)*owner)) conn->transport->close(conn, &e->stage, run);
    else if (*owner >= 0) e->backend->ops->hang_up(e->backend, run, (int)*owner);
    *owner = -1;
    tux_serve_closed(e, run);
    conn->line = run->cookie;
    conn->fd = fd;
    conn->transport = &tux_transport_plain;
    conn->may_linger = run->frame.chain->sockets >> atom->ret & 1;
    conn->refused_by = crowded ? TUX_LIMIT_BUSY + 1 : 0;
    tux_guard_meet(e, conn);
    (void)tux_guard_classify(e, conn);
    const struct tux_listener *listener = e->listeners[run->listener - 1];
    conn->leaving = listener->drain_turns > 0;
    conn->leave_ms = listener->leave_ms;
    tux_metric_add(&e->metrics.connections, 1);
    bool stays = tux_guard_admit(e, conn);
    u32 patience_ms = conn->refused_by ? e->http->linger_ms : e->http->rules.head_ms;
    conn->limit_ms = e->stage.now_ms + patience_ms;
    if (stays) return fd;
    conn->transport->close(conn, &e->stage, run);
    tux_serve_closed(e, run);
    return -ECONNABORTED;
}

static void http_meets(struct tux_engine *e, struct tux_run *run, u32 listener)
{
    tux_conn_of(run)->crowded = tux_guard_crowded(e, e->listeners[listener]);
}

/* Let as many connections of the listener leave as it has runs to shed, including those that leave already. */
static void http_sheds(struct tux_engine *e, u32 number, u32 idle_ms)
{
    const struct tux_listener *listener = e->listeners[number];
    u32 leaving = 0;
    for (u32 slot = 0; slot < e->options.slots; slot++)
        leaving += e->runs[slot].listener == number + 1 && e->http->conns[slot].leaving;
    for (u32 slot = 0; slot < e->options.slots && leaving < listener->shed; slot++) {
        struct tux_conn *conn = &e->http->conns[slot];
        if (e->runs[slot].listener != number + 1 || conn->fd < 0 || conn->leaving) continue;
        tux_serve_leaves(e, &e->runs[slot], e->stage.now_ms + idle_ms);
        leaving++;
    }
}

/* --- what others send -------------------------------------------------------------------------------------------- */

static void http_owes(struct tux_engine *e, u8 owed)
{
    tux_note_room(e);
    if (owed & TUX_OWES_FORGET) {
        tux_decide_answers(e); /* earlier answers must be forgotten, too */
        tux_decisions_forget(&e->http->decisions);
    }
    if (owed & TUX_OWES_FORGET_MADE) tux_decisions_forget_made(&e->http->decisions);
}

static void http_worked(struct tux_engine *e, struct tux_job *job, bool over)
{
    if (tux_response_is_shut(job)) return;
    struct tux_response *r = (struct tux_response *)(void *)job;
    if (over) tux_response_drop(r, &e->metrics);
    else tux_freshness_checked(e, r);
}

/* --- turns ------------------------------------------------------------------------------------------------------- */

static void http_turn_begins(struct tux_engine *e)
{
    i64 wall_s = tux_wall_s();
    if (wall_s == e->http->wall_s) return;
    e->http->wall_s = wall_s;
    tux_date(wall_s, e->http->date);
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void http_close(struct tux_engine *e)
{
    struct tux_http *h = e->http;
    if (h->log) tux_log_detach(h->log); /* it knows the descriptor at which we are knocked */
    tux_decisions_close(&h->decisions);
    for (struct tux_answer answer; tux_ring_take(&h->answers, &answer, 1) == 1;)
        if (answer.response) tux_response_free(answer.response);
    for (u32 i = 0; i < TUX_LIMITS * TUX_READY_FORMS; i++) {
        struct tux_response *r = h->ready_answer[i / TUX_READY_FORMS][i % TUX_READY_FORMS];
        if (r) tux_response_free(r);
    }
    tux_watches_close(&h->watches);
    tux_ring_close(&h->misses);
    tux_ring_close(&h->answers);
    tux_ring_close(&h->samples);
    free(h->tables);
    free(h->requests);
    free(h->conns);
    free(h->room.state);
    free(h);
    e->http = NULL;
    e->protocol = NULL;
}

static const struct tux_protocol http_protocol = {
    .began = http_began, .ended = http_ended, .paused = tux_serve_hold_head, .parked = http_parked,
    .expired = tux_timeout_expired, .leads = http_leads, .connected = http_connected, .meets = http_meets,
    .make_room = tux_room_make, .leaves = tux_serve_leaves, .sheds = http_sheds, .knocked = tux_decide_answers,
    .owes = http_owes, .worked = http_worked, .place_of = http_place_of, .on_worker = tux_sending_on_worker,
    .turn_begins = http_turn_begins, .turn_ends = tux_measure_turn, .close = http_close,
};

const char *tux_http_fault(const struct tux_http_options *o)
{
    if (o->cache_entries_max == 0 || o->cache_bytes_max == 0) return "cache_entries_max, cache_bytes_max";
    return o->linger_ms ? tux_rules_fault(&o->rules) : "linger_ms";
}

static int apply_first_rules(struct tux_engine *e, const struct tux_rules *rules)
{
    struct tux_rules_change *change;
    int failed = tux_rules_make(rules, &change);
    if (failed) return failed;
    tux_rules_apply(e, change);
    tux_rules_drop(change);
    return 0;
}

int tux_http_open(struct tux_engine *e, const struct tux_http_options *o)
{
    u32 slots = e->options.slots;
    struct tux_http *h = calloc(1, sizeof *h);
    if (!h) return -ENOMEM;
    e->http = h;
    e->protocol = &http_protocol;
    tux_watches_open(&h->watches);
    h->unlogged = tux_no_runs();
    for (u32 i = 0; i < TUX_PENDING; i++) h->pending[i].slot = TUX_NONE32;
    tux_serve_calls(e->calls);
    e->stage.leave = tux_serve_leave;
    e->stage.still_good = tux_sending_still_good;
    e->stage.copy = h->copy;
    h->clients = o->clients;
    h->linger_ms = o->linger_ms;
    h->requests = calloc(slots, sizeof *h->requests);
    h->conns = calloc(slots, sizeof *h->conns);
    h->room.state = calloc(slots, 1);
    if (!h->requests || !h->conns || !h->room.state) return -ENOMEM;
    if (o->log) {
        h->log = tux_log_attach(o->log, e->knock_fd);
        if (!h->log) return -ENOMEM;
    }
    int failed = tux_ring_open(&h->misses, sizeof(struct tux_miss), slots);
    if (!failed) failed = tux_ring_open(&h->answers, sizeof(struct tux_answer), slots);
    if (!failed) failed = tux_ring_open(&h->samples, sizeof(struct tux_sample), TUX_SAMPLES);
    if (!failed)
        failed = tux_decisions_open(&h->decisions, o->cache_entries_max, o->cache_bytes_max, o->secret, &e->metrics);
    if (o->cache_files_max) h->decisions.files_max = o->cache_files_max;
    return failed ? failed : apply_first_rules(e, &o->rules);
}
