/* decide.c: chooses the response to a head: that of the same head before, one of the cache, or the judge's.
 *
 * C compares. Range, in its strict form, is the only value that it interprets: a decision for one range of a file holds
 * for every other (range.h, ranged.h). */
#include "http/decide.h"

#include "http/epoch.h"
#include "http/freshness.h"
#include "http/guard.h"
#include "log/logplan.h"
#include "http/measure.h"
#include "http/ranged.h"

static i64 choose(struct tux_engine *e, struct tux_request *request, struct tux_response *r)
{
    tux_metric_add(&e->metrics.hits, 1);
    tux_measure_hit(e, request);
    request->source = TUX_SOURCE_KEPT;
    request->chosen = r;
    r->refs++;
    return r->status;
}

/* A head, and everything else on which an answer to it may depend. */
struct asked {
    const u8 *head;
    size_t head_bytes;
    u64 line;
    u32 class_number;
    bool last;
};

static struct asked asked_by(const struct tux_engine *e, const struct tux_request *request)
{
    bool last = tux_guard_is_last(e, request);
    return (struct asked){request->head, request->head_bytes, request->conn->line, request->class_number, last};
}

/* The key in e->http->key, 0 when the head has none: line, class of address and whether it is the last request, then
 * what tux_head_key makes. `range` becomes the place of the value of Range in it, as there. */
static size_t key_of(struct tux_engine *e, const struct asked *asked, struct tux_spot *range)
{
    const u32 manner = asked->class_number << 1 | asked->last;
    struct tux_http *h = e->http;
    memcpy(h->key, &asked->line, sizeof asked->line);
    memcpy(h->key + sizeof asked->line, &manner, sizeof manner);
    size_t bytes = tux_head_key(asked->head, asked->head_bytes, &h->significant, h->key + TUX_KEY_PREFIX, range);
    range->at += TUX_KEY_PREFIX;
    return bytes ? bytes + TUX_KEY_PREFIX : 0;
}

/* If the head whose key of `bytes` lies in `key` of the engine's HTTP asks for a range in the strict form, and by the
 * only method that has ranges: what it asks for, and there the key of any range. Its bytes, else 0 and nothing is
 * changed. */
static size_t key_of_any_range(struct tux_engine *e, size_t bytes, struct tux_spot place, struct tux_range *range)
{
    static const char get[] = "GET ";
    const u8 *line = e->http->key + TUX_KEY_PREFIX;
    if (place.bytes == 0 || memcmp(line, get, sizeof get - 1) != 0) return 0;
    if (!tux_range_read(e->http->key + place.at, place.bytes, range)) return 0;
    return tux_range_hide(e->http->key, bytes, place.at, place.bytes);
}

/* Ask the judge. If the same request is already being judged, wait for that answer and look it up. Do this once: an
 * uncacheable answer is never found. `hash` of the key, 0 without a key. */
static i64 ask_judge(struct tux_engine *e, struct tux_run *run, u64 hash)
{
    struct tux_request *request = run->request;
    if (tux_request_pin_head(request) != 0) return -ENOMEM;
    struct tux_pending *p = &e->http->pending[hash % TUX_PENDING];
    bool may_join = hash != 0 && run->woken_for != TUX_WAIT_DECISION;
    run->wait = TUX_WAIT_DECISION;
    if (may_join && p->slot != TUX_NONE32 && p->hash == hash) {
        tux_list_add(e, &p->joined, run);
        tux_metric_add(&e->metrics.joined, 1);
        return TUX_AGAIN;
    }
    if (may_join && p->slot == TUX_NONE32)
        *p = (struct tux_pending){.hash = hash, .slot = run->slot, .joined = tux_no_runs()};
    tux_metric_add(&e->metrics.judged, 1);
    request->asked = true;
    request->asked_leaving = tux_guard_is_last(e, request);
    request->asked_rules = e->http->rules.number;
    request->asked_ms = e->stage.now_ms;
    u32 flags = request->miss_flags | (request->asked_leaving ? TUX_MISS_LEAVING : 0u);
    struct tux_miss miss = {.class_number = request->class_number, .rules = request->asked_rules,
                            .slot = run->slot, .generation = run->generation, .line = request->conn->line,
                            .flags = flags, .head = request->head, .head_bytes = request->head_bytes,
                            .fd = request->conn->fd, .client = tux_guard_asker(e, request)};
    tux_ring_put(&e->http->misses, &miss);
    e->notify = true;
    return TUX_AGAIN;
}

/* The answer for a slice, by the decision for any range. Its bytes are made here, perhaps with a copy of the file's, so
 * the file's facts are compared after that. 0 when the file has changed. */
static i64 choose_slice(struct tux_engine *e, struct tux_run *run, struct tux_response *r,
                        const struct tux_slice *slice)
{
    enum tux_fresh fresh = tux_freshness(e, run, r);
    if (fresh != TUX_FRESH_USE) return fresh == TUX_FRESH_WAIT ? TUX_AGAIN : 0;
    if (tux_freshness_settles(e, run, r)) return TUX_AGAIN;
    struct tux_blob *blob = tux_ranged_blob(r, slice, e->http->date, &e->metrics);
    if (!blob) return -ENOMEM;
    if (!tux_freshness_current(e, r)) {
        tux_blob_drop(blob, &e->metrics);
        return 0;
    }
    struct tux_request *request = run->request;
    request->ranged = true;
    request->slice = *slice;
    request->blob = blob;
    tux_metric_add(&e->metrics.ranged, 1);
    return choose(e, request, r);
}

/* By the key in e->http->key. A range in the strict form is first looked up as any range; while that is judged, runs
 * wait for it, whichever range they need. If the any-range decision does not apply (no such part, a file sent whole, or
 * no file), use the ordinary key, with the range. */
static i64 decide_by_key(struct tux_engine *e, struct tux_run *run, size_t key_bytes, struct tux_spot place)
{
    struct tux_request *request = run->request;
    struct tux_range range;
    struct tux_slice slice;
    u64 any_hash = 0;
    size_t any_bytes = key_of_any_range(e, key_bytes, place, &range);
    if (any_bytes > 0) {
        any_hash = tux_decision_hash(&e->http->decisions, e->http->key, any_bytes);
        struct tux_response *r = tux_decision_find(&e->http->decisions, any_hash, e->http->key, any_bytes);
        if (r && tux_range_cut(&range, r->file_size, &slice)) {
            i64 status = choose_slice(e, run, r, &slice);
            return status != 0 ? status : ask_judge(e, run, any_hash);
        }
        if (r) any_hash = 0;
        const struct asked asked = asked_by(e, request);
        key_bytes = key_of(e, &asked, &place);
    }
    u64 hash = tux_decision_hash(&e->http->decisions, e->http->key, key_bytes);
    struct tux_response *r = tux_decision_find(&e->http->decisions, hash, e->http->key, key_bytes);
    enum tux_fresh fresh = r ? tux_freshness(e, run, r) : TUX_FRESH_DEAD;
    if (fresh == TUX_FRESH_WAIT) return TUX_AGAIN;
    if (fresh == TUX_FRESH_DEAD) return ask_judge(e, run, any_hash ? any_hash : hash);
    tux_request_remember(request, r, &e->metrics);
    return choose(e, request, r);
}

i64 tux_decide(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)atom;
    struct tux_engine *e = tux_engine_of(stage);
    struct tux_request *request = run->request;
    struct tux_conn *conn = request->conn;
    i64 landed;
    if (tux_take_landed(run, &landed)) return landed; /* the judge has chosen */
    if (request->chosen) return request->chosen->status; /* decided already */
    if (request->began_ms == 0) request->began_ms = e->stage.now_ms;
    tux_measure_begin(e, request);
    if (!request->head) return tux_fault(run);
    if (__builtin_expect(tux_guard_looks(conn), 0)) {
        i64 refused = tux_guard_request(e, request);
        if (refused >= 0) return refused;
    }
    request->class_number = conn->class_number;
    if (request->miss_flags) return ask_judge(e, run, 0);
    struct tux_response *r = conn->repeat;
    if (r && !r->dead && r->generation == e->http->decisions.generation && conn->repeat_bytes == request->head_bytes &&
        memcmp(conn->repeat_head, request->head, request->head_bytes) == 0) {
        enum tux_fresh fresh = tux_freshness(e, run, r);
        if (fresh == TUX_FRESH_WAIT) return TUX_AGAIN;
        if (fresh == TUX_FRESH_USE) {
            tux_metric_add(&e->metrics.repeats, 1);
            i64 status = choose(e, request, r);
            request->source = TUX_SOURCE_REPEAT;
            return status;
        }
    }
    struct tux_spot place;
    if (conn->forwards) tux_guard_forwarded(e, request);
    const struct asked asked = asked_by(e, request);
    size_t key_bytes = key_of(e, &asked, &place);
    if (key_bytes > 0) return decide_by_key(e, run, key_bytes, place);
    tux_metric_add(&e->metrics.keyless, 1);
    return ask_judge(e, run, 0);
}

/* Wake the runs that wait for the same judgement. Each looks up the cache, and asks the judge if the answer was not
 * kept. */
void tux_decide_release_joined(struct tux_engine *e, u32 slot)
{
    for (u32 i = 0; i < TUX_PENDING; i++) {
        struct tux_pending *p = &e->http->pending[i];
        if (p->slot == TUX_NONE32 || (slot != TUX_NONE32 && p->slot != slot)) continue;
        struct tux_run_list joined = p->joined;
        p->slot = TUX_NONE32;
        for (struct tux_run *run; (run = tux_list_take(e, &joined)) != NULL;) tux_wake(e, run);
        if (slot != TUX_NONE32) return;
    }
}

/* Keep the response under its key; one for any range under the any-range key. If the range was requested in a form that
 * only Python understands, it is not kept. */
static void keep_answer(struct tux_engine *e, const struct asked *asked, struct tux_response *r)
{
    struct tux_spot place;
    struct tux_range range;
    size_t key_bytes = key_of(e, asked, &place);
    if (key_bytes > 0 && r->ranged.is) key_bytes = key_of_any_range(e, key_bytes, place, &range);
    if (key_bytes == 0) return;
    u64 hash = tux_decision_hash(&e->http->decisions, e->http->key, key_bytes);
    tux_decision_keep(&e->http->decisions, hash, e->http->key, key_bytes, r);
}

static void take_answer(struct tux_engine *e, struct tux_answer *answer)
{
    struct tux_run *run = &e->runs[answer->slot];
    struct tux_request *request = run->request;
    struct tux_response *r = answer->response;
    TUX_ASSERT(request->asked && run->generation == answer->generation); /* a run that has asked does not end */
    request->asked = false;
    tux_epoch_answered(e, request);
    bool same_rules = request->asked_rules == e->http->rules.number;
    bool holds = same_rules && request->asked_leaving == tux_guard_is_last(e, request);
    if (r) {
        tux_metric_add(&e->metrics.responses, 1);
        tux_metric_add(&e->metrics.blobs, 1);
        if (r->far) r->pool = e->pool;
        r->checked_ms = request->asked_ms;
        const struct asked asked = asked_by(e, request);
        if (holds && r->cacheable && !request->miss_flags) keep_answer(e, &asked, r);
    }
    tux_decide_release_joined(e, run->slot);
    request->chosen = r; /* with the reference it came with */
    request->source = TUX_SOURCE_JUDGED;
    i64 status = r ? r->status : tux_guard_unjudged(e, request);
    tux_land(run, status > 0 ? status : -EIO);
    tux_wake(e, run);
}

void tux_decide_preload(struct tux_engine *e, struct tux_preload *p)
{
    struct tux_response *r = p->response;
    struct asked asked = {.line = p->line, .class_number = p->class_number};
    p->response = NULL; /* ours */
    if (r->far) r->pool = e->pool;
    tux_metric_add(&e->metrics.responses, 1);
    tux_metric_add(&e->metrics.blobs, 1);
    bool keep = p->rules == e->http->rules.number && r->cacheable;
    for (size_t at = 0; keep && at < p->heads_bytes; at += asked.head_bytes) {
        asked.head = p->heads + at;
        asked.head_bytes = tux_head_end(asked.head, p->heads_bytes - at, 0);
        if (asked.head_bytes == 0) break;
        keep_answer(e, &asked, r);
        tux_metric_add(&e->metrics.preloaded, 1);
    }
    tux_response_drop(r, &e->metrics);
}

void tux_decide_answers(struct tux_engine *e)
{
    struct tux_answer answers[32];
    for (u32 n; (n = tux_ring_take(&e->http->answers, answers, TUX_COUNT(answers))) > 0;)
        for (u32 i = 0; i < n; i++) take_answer(e, &answers[i]);
}
