"""Write conf/grafana-dashboard.json, a dashboard for the metrics of tuxpy/admin/families.py; with --check only compare.

Import it into Grafana, and choose the data source (Prometheus) and the instances there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).with_name("grafana-dashboard.json")
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 24
_MINE: Final = '{instance=~"$instance"}'


@dataclass(frozen=True)
class Panel:
    """A panel: {} in an expression stands for the instances that were chosen; what is queried, and how it is called."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    help: str = ""
    stacked: bool = False
    kind: str = "timeseries"


def _rate(name: str, by: str = "") -> str:
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({name}{{}}[$__rate_interval]))"


def _quantile(share: float, name: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({name}_bucket{{}}[$__rate_interval])))"


_HITS = _rate("tuxpy_hits_total")
PANELS: Final = (
    Panel("Up since", "dateTimeFromNow", (("min(tuxpy_start_time_seconds{}) * 1000", "start"),), kind="stat"),
    Panel("Draining", "short", (("sum(tuxpy_draining{})", "instances"),), kind="stat"),
    Panel("Version", "short", (("count by (version, backend) (tuxpy_build_info{})", "{{version}} {{backend}}"),),
          kind="stat"),
    Panel("Responses", "reqps", ((_rate("tuxpy_requests_total", "class"), "{{class}}"),), stacked=True),
    Panel("Time to answer", "s", (
        (_quantile(0.5, "tuxpy_response_duration_seconds"), "half"),
        (_quantile(0.9, "tuxpy_response_duration_seconds"), "90 %"),
        (_quantile(0.99, "tuxpy_response_duration_seconds"), "99 %"),
    ), help="From a whole head to the end of its response. A large file takes as long as its client needs."),
    Panel("Answered from the cache", "percentunit", (
        (f"{_HITS} / ({_HITS} + {_rate('tuxpy_judged_total')})", "hits"),
    )),
    Panel("Sent", "Bps", ((_rate("tuxpy_sent_bytes_total"), "bytes"),)),
    Panel("Connections by what they wait for", "short", (("sum by (state) (tuxpy_connections{})", "{{state}}"),),
          stacked=True),
    Panel("Share of connection slots in use", "percentunit", (
        ("sum(tuxpy_connections{}) / sum(tuxpy_connections_max{})", "in use"),
    ), help="At 100 % whoever comes next waits in the kernel."),
    Panel("The judge is busy", "percentunit", (
        ("rate(tuxpy_judge_duration_seconds_sum{}[$__rate_interval])", "{{instance}}"),
    ), help="One thread judges what the engines have not seen."),
    Panel("Time of a judgement", "s", (
        (_quantile(0.5, "tuxpy_judge_duration_seconds"), "half"),
        (_quantile(0.99, "tuxpy_judge_duration_seconds"), "99 %"),
    )),
    Panel("Waiting", "short", (
        ("sum(tuxpy_judge_queue{})", "for the judge"),
        ("sum(tuxpy_errands_pending{})", "errands"),
        ("sum(tuxpy_cachemiss_queue{})", "for a cachemiss worker"),
        ("sum(tuxpy_cachemiss_busy_workers{})", "workers at work"),
    )),
    Panel("Requests that are no hits", "reqps", (
        (_rate("tuxpy_judged_total"), "judged"),
        (_rate("tuxpy_joined_total"), "joined"),
        (_rate("tuxpy_keyless_total"), "without a key"),
        (_rate("tuxpy_cold_reads_total"), "cold reads"),
    )),
    Panel("Cache", "short", (
        ("sum(tuxpy_cache_entries{})", "entries"),
        (_rate("tuxpy_cache_evictions_total"), "evictions a second"),
        (_rate("tuxpy_cache_passed_over_total"), "passed over a second"),
        (_rate("tuxpy_cache_stale_total"), "stale a second"),
    )),
    Panel("Memory", "bytes", (
        ("sum(tuxpy_cache_bytes{})", "cache"),
        ("sum(process_resident_memory_bytes{})", "process"),
    )),
    Panel("Trouble", "short", (
        (_rate("tuxpy_timeouts_total", "kind"), "timeouts: {{kind}}"),
        (_rate("tuxpy_failed_responses_total"), "cut short"),
        (_rate("tuxpy_accept_errors_total"), "accept errors"),
    ), help="A second."),
    Panel("Requests by engine", "reqps", ((_rate("tuxpy_engine_requests_total", "engine"), "engine {{engine}}"),)),
    Panel("Reloads and rules", "short", (
        ("sum by (result) (increase(tuxpy_reloads_total{}[$__rate_interval]))", "{{result}}"),
        ("sum(tuxpy_rules_problems{})", "problems"),
        ("min(tuxpy_last_reload_successful{})", "the last one was good"),
    )),
)  # fmt: skip


def dashboard() -> dict[str, object]:
    return {
        "title": "tuxpy",
        "uid": "tuxpy",
        "tags": ["tuxpy"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": list(_variables())},
        "panels": list(_panels()),
    }


def _variables() -> Iterator[dict[str, object]]:
    yield {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}
    yield {
        "name": "instance", "label": "Instance", "type": "query", "datasource": _source(), "refresh": 2,
        "query": "label_values(tuxpy_build_info, instance)", "multi": True, "includeAll": True, "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def _source() -> dict[str, str]:
    return {"type": "prometheus", "uid": "${source}"}


def _panels() -> Iterator[dict[str, object]]:
    x = y = 0
    for number, panel in enumerate(PANELS, 1):
        height = 4 if panel.kind == "stat" else _HEIGHT
        yield _panel(panel, number, {"x": x, "y": y, "w": _WIDTH, "h": height})
        x += _WIDTH
        if x == _COLUMNS:
            x, y = 0, y + height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, object]:
    custom: dict[str, object] = {"fillOpacity": 10, "showPoints": "never"}
    if panel.stacked:
        custom |= {"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}}
    made: dict[str, object] = {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "datasource": _source(),
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "targets": [_query(place, *query) for place, query in enumerate(panel.queries)],
    }
    if panel.kind == "stat":
        made["fieldConfig"] = {"defaults": {"unit": panel.unit}, "overrides": []}
        made["options"] = {"textMode": "name" if panel.title == "Version" else "value", "colorMode": "none"}
    return made | ({"description": panel.help} if panel.help else {})


def _query(place: int, text: str, name: str) -> dict[str, object]:
    expression = text.replace("{}", _MINE)
    return {"refId": chr(ord("A") + place), "datasource": _source(), "expr": expression, "legendFormat": name}


def written() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(TARGET.read_text(encoding="utf-8") != written())
    TARGET.write_text(written(), encoding="utf-8")
