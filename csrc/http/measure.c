/* measure.c: the rarer half of measuring. */
#include "http/measure.h"

static void count(struct tux_engine *e, u64 ns, u32 responses)
{
    u64 us = ns / 1000u, scaled = us >> TUX_TOOK_SHIFT;
    u32 bucket = scaled == 0 ? 0 : 64u - (u32)__builtin_clzll(scaled);
    if (bucket >= TUX_TOOK_BUCKETS) bucket = TUX_TOOK_BUCKETS - 1;
    tux_metric_add(&e->metrics.took[bucket], responses);
    tux_metric_add(&e->metrics.took_us, (i64)(us * responses));
}

void tux_measure_turn(struct tux_engine *e)
{
    if (e->http->ended_now == 0) return;
    count(e, tux_now_ns() - e->turn_ns, e->http->ended_now);
    e->http->ended_now = 0;
}

void tux_measure_late(struct tux_engine *e, u64 began_ns)
{
    if (began_ns != 0) count(e, tux_now_ns() - began_ns, 1); /* 0: no decide has begun it */
}

void tux_measure_sample(struct tux_engine *e, const struct tux_request *request)
{
    struct tux_sample sample = {.bytes = 0};
    if (tux_ring_full(&e->http->samples)) return; /* nobody is curious, or not often enough */
    e->http->sample_ms = e->stage.now_ms + TUX_SAMPLE_MS;
    u64 most = tux_min_u64(sizeof sample.line, request->head_bytes);
    while (sample.bytes < most && request->head[sample.bytes] >= ' ') {
        sample.line[sample.bytes] = request->head[sample.bytes];
        sample.bytes++;
    }
    tux_ring_put(&e->http->samples, &sample);
}
