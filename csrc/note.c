/* note.c: a copy of the head and a few numbers, into the engine's journal. All the rest is the logger's work. */
#include "note.h"

#include "logger.h"

static i64 wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (i64)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void tux_note(struct tux_engine *e, struct tux_run *run, bool failed)
{
    const struct tux_conn *conn = tux_conn_of(e, run);
    u32 head_bytes = conn->head ? conn->head_bytes : 0;
    u32 bytes = ((u32)sizeof(struct tux_entry_of_log) + head_bytes + 7) & ~7u;
    struct tux_entry_of_log *record = tux_log_reserve(e->log, bytes);
    if (!record) return;
    u64 sent = conn->sent, head_sent = tux_head_end(conn->blob->data, conn->blob->bytes, 0);
    *record = (struct tux_entry_of_log){
        .bytes = bytes,
        .head_bytes = head_bytes,
        .wall_ms = wall_ms(),
        .body_bytes = sent > head_sent ? sent - head_sent : 0,
        .duration_ms = (u32)(e->stage.now_ms - conn->began_ms),
        .status = conn->chosen->status,
        .port = conn->port,
        .source = conn->source,
        .failed = failed,
    };
    memcpy(record->address, conn->address, sizeof record->address);
    if (head_bytes > 0) memcpy(record + 1, conn->head, head_bytes);
    tux_log_write(e->log, bytes);
}
