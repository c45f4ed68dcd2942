-- What meter.py reads: one line of JSON behind wrk's own report. Latencies are in microseconds.
done = function(summary, latency)
  local errors = summary.errors
  print(string.format(
    'REPORT {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "errors": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
