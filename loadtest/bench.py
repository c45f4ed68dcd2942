"""Server CPU per request of tuxpy beside nginx and the limit probe. README.md has the method.

python loadtest/bench.py [--quick] [--rounds N] [--seconds S] [--only WORD] [--limit S] [--out FILE]
python loadtest/bench.py --render FILE
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import meter
from contenders import CONTENDERS, FAILURES, Contender, Running, Unavailable, build_probe, job_for, provide, start
from machine import describe
from rest import facts_of
from scenarios import PLAIN, SCENARIOS, Scenario, Setup, make_site
from table import Results, render, save

_WARM_UP_S = 1
_ROUNDS_MAX = 50
_SECONDS_MAX = 60


@dataclass(frozen=True)
class Plan:
    """What is measured on whom, how often and how long; after `limit_s` no scenario begins any more."""

    contenders: Sequence[Contender]
    scenarios: Sequence[Scenario]
    rounds: int
    seconds: int
    limit_s: int
    server_cpu: int
    client_cpu: int

    def server_cpus(self, setup: Setup) -> str:
        """For taskset(1): one of its own, or all."""
        return str(self.server_cpu) if setup.workers == 1 else f"{self.server_cpu}-{self.client_cpu}"

    def client_cpus(self, setup: Setup) -> str:
        return str(self.client_cpu) if setup.workers == 1 else self.server_cpus(setup)


@dataclass(frozen=True)
class Bench:
    """One measurement: what is planned, where its files are, and what it has learned so far."""

    plan: Plan
    work: Path
    samples: list[dict[str, Any]] = field(default_factory=list)
    lost: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.work / "www"

    @property
    def runs(self) -> Path:
        return self.work / "runs"

    def miss(self, what: str, why: object) -> None:
        """Something that is not measured at all."""
        self.missing[what] = str(why)
        print(f"{what}: not measured: {why}", file=sys.stderr)

    def lose(self, server: str, scenario: str, turn: int, why: object) -> None:
        """One measurement that failed; the others of its round stand."""
        self.lost.append({"server": server, "scenario": scenario, "round": turn, "why": str(why)})
        print(f"{server}, {scenario}: not measured: {why}", file=sys.stderr)


# --- one measurement -----------------------------------------------------------------------------
def _check_answer(bench: Bench, contender: Contender, running: Running, scenario: Scenario) -> None:
    """One whole answer is compared with the file, so that nobody is quick by sending something else."""
    status, body = meter.fetch(running.port, scenario.sample_path, scenario.sample_fields)
    if contender.probe:
        right = status == 200 and len(body) == scenario.body
    else:
        with (bench.root / scenario.sample_path[1:]).open("rb") as file:
            right = status == (206 if scenario.file else 200) and body == file.read(scenario.body)
    if not right:
        raise Unavailable(f"a wrong answer: status {status}, {len(body)} bytes")


def _measure(bench: Bench, contender: Contender, running: Running, scenario: Scenario, turn: int) -> None:
    plan, setup = bench.plan, scenario.setup
    url = f"http://{meter.HOST}:{running.port}{scenario.path}"
    load = (scenario.connections, scenario.script, scenario.close, plan.client_cpus(setup), setup.workers)
    running.check()
    _check_answer(bench, contender, running, scenario)
    meter.wrk(url, _WARM_UP_S, *load)
    with meter.idle_connections(running.port, scenario.sample_path, setup.idle):
        before = meter.cpu_times(running.pid)
        seen = meter.wrk(url, plan.seconds, *load)
        if setup.log:
            meter.wait_lines(running.log, seen.requests)  # what is written behind it is its work, too
        spent = meter.cpu_spent(before, meter.cpu_times(running.pid))
    running.check()
    if seen.errors:
        raise Unavailable(f"{seen.errors} of {seen.requests} requests failed")
    if seen.bytes < seen.requests * scenario.body:
        raise Unavailable("answers were too short")
    bench.samples.append(
        {
            "scenario": scenario.name,
            "server": contender.name,
            "round": turn,
            "cpu_us": round(spent * 1e6 / seen.requests, 3),
            "both_us": round((spent * 1e6 + seen.client_cpu_us) / seen.requests, 3),
            "busy": round(spent * 1e6 / seen.duration_us, 3),
            "rate": round(seen.requests * 1e6 / seen.duration_us, 1),
            "requests": seen.requests,
            "p50_us": seen.p50_us,
            "p99_us": seen.p99_us,
        }
    )


def _measure_alone(bench: Bench, contender: Contender, scenario: Scenario, turn: int) -> None:
    job = job_for(contender, bench.root, bench.runs, scenario.body, scenario.close, scenario.setup)
    try:
        with start(contender, job, scenario.sample_path, bench.plan.server_cpus(scenario.setup)) as running:
            _measure(bench, contender, running, scenario, turn)
    finally:
        job.log.unlink(missing_ok=True)


# --- all rounds ----------------------------------------------------------------------------------
def _start_servers(bench: Bench, stack: ExitStack) -> dict[str, Running]:
    """The servers that stay up through all rounds."""
    running: dict[str, Running] = {}
    for contender in bench.plan.contenders:
        if contender.probe or contender.name in bench.missing:
            continue
        job = job_for(contender, bench.root, bench.runs)
        path, cpus = bench.plan.scenarios[0].sample_path, bench.plan.server_cpus(PLAIN)
        try:
            running[contender.name] = stack.enter_context(start(contender, job, path, cpus))
        except FAILURES as reason:
            bench.miss(contender.name, reason)
    return running


def _rounds(bench: Bench, running: dict[str, Running], end: float) -> None:
    """Every round measures every scenario on every server, each time in another order."""
    plan = bench.plan
    for turn in range(plan.rounds):
        for number, scenario in enumerate(plan.scenarios):
            if time.monotonic() > end:
                bench.miss(f"from {scenario.name} of round {turn + 1} on", f"{plan.limit_s} s have passed")
                return
            print(f"round {turn + 1} of {plan.rounds}: {scenario.name}", file=sys.stderr)
            shift = (turn + number) % len(plan.contenders)
            for contender in (*plan.contenders[shift:], *plan.contenders[:shift]):
                if contender.name in bench.missing or (contender.probe and scenario.setup != PLAIN):
                    continue
                try:
                    if contender.probe or scenario.setup != PLAIN:
                        _measure_alone(bench, contender, scenario, turn)
                    else:
                        _measure(bench, contender, running[contender.name], scenario, turn)
                except FAILURES as reason:
                    bench.lose(contender.name, scenario.name, turn, reason)


# --- the whole -----------------------------------------------------------------------------------
def _facts(bench: Bench) -> None:
    cpus, first = bench.plan.server_cpus(PLAIN), bench.plan.scenarios[0]
    where = (bench.root, bench.runs, first.sample_path, first.body, cpus)
    for contender in bench.plan.contenders:
        print(f"starting {contender.name}", file=sys.stderr)
        try:
            bench.facts[contender.name] = facts_of(contender, *where)
        except FAILURES as reason:
            bench.miss(contender.name, reason)


def _run(plan: Plan, work: Path) -> Results:
    end = time.monotonic() + plan.limit_s
    bench = Bench(plan, work)
    bench.runs.mkdir()
    make_site(bench.root, plan.scenarios)
    try:
        build_probe(bench.runs)
    except FAILURES as reason:
        print(f"no limit probe: {reason}", file=sys.stderr)
    machine = describe()
    _facts(bench)
    with ExitStack() as stack:
        _rounds(bench, _start_servers(bench, stack), end)
    return {
        "machine": machine,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "servers": [contender.name for contender in plan.contenders],
        "probes": [contender.name for contender in plan.contenders if contender.probe],
        "scenarios": [scenario.name for scenario in plan.scenarios],
        "like": {scenario.name: scenario.like for scenario in plan.scenarios if scenario.like},
        "facts": bench.facts,
        "missing": bench.missing,
        "lost": bench.lost,
        "samples": bench.samples,
    }


def _plan(arguments: argparse.Namespace) -> Plan:
    chosen = [s for s in SCENARIOS if arguments.only in s.name and (s.quick or arguments.only or not arguments.quick)]
    if not chosen:
        sys.exit(f"no scenario has {arguments.only!r} in its name: {', '.join(s.name for s in SCENARIOS)}")
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    seconds = arguments.seconds or (1 if arguments.quick else 2)
    if not (0 < rounds <= _ROUNDS_MAX and 0 < seconds <= _SECONDS_MAX):
        sys.exit(f"at most {_ROUNDS_MAX} rounds of {_SECONDS_MAX} s")
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        print("one processor only: server and client share it; rough figures", file=sys.stderr)
    contenders = [contender for contender in CONTENDERS if contender.quick or not arguments.quick]
    return Plan(contenders, chosen, rounds, seconds, arguments.limit, server_cpu=cpus[0], client_cpu=cpus[-1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="server CPU per request, beside nginx and the limit probe")
    parser.add_argument("--quick", action="store_true", help="three rounds of one second, the essential scenarios")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--seconds", type=int, help="length of one measurement")
    parser.add_argument("--only", default="", metavar="WORD", help="scenarios with WORD in their name")
    parser.add_argument("--limit", type=int, default=1800, metavar="S", help="after S seconds no scenario begins")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), metavar="FILE", help="result file")
    parser.add_argument("--render", type=Path, metavar="FILE", help="print the tables of a result file")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    if arguments.render:
        print(render(json.loads(arguments.render.read_text())), end="")
        return
    try:
        for program in ("wrk", "taskset"):
            provide(program)
    except Unavailable as reason:
        sys.exit(f"nothing can be measured: {reason}")
    for program in ("nginx",) if arguments.quick else ("nginx", "h2o", "lighttpd"):
        with suppress(Unavailable):  # the report will say that there is nothing to compare with
            provide(program)
    plan = _plan(arguments)
    # without this the servers would outlive a bench that is told to end
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    # the bench itself, the compiler and all that waits must not take time from the server's processor
    os.sched_setaffinity(0, {plan.client_cpu})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="tuxpy-bench-") as name:
        work = Path(name)
        work.chmod(0o755)  # a server that gives up root must still reach its files
        results = _run(plan, work)
    save(results, arguments.out)
    print(render(results), end="")


if __name__ == "__main__":
    main()
