/* measure.h: what is learned of requests while they are served: how long they take, how they end, which are
 * asked for, and where runs are parked.
 *
 * A hit pays for a few additions. The clock is read once a turn, and once for every eight requests that begin and end
 * in the same turn: their time is known to within what those eight take. */
#ifndef TUX_MEASURE_H
#define TUX_MEASURE_H

#include "http/http.h"

#define TUX_SAMPLE_MS 10 /* a hundred hits a second are looked at, however many there are */
#define TUX_SAMPLES 256
#define TUX_CLOCK_SHARED 8

/* The responses that have ended in the turn in which they began, since the clock was last read. */
void tux_measure_turn(struct tux_engine *e);
/* One that began in an earlier turn. */
void tux_measure_late(struct tux_engine *e, u64 began_ns);
/* The first line of the head at hand, for whoever wants to know what is asked for. */
void tux_measure_sample(struct tux_engine *e, const struct tux_request *request);

/* A head is there. */
static inline void tux_measure_begin(const struct tux_engine *e, struct tux_request *request)
{
    if (request->began_ns == 0) request->began_ns = e->turn_ns;
}

/* It is answered from the cache. */
static inline void tux_measure_hit(struct tux_engine *e, const struct tux_request *request)
{
    if (__builtin_expect(e->stage.now_ms >= e->http->sample_ms, 0)) tux_measure_sample(e, request);
}

/* Its response has ended. */
static inline void tux_measure_end(struct tux_engine *e, const struct tux_request *request)
{
    u32 class = request->chosen->status / 100u;
    tux_metric_add(&e->metrics.statuses[class < TUX_STATUS_CLASSES ? class : 0], 1);
    if (__builtin_expect(request->began_ns != e->turn_ns, 0)) tux_measure_late(e, request->began_ns);
    else if (++e->http->ended_now == TUX_CLOCK_SHARED) tux_measure_turn(e);
}

/* An atom of a response was tried: `got` is its result, `before` how far it was. */
static inline void tux_measure_sent(struct tux_engine *e, const struct tux_run *run, u64 before, i64 got)
{
    u64 after = got >= 0 ? (u64)got : run->progress;
    if (after > before) tux_metric_add(&e->metrics.sent_bytes, (i64)(after - before));
}

#endif
