/* note.c: of a request that is over what the access log wants, into the engine's journal. Making lines of it is the
 * logger's work. */
#include "http/note.h"

#include "http/forwarded.h"
#include "log/logger.h"

static i64 wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (i64)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void tux_note(struct tux_engine *e, struct tux_run *run)
{
    const struct tux_request *request = run->request;
    const struct tux_conn *conn = request->conn;
    struct text head = {request->head, request->head ? request->head_bytes : 0};
    u64 sent = request->sent, head_sent = tux_head_end(request->blob->data, request->blob->bytes, 0);
    struct tux_log_facts facts = {
        .wall_ms = wall_ms(),
        .body_bytes = sent > head_sent ? sent - head_sent : 0,
        .duration_ms = (u32)(e->stage.now_ms - request->began_ms),
        .status = request->chosen->status,
        .port = conn->client_port,
        .source = request->source,
    };
    memcpy(facts.peer, conn->address, sizeof facts.peer);
    memcpy(facts.client, conn->address, sizeof facts.client);
    if (e->http->rules.network_count > 0 && head.length > 0 && tux_log_plan_of(e->http->log)->client)
        (void)tux_forwarded(head.bytes, head.length, e->http->rules.bounds.forwarded, e->http->rules.networks,
                            e->http->rules.network_count, facts.client);
    tux_log_note(e->http->log, head, &facts, e->turn_ns);
}

i64 tux_note_wait(struct tux_engine *e, struct tux_run *run)
{
    run->wait = TUX_WAIT_LOG;
    tux_list_add(e, &e->http->unlogged, run);
    return TUX_AGAIN;
}

void tux_note_room(struct tux_engine *e)
{
    if (!e->http->log) return;
    tux_log_room(e->http->log);
    if (e->http->log->full) return;
    struct tux_run_list waiters = e->http->unlogged;
    e->http->unlogged = tux_no_runs();
    for (struct tux_run *run; (run = tux_list_take(e, &waiters)) != NULL;) tux_wake(e, run);
}
