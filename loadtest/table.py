"""Tables from a result file: the only place where figures become text.

A ratio is the median over the rounds of (this server / nginx in the same round), so that a slow
minute of the machine strikes both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

_REFERENCE = "nginx"
Results = dict[str, Any]


def render(results: Results) -> str:
    machine = results["machine"]
    head = (
        f"{machine['date']}, Linux {machine['kernel']}, {machine['processor']}; "
        f"one processor for the server, one for wrk; {results['rounds']} rounds of {results['seconds']} s, medians"
    )
    parts = [head, "", "Server CPU in microseconds per request (ratio to nginx)", _cpu(results)]
    parts += ["", "Requests per second, and 99th percentile of latency in ms", _rates(results)]
    if results["facts"]:
        parts += ["", "At rest", _facts(results)]
    parts += [f"{name}: not measured: {why}" for name, why in results["missing"].items()]
    parts += [f"{name}: {count} failed requests" for name, count in _errors(results).items()]
    return "\n".join(parts) + "\n"


def _servers(results: Results) -> list[str]:
    measured = {sample["server"] for sample in results["samples"]}
    return [name for name in results["servers"] if name in measured]


def _values(results: Results, scenario: str, server: str, field: str) -> dict[int, float]:
    return {
        sample["round"]: sample[field]
        for sample in results["samples"]
        if sample["scenario"] == scenario and sample["server"] == server
    }


def _cpu(results: Results) -> str:
    servers = _servers(results)
    rows = [["", *servers]]
    for scenario in results["scenarios"]:
        reference = _values(results, scenario, _REFERENCE, "cpu_us")
        row = [scenario]
        for server in servers:
            mine = _values(results, scenario, server, "cpu_us")
            ratios = [mine[n] / reference[n] for n in mine if reference.get(n)]
            cell = _figure(median(mine.values())) if mine else "-"
            beside = f" ({median(ratios):.2f})" if ratios and server != _REFERENCE else ""
            row.append(cell + beside)
        rows.append(row)
    return _columns(rows)


def _rates(results: Results) -> str:
    servers = _servers(results)
    rows = [["", *servers]]
    for scenario in results["scenarios"]:
        row = [scenario]
        for server in servers:
            rates = _values(results, scenario, server, "rate").values()
            tails = _values(results, scenario, server, "p99_us").values()
            row.append(f"{median(rates):,.0f} / {median(tails) / 1000:.2f}" if rates else "-")
        rows.append(row)
    return _columns(rows)


def _facts(results: Results) -> str:
    facts = results["facts"]
    names = [name for name in results["servers"] if name in facts]
    lines = (
        ("first byte after exec, ms", "first_byte_ms", "{:.0f}"),
        ("resident memory at rest, MB", "rss_mb", "{:.1f}"),
        ("private memory of an idle connection, KiB", "idle_kib", "{:.2f}"),
    )
    rows = [["", *names]]
    for title, field, form in lines:
        values = [facts[name].get(field) for name in names]
        rows.append([title, *("-" if value is None else form.format(value) for value in values)])
    return _columns(rows)


def _errors(results: Results) -> dict[str, int]:
    errors: dict[str, int] = {}
    for sample in results["samples"]:
        if sample["errors"]:
            name = f"{sample['server']}, {sample['scenario']}"
            errors[name] = errors.get(name, 0) + sample["errors"]
    return errors


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
