"""Tables from a result file: the only place where figures become text.

A ratio is the median over the rounds of (this server / the other in the same round), so that a slow minute of the
machine strikes both sides. Behind it stands half the distance of its lowest and highest round.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

_REFERENCE = "nginx"
_PROGRAMS = ("nginx", "h2o", "lighttpd", "wrk", "python")
Results = dict[str, Any]
Values = dict[int, float]


def render(results: Results) -> str:
    parts = [_head(results), "", "Server CPU in microseconds per request (ratio to nginx ± spread)"]
    parts.append(_grid(results, servers(results), _cpu_cell))
    real = [name for name in servers(results) if name not in results["probes"]]
    if len(real) < len(servers(results)):
        parts += ["", "The same as a ratio to the limit probe, the cheaper of its loops in each round"]
        parts.append(_grid(results, real, _limit_cell))
    alike = {**results, "scenarios": [name for name in results["scenarios"] if name in results.get("like", {})]}
    if alike["scenarios"]:
        parts += ["", "What that costs each of them: a ratio to its own figure for the same load without"]
        parts.append(_grid(alike, real, _like_cell))
    parts += ["", "Server and wrk together, microseconds of CPU per request (ratio to nginx ± spread)"]
    parts.append(_grid(results, servers(results), _both_cell))
    parts += ["", "Requests per second / 99th percentile of latency in ms / load of the server's processor"]
    parts.append(_grid(results, servers(results), _rate_cell))
    if results["facts"]:
        parts += ["", "At rest", _facts(results)]
    notes = [f"{name}: not measured: {why}" for name, why in results["missing"].items()]
    notes += _lost(results)
    return "\n".join([*parts, *([""] if notes else []), *notes]) + "\n"


def _head(results: Results) -> str:
    machine = results["machine"]
    kind = "virtual machine" if machine["virtual"] else "bare machine"
    processors = f"{machine['processor']}, {machine['processors']} processors ({kind})"
    programs = ", ".join(f"{name} {machine[name]}" for name in _PROGRAMS if machine.get(name))
    lines = [
        f"{machine['date']}, Linux {machine['kernel']}, {processors}, load {machine['load']} before it began",
        f"{programs}; server and wrk pinned apart",
        f"{results['rounds']} interleaved rounds of {results['seconds']} s, medians",
    ]
    if machine["irq_time_apart"]:
        lines.append("This kernel accounts soft interrupts apart: delivery to the client is not in the figures.")
    return "\n".join(lines)


# --- what was measured ---------------------------------------------------------------------------
def _lost(results: Results) -> list[str]:
    """One line for all rounds that were lost in the same way."""
    rounds: dict[tuple[str, str, str], list[str]] = {}
    for lost in results["lost"]:
        rounds.setdefault((lost["server"], lost["scenario"], lost["why"]), []).append(str(lost["round"] + 1))
    return [
        f"{server}, {scenario}, round {', '.join(numbers)}: not measured: {why}"
        for (server, scenario, why), numbers in rounds.items()
    ]


def servers(results: Results) -> list[str]:
    """Those of which there is a figure, in their order."""
    measured = {sample["server"] for sample in results["samples"]}
    return [name for name in results["servers"] if name in measured]


def _values(results: Results, scenario: str, server: str, field: str) -> Values:
    return {
        sample["round"]: sample[field]
        for sample in results["samples"]
        if sample["scenario"] == scenario and sample["server"] == server
    }


def _limits(results: Results, scenario: str) -> Values:
    """The limit of a round: the cheaper of the probe's two loops."""
    limits: Values = {}
    for probe in results["probes"]:
        for turn, value in _values(results, scenario, probe, "cpu_us").items():
            limits[turn] = min(value, limits.get(turn, value))
    return limits


def ratios(results: Results, scenario: str, server: str) -> list[float]:
    """What a request costs this server as a ratio to nginx, for each round that has both."""
    mine, other = (_values(results, scenario, name, "cpu_us") for name in (server, _REFERENCE))
    return _ratios(mine, other)


def _ratios(mine: Values, other: Values) -> list[float]:
    return [mine[turn] / other[turn] for turn in mine if other.get(turn)]


def _ratio(mine: Values, other: Values) -> str:
    """Median and spread over the rounds that have both; empty when there is none."""
    found = _ratios(mine, other)
    return f"{median(found):.2f} ±{(max(found) - min(found)) / 2:.2f}" if found else ""


# --- cells ---------------------------------------------------------------------------------------
def _cost_cell(results: Results, scenario: str, server: str, field: str) -> str:
    mine = _values(results, scenario, server, field)
    if not mine:
        return "-"
    ratio = _ratio(mine, _values(results, scenario, _REFERENCE, field)) if server != _REFERENCE else ""
    return _figure(median(mine.values())) + (f" ({ratio})" if ratio else "")


def _like_cell(results: Results, scenario: str, server: str) -> str:
    """What a setup costs a server, as a ratio to the same load without it."""
    mine, plain = (_values(results, name, server, "cpu_us") for name in (scenario, results["like"][scenario]))
    return _ratio(mine, plain) or "-"


def _cpu_cell(results: Results, scenario: str, server: str) -> str:
    return _cost_cell(results, scenario, server, "cpu_us")


def _both_cell(results: Results, scenario: str, server: str) -> str:
    return _cost_cell(results, scenario, server, "both_us")


def _limit_cell(results: Results, scenario: str, server: str) -> str:
    return _ratio(_values(results, scenario, server, "cpu_us"), _limits(results, scenario)) or "-"


def _rate_cell(results: Results, scenario: str, server: str) -> str:
    rate, tail, busy = (_values(results, scenario, server, field).values() for field in ("rate", "p99_us", "busy"))
    return f"{median(rate):,.0f} / {median(tail) / 1000:.2f} / {median(busy):.0%}" if rate else "-"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


# --- grids ---------------------------------------------------------------------------------------
def _grid(results: Results, servers: Sequence[str], cell: Callable[[Results, str, str], str]) -> str:
    rows = [["", *servers]]
    rows += [[scenario, *(cell(results, scenario, server) for server in servers)] for scenario in results["scenarios"]]
    return columns(rows)


def _facts(results: Results) -> str:
    facts = results["facts"]
    names = [name for name in results["servers"] if name in facts]
    lines = (
        ("first byte after exec, ms", "first_byte_ms", "{:.0f}"),
        ("resident memory, MB", "resident_mb", "{:.1f}"),
        ("private memory, MB", "private_mb", "{:.1f}"),
        ("private memory of an idle connection, KiB", "idle_kib", "{:.2f}"),
    )
    rows = [["", *names]]
    for title, field, form in lines:
        values = [facts[name].get(field) for name in names]
        rows.append([title, *("-" if value is None else form.format(value) for value in values)])
    return columns(rows)


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows of equal length under each other; the first `left` columns begin at the same place, the others end there."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


# --- the file ------------------------------------------------------------------------------------
def save(results: Results, file: Path) -> None:
    """One line for each sample, so that two result files can be compared by eye."""
    head = json.dumps({name: value for name, value in results.items() if name != "samples"}, indent=1)
    samples = ",\n".join("  " + json.dumps(sample) for sample in results["samples"])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'{head[:-2]},\n "samples": [\n{samples}\n ]\n}}\n')
