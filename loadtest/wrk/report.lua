-- What meter.py reads: one line of JSON behind wrk's own report. Latencies are in microseconds. errors.status counts
-- answers above 399; that the others have the right body is checked by bench.py, by one answer and by all the bytes.
done = function(summary, latency)
  local errors = summary.errors
  print(string.format(
    'REPORT {"requests": %d, "bytes": %.0f, "duration_us": %d, "p50_us": %d, "p99_us": %d, "errors": %d}',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
