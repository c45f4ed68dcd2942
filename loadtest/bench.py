"""Server CPU per request of tuxpy beside nginx and the limit probe. README.md has the method.

python loadtest/bench.py [--quick] [--rounds N] [--seconds S] [--only WORD] [--out FILE]
python loadtest/bench.py --render FILE
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import meter
from contenders import (
    CONTENDERS,
    Contender,
    Running,
    Unavailable,
    build_probe,
    job_for,
    provide,
    start,
)
from table import Results, render

_IDLE_CONNECTIONS = 1000
_STARTS = 5
_WARM_UP_S = 1


@dataclass(frozen=True)
class Scenario:
    name: str
    body: int
    connections: int
    script: str = "report.lua"
    close: bool = False
    quick: bool = True

    @property
    def path(self) -> str:
        return f"/{self.body}.bin"


SCENARIOS = (
    Scenario("keep-alive 1 KiB", 1024, 64),
    Scenario("browser-like heads 1 KiB", 1024, 64, script="browser.lua"),
    Scenario("keep-alive 16 KiB", 16 << 10, 64),
    Scenario("keep-alive 100 KiB", 100 << 10, 32, quick=False),
    Scenario("keep-alive 1 MiB", 1 << 20, 16),
    Scenario("connection per request 1 KiB", 1024, 64, close=True),
)


@dataclass(frozen=True)
class Bench:
    """One measurement: where its files are, how long it runs, and what it is told as it goes."""

    work: Path
    scenarios: Sequence[Scenario]
    rounds: int
    seconds: int
    server_cpu: int
    client_cpu: int
    samples: list[dict[str, Any]]
    missing: dict[str, str]
    facts: dict[str, dict[str, float]]

    @property
    def root(self) -> Path:
        return self.work / "www"


def _make_site(root: Path) -> None:
    root.mkdir()
    generator = random.Random(1)
    for body in {scenario.body for scenario in SCENARIOS}:
        (root / f"{body}.bin").write_bytes(generator.randbytes(body))


def _measure(
    bench: Bench, contender: Contender, running: Running, scenario: Scenario, turn: int
) -> None:
    url = f"http://{meter.HOST}:{running.port}{scenario.path}"
    load = (scenario.connections, scenario.script, scenario.close, bench.client_cpu)
    if turn == 0 or contender.per_scenario:
        meter.wrk(url, _WARM_UP_S, *load)
    before = meter.cpu_seconds(running.pid)
    seen = meter.wrk(url, bench.seconds, *load)
    spent = meter.cpu_seconds(running.pid) - before
    bench.samples.append(
        {
            "scenario": scenario.name,
            "server": contender.name,
            "round": turn,
            "cpu_us": spent * 1e6 / max(1, seen.requests),
            "rate": seen.requests * 1e6 / seen.duration_us,
            "requests": seen.requests,
            "p50_us": seen.p50_us,
            "p99_us": seen.p99_us,
            "errors": seen.errors,
        }
    )


def _facts_of(bench: Bench, contender: Contender) -> None:
    """Start time (median of some starts), memory at rest, memory of an idle connection."""
    path = bench.scenarios[0].path
    starts: list[float] = []
    facts = bench.facts.setdefault(contender.name, {})
    for number in range(_STARTS):
        job = job_for(contender, bench.root, bench.work / "runs", 1024, False)
        with start(contender, job, path, bench.server_cpu) as running:
            starts.append(running.first_byte_ms)
            if number < _STARTS - 1:
                continue
            time.sleep(0.3)
            facts["rss_mb"] = meter.memory_kib(running.pid, "Rss") * 1024 / 1e6
            try:
                facts["idle_kib"] = _idle_kib(running, path)
            except OSError as error:
                bench.missing[f"{contender.name}, idle connections"] = str(error)
    facts["first_byte_ms"] = statistics.median(starts)


def _idle_kib(running: Running, path: str) -> float:
    return meter.idle_connection_kib(running.pid, running.port, path, _IDLE_CONNECTIONS)


def _rounds(bench: Bench) -> None:
    """Every round measures every scenario on every server, each time in another order."""
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for contender in CONTENDERS:
            if contender.per_scenario or contender.name in bench.missing:
                continue
            job = job_for(contender, bench.root, bench.work / "runs", 1024, False)
            path = bench.scenarios[0].path
            started = start(contender, job, path, bench.server_cpu)
            running[contender.name] = stack.enter_context(started)
        for turn in range(bench.rounds):
            for scenario in bench.scenarios:
                print(f"round {turn + 1} of {bench.rounds}: {scenario.name}", file=sys.stderr)
                shift = turn % len(CONTENDERS)
                for contender in CONTENDERS[shift:] + CONTENDERS[:shift]:
                    if contender.name in running:
                        _measure(bench, contender, running[contender.name], scenario, turn)
                    elif contender.name not in bench.missing:
                        _measure_alone(bench, contender, scenario, turn)


def _measure_alone(bench: Bench, contender: Contender, scenario: Scenario, turn: int) -> None:
    job = job_for(contender, bench.root, bench.work / "runs", scenario.body, scenario.close)
    with start(contender, job, scenario.path, bench.server_cpu) as running:
        _measure(bench, contender, running, scenario, turn)


def _results(bench: Bench) -> Results:
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "machine": {
            "date": time.strftime("%Y-%m-%d"),
            "kernel": platform.release(),
            "processor": processor[1] if processor else platform.machine(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        },
        "rounds": bench.rounds,
        "seconds": bench.seconds,
        "servers": [contender.name for contender in CONTENDERS],
        "scenarios": [scenario.name for scenario in bench.scenarios],
        "samples": bench.samples,
        "facts": bench.facts,
        "missing": bench.missing,
    }


def run(arguments: argparse.Namespace, work: Path) -> Results:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        print("one processor only: server and client share it; rough figures", file=sys.stderr)
    chosen = [s for s in SCENARIOS if arguments.only in s.name and (s.quick or not arguments.quick)]
    if not chosen:
        sys.exit(f"no scenario has {arguments.only!r} in its name")
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    seconds = arguments.seconds or (1 if arguments.quick else 3)
    bench = Bench(work, chosen, rounds, seconds, cpus[0], cpus[-1], [], {}, {})
    _make_site(bench.root)
    build_probe(work / "runs")
    for contender in CONTENDERS:
        print(f"starting {contender.name}", file=sys.stderr)
        try:
            _facts_of(bench, contender)
        except Unavailable as reason:
            bench.missing[contender.name] = str(reason)
            bench.facts.pop(contender.name, None)
    _rounds(bench)
    return _results(bench)


def main() -> None:
    parser = argparse.ArgumentParser(description="server CPU per request, beside nginx")
    parser.add_argument("--quick", action="store_true", help="three rounds of one second")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--seconds", type=int, help="length of one measurement")
    parser.add_argument("--only", default="", metavar="WORD", help="scenarios so named")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), help="result file")
    parser.add_argument("--render", type=Path, metavar="FILE", help="print its tables")
    arguments = parser.parse_args()
    if arguments.render:
        print(render(json.loads(arguments.render.read_text())), end="")
        return
    try:
        provide("wrk", "wrk")
    except Unavailable as reason:
        sys.exit(f"nothing can be measured: {reason}")
    try:
        provide("nginx", "nginx-light")
    except Unavailable as reason:
        print(f"no ratios: {reason}", file=sys.stderr)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="tuxpy-bench-") as name:
        work = Path(name)
        work.chmod(0o755)
        (work / "runs").mkdir()
        results = run(arguments, work)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    print(render(results), end="")


if __name__ == "__main__":
    main()
