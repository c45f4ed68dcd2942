"""Metrics: names by the conventions, both formats, and a dashboard that asks for nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from tuxpy.admin.families import Family, Histogram, families, sample_names
from tuxpy.admin.openmetrics import Exposition
from tuxpy.admin.snapshot import EngineFigures, Reloads
from tuxpy.model import Serve

from .test_admin import ZERO, decide, snapshot

CONF = Path(__file__).resolve().parents[3] / "conf"
DASHBOARD = CONF / "grafana-dashboard.json"
ALL = families(snapshot())


@pytest.mark.parametrize("family", ALL, ids=lambda one: one.name)
def test_a_name_follows_the_conventions(family: Family) -> None:
    assert re.fullmatch(r"tuxpy(_[a-z]+)+", family.name)
    assert not family.name.endswith(("_total", "_info", "_count", "_sum", "_bucket"))
    assert family.unit == "" or family.name.endswith(f"_{family.unit}")
    assert family.unit or not family.name.endswith(("_seconds", "_bytes"))
    assert family.help.endswith(".")
    labels = [tuple(label) for label, _ in family.samples]
    assert len(set(labels)) == len(labels) and family.samples


def test_every_counter_of_an_engine_is_told_or_left_out_on_purpose() -> None:
    """Each is given a value of its own, and that value must turn up."""
    # They are for those who look into the engine.
    left_out = {"steps", "submitted", "visits", "visit_steps", "bursts", "responses", "blobs"}
    for name in ZERO:
        if name.rpartition("_")[2].isdigit() or name in left_out:
            continue
        changed = families(snapshot(engines=(EngineFigures({**ZERO, name: 12_345_678}, 1, 1),)))
        plain = families(snapshot(engines=(EngineFigures(ZERO, 1, 1),)))
        assert changed != plain, f"{name} is told by no metric"


def values(text: str, reader: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in reader(text)
        for sample in family.samples
        if sample.name.startswith("tuxpy_")
    }


@pytest.mark.parametrize(
    ("accept", "media_type", "reader"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8", read_text),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8", read_text),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
         "application/openmetrics-text; version=1.0.0", read_openmetrics),
    ],
)  # fmt: skip
def test_the_format_is_what_was_asked_for(accept: str, media_type: str, reader: Any) -> None:
    decision = decide("/metrics", accept=accept)
    assert isinstance(decision, Serve)
    fields = dict(decision.fields)
    assert fields[b"Content-Type"].decode().startswith(media_type) and fields[b"Vary"] == b"Accept"
    found = values(decision.content.decode(), reader)
    assert found["tuxpy_requests_total", (("class", "2xx"),)] == 190
    assert found["tuxpy_hits_total", (("kind", "kept"),)] == 60
    assert found["tuxpy_hits_total", (("kind", "repeat"),)] == 120
    assert found["tuxpy_connections", (("state", "input"),)] == 8
    assert found["tuxpy_engine_requests_total", (("engine", "1"),)] == 0
    assert found["tuxpy_start_time_seconds", ()] == 100.0
    assert found["tuxpy_rules_problems", ()] == 1
    names = set().union(*map(sample_names, ALL))
    assert {name for name, _ in found if not name.endswith("_created")} == names


def test_histograms_are_cumulative() -> None:
    (took,) = (family for family in ALL if family.name == "tuxpy_response_duration_seconds")
    ((_, histogram),) = took.samples
    assert isinstance(histogram, Histogram) and histogram.total == 0.018
    text, _ = Exposition().write([took], "")
    found = values(text.decode(), read_text)
    buckets = {labels[0][1]: value for (name, labels), value in found.items() if name.endswith("_bucket")}
    assert (buckets["6.4e-05"], buckets["0.000128"], buckets["16.777216"], buckets["+Inf"]) == (0, 200, 200, 200)
    assert found["tuxpy_response_duration_seconds_count", ()] == 200


def test_the_access_log_is_told_where_there_is_one() -> None:
    state = {"lines": 5, "lost": 2, "failed_writes": 1, "error": 28}
    text = Exposition().write(families(snapshot(access_log=state)), "")[0].decode()
    assert values(text, read_text)["tuxpy_log_lost_lines_total", ()] == 2
    assert "tuxpy_log" not in Exposition().write(ALL, "")[0].decode()


def test_reloads_and_states() -> None:
    refused = snapshot(state="draining", reloads=Reloads().noted(500.0, "line 3: no"))
    found = values(Exposition().write(families(refused), "")[0].decode(), read_text)
    assert (found["tuxpy_draining", ()], found["tuxpy_last_reload_successful", ()]) == (1, 0)
    assert found["tuxpy_last_reload_time_seconds", ()] == 500.0
    assert found["tuxpy_reloads_total", (("result", "refused"),)] == 1


# The dashboard.


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key in ("expr", "query") and isinstance(value, str))
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def test_the_dashboard_is_the_one_of_its_generator() -> None:
    done = subprocess.run([sys.executable, str(CONF / "grafana_gen.py"), "--check"], check=False)
    assert done.returncode == 0, "run python conf/grafana_gen.py"


def test_every_metric_of_the_dashboard_exists() -> None:
    there = set().union(*map(sample_names, ALL)) | {"process_resident_memory_bytes"}
    asked = {name for text in expressions(json.loads(DASHBOARD.read_text())) for name in
             re.findall(r"\b(?:tuxpy|process)_[a-z_]+", text)}  # fmt: skip
    assert asked and asked <= there, asked - there
    labels = {label for family in ALL for labels, _ in family.samples for label, _ in labels} | {"instance", "le"}
    for text in expressions(json.loads(DASHBOARD.read_text())):
        for group in re.findall(r"\bby \(([^)]*)\)", text):
            assert {word.strip() for word in group.split(",")} <= labels, text


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken and place["x"] + place["w"] <= 24
        taken |= cells
