/* logger.c: the engine's side of the access log: records go into a journal, and the engine never waits.
 *
 * While the journal fills faster than it is read, long values are cut shorter. When it is full, records wait in memory
 * of their own, in order, until the logger knocks because there is room. When that memory is full too, records are lost
 * and counted; or, where the policy is that no line may be lost, no further request is answered, so there is never more
 * than one record for each connection. */
#include "log/logger.h"

#include <unistd.h>

#include "log/logthread.h"

const struct tux_log_plan *tux_log_plan_of(const struct tux_log_feed *feed) { return &feed->log->plan; }

struct tux_log_feed *tux_log_attach(struct tux_log *log, int knock_fd)
{
    struct tux_log_feed *feed = calloc(1, sizeof *feed);
    u32 bytes = log->journal_bytes < 4 * log->plan.record_max ? 4 * log->plan.record_max : log->journal_bytes;
    if (!feed || tux_journal_open(&feed->journal, bytes) != 0) {
        free(feed);
        return NULL;
    }
    feed->log = log;
    feed->knock_fd = knock_fd;
    feed->spilled_tail = &feed->spilled;
    pthread_mutex_lock(&log->lock);
    bool fits = log->listener_count < TUX_LOG_FEEDS_MAX;
    if (fits) log->feeds[log->listener_count++] = feed;
    pthread_mutex_unlock(&log->lock);
    if (fits) return feed;
    tux_journal_close(&feed->journal);
    free(feed);
    return NULL;
}

void tux_log_detach(struct tux_log_feed *feed)
{
    struct tux_log *log = feed->log;
    pthread_mutex_lock(&log->lock);
    feed->leaving = true;
    feed->knock_fd = -1; /* the engine closes it */
    pthread_mutex_unlock(&log->lock);
    tux_log_knock(log);
}

/* Keep the record in memory while the journal is full. */
static void spill(struct tux_log_feed *feed, const struct tux_log_found *found, const struct tux_entry_of_log *record)
{
    struct tux_log *log = feed->log;
    bool may = log->wait || feed->spilled_bytes + found->bytes <= TUX_LOG_SPILL_BYTES;
    struct tux_log_spilled *kept = may ? malloc(offsetof(struct tux_log_spilled, record) + found->bytes) : NULL;
    if (!kept) {
        tux_log_count(&feed->lost, 1);
        return;
    }
    kept->next = NULL;
    kept->record = *record;
    tux_log_fill(&log->plan, found, &kept->record);
    *feed->spilled_tail = kept;
    feed->spilled_tail = &kept->next;
    feed->spilled_bytes += found->bytes;
    feed->full = log->wait;
    tux_log_count(&feed->noted, 1);
    if (!atomic_exchange(&feed->hungry, true)) tux_log_knock(log);
}

static void commit(struct tux_log_feed *feed, u32 bytes)
{
    struct tux_journal *j = &feed->journal;
    u64 quarter = (j->mask + 1) / 4, before = tux_journal_waiting(j);
    tux_journal_commit(j, bytes);
    if (before < quarter && before + bytes >= quarter) tux_log_knock(feed->log);
}

void tux_log_room(struct tux_log_feed *feed)
{
    for (struct tux_log_spilled *first; (first = feed->spilled) != NULL;) {
        void *place = tux_journal_reserve(&feed->journal, first->record.bytes);
        if (!place) {
            if (!atomic_exchange(&feed->hungry, true)) tux_log_knock(feed->log);
            return;
        }
        memcpy(place, &first->record, first->record.bytes);
        commit(feed, first->record.bytes);
        feed->spilled_bytes -= first->record.bytes;
        feed->spilled = first->next;
        if (!feed->spilled) feed->spilled_tail = &feed->spilled;
        free(first);
    }
    feed->full = false;
}

void tux_log_note(struct tux_log_feed *feed, struct text head, const struct tux_log_facts *facts, u64 turn_ns)
{
    const struct tux_log_plan *plan = &feed->log->plan;
    struct tux_journal *j = &feed->journal;
    struct tux_log_found found;
    if (__builtin_expect(feed->spilled != NULL, 0)) tux_log_room(feed);
    bool pressed = feed->spilled || tux_journal_waiting(j) > (j->mask + 1) / 4;
    tux_log_find(plan, head, pressed ? TUX_LOG_SHORT_BYTES : TUX_LOG_VALUE_BYTES, &found);
    const struct tux_entry_of_log entry = {.bytes = found.bytes, .turn_ns = turn_ns, .facts = *facts};
    struct tux_entry_of_log *record = feed->spilled ? NULL : tux_journal_reserve(j, found.bytes);
    if (__builtin_expect(!record, 0)) {
        spill(feed, &found, &entry);
        return;
    }
    *record = entry;
    tux_log_fill(plan, &found, record);
    tux_log_count(&feed->noted, 1);
    commit(feed, found.bytes);
}
