/* floor 0 · metrics.h: counters, always on. Written by the engine's thread alone, read by anybody. */
#ifndef TUX_METRICS_H
#define TUX_METRICS_H

#include "base.h"

struct tux_metrics {
#define METRIC(name, kind, help) _Atomic u64 name;
#include "metrics.def"
#undef METRIC
};

/* One writer, so a relaxed load and store will do: no locked instruction on the hot path. */
static inline void tux_metric_add(_Atomic u64 *metric, i64 n)
{
    u64 value = atomic_load_explicit(metric, memory_order_relaxed);
    atomic_store_explicit(metric, value + (u64)n, memory_order_relaxed);
}

#endif
