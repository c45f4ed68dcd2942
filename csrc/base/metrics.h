/* metrics.h: counters, always on. Only the engine's thread writes them; any thread reads them. */
#ifndef TUX_METRICS_H
#define TUX_METRICS_H

#include "base/base.h"

#define TUX_STATUS_CLASSES 6
#define TUX_LIMIT_KINDS 3 /* enum tux_limit */
#define TUX_WAIT_KINDS 11 /* enum tux_wait */
/* Bucket i counts durations below 2^(i + 3) microseconds, the last one all longer ones, from 16.8 seconds on. */
#define TUX_TOOK_BUCKETS 23
#define TUX_TOOK_SHIFT 3

struct tux_metrics {
#define METRIC(name, kind, help) _Atomic u64 name;
#define METRICS(name, count, kind, help) _Atomic u64 name[count];
#include "base/metrics.def"
#undef METRIC
#undef METRICS
};

/* One writer, so a relaxed load and store will do: no locked instruction on the hot path. */
static inline void tux_metric_add(_Atomic u64 *metric, i64 n)
{
    u64 value = atomic_load_explicit(metric, memory_order_relaxed);
    atomic_store_explicit(metric, value + (u64)n, memory_order_relaxed);
}

#endif
