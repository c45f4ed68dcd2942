/* logger.c: the engine's side of the access log: records go into a journal, and the engine never waits.
 *
 * While the journal fills faster than it is read, long values are cut shorter. When it is full, records wait in memory
 * of their own, in order, until the logger knocks because there is room. When that memory is full too, records are lost
 * and counted; or, where the policy is that no line may be lost, no further request is answered, so there is never more
 * than one record for each connection. */
#include "logger.h"

#include <unistd.h>

#include "logthread.h"

const struct tux_log_plan *tux_log_plan_of(const struct tux_log_port *port) { return &port->log->plan; }

struct tux_log_port *tux_log_attach(struct tux_log *log, int knock_fd)
{
    struct tux_log_port *port = calloc(1, sizeof *port);
    u32 bytes = log->journal_bytes < 4 * log->plan.record_max ? 4 * log->plan.record_max : log->journal_bytes;
    if (!port || tux_journal_open(&port->journal, bytes) != 0) {
        free(port);
        return NULL;
    }
    port->log = log;
    port->knock_fd = knock_fd;
    port->spilled_tail = &port->spilled;
    pthread_mutex_lock(&log->lock);
    bool fits = log->port_count < TUX_LOG_PORTS_MAX;
    if (fits) log->ports[log->port_count++] = port;
    pthread_mutex_unlock(&log->lock);
    if (fits) return port;
    tux_journal_close(&port->journal);
    free(port);
    return NULL;
}

void tux_log_detach(struct tux_log_port *port)
{
    struct tux_log *log = port->log;
    pthread_mutex_lock(&log->lock);
    port->leaving = true;
    port->knock_fd = -1; /* the engine closes it */
    pthread_mutex_unlock(&log->lock);
    tux_log_knock(log);
}

/* Keep the record in memory while the journal is full. */
static void spill(struct tux_log_port *port, const struct tux_log_found *found, const struct tux_entry_of_log *record)
{
    struct tux_log *log = port->log;
    bool may = log->wait || port->spilled_bytes + found->bytes <= TUX_LOG_SPILL_BYTES;
    struct tux_log_spilled *kept = may ? malloc(offsetof(struct tux_log_spilled, record) + found->bytes) : NULL;
    if (!kept) {
        tux_log_count(&port->lost, 1);
        return;
    }
    kept->next = NULL;
    kept->record = *record;
    tux_log_fill(&log->plan, found, &kept->record);
    *port->spilled_tail = kept;
    port->spilled_tail = &kept->next;
    port->spilled_bytes += found->bytes;
    port->full = log->wait;
    tux_log_count(&port->noted, 1);
    if (!atomic_exchange(&port->hungry, true)) tux_log_knock(log);
}

static void commit(struct tux_log_port *port, u32 bytes)
{
    struct tux_journal *j = &port->journal;
    u64 quarter = (j->mask + 1) / 4, before = tux_journal_waiting(j);
    tux_journal_commit(j, bytes);
    if (before < quarter && before + bytes >= quarter) tux_log_knock(port->log);
}

void tux_log_room(struct tux_log_port *port)
{
    for (struct tux_log_spilled *first; (first = port->spilled) != NULL;) {
        void *place = tux_journal_reserve(&port->journal, first->record.bytes);
        if (!place) {
            if (!atomic_exchange(&port->hungry, true)) tux_log_knock(port->log);
            return;
        }
        memcpy(place, &first->record, first->record.bytes);
        commit(port, first->record.bytes);
        port->spilled_bytes -= first->record.bytes;
        port->spilled = first->next;
        if (!port->spilled) port->spilled_tail = &port->spilled;
        free(first);
    }
    port->full = false;
}

void tux_log_note(struct tux_log_port *port, struct text head, const struct tux_log_facts *facts, u64 turn_ns)
{
    const struct tux_log_plan *plan = &port->log->plan;
    struct tux_journal *j = &port->journal;
    struct tux_log_found found;
    if (__builtin_expect(port->spilled != NULL, 0)) tux_log_room(port);
    bool pressed = port->spilled || tux_journal_waiting(j) > (j->mask + 1) / 4;
    tux_log_find(plan, head, pressed ? TUX_LOG_SHORT_BYTES : TUX_LOG_VALUE_BYTES, &found);
    const struct tux_entry_of_log entry = {.bytes = found.bytes, .turn_ns = turn_ns, .facts = *facts};
    struct tux_entry_of_log *record = port->spilled ? NULL : tux_journal_reserve(j, found.bytes);
    if (__builtin_expect(!record, 0)) {
        spill(port, &found, &entry);
        return;
    }
    *record = entry;
    tux_log_fill(plan, &found, record);
    tux_log_count(&port->noted, 1);
    commit(port, found.bytes);
}
