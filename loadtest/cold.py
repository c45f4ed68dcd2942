"""How long small answers take while others fetch what is on a slow disk, what is large, or what nobody has asked for
before. COLD.md has the method.

python loadtest/cold.py [--rounds N] [--seconds S] [--only WORD] [--disk ext4|fuse] [--limit S] [--out FILE]
python loadtest/cold.py --render FILE
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from contenders import CONTENDERS, FAILURES, Contender, Job, Running, Unavailable, find, job_for, start
from machine import describe
from others import asking, fetching
from slowdisk import Disk, apart, build, make_cold, slow_disk
from table import columns, save

_SMALL, _LARGE = "/small.bin", "/large.bin"
_LARGE_BYTES = 64 << 20
_PACED_CONNECTIONS, _PACED_RATE = 16, 2000
_QUIET, _COLD, _BIG = "quiet", "beside cold files", "beside 8 downloads of 64 MiB"
_UNSEEN = "beside targets never seen"
_SCENARIOS = (_QUIET, _COLD, _BIG, _UNSEEN)
_DISK = Disk(milliseconds=10, places=8, files=24, file_bytes=16 << 20)  # about 100 MB/s
_ROUNDS_MAX, _SECONDS_MAX = 20, 20


def _nginx_threads(job: Job) -> list[str]:
    """nginx with its remedy for cold files: sendfile(2) on threads."""
    command = next(one for one in CONTENDERS if one.name == "nginx").command(job)
    configuration = job.run / "nginx.conf"
    configuration.write_text(configuration.read_text().replace("sendfile on;", "sendfile on; aio threads;"))
    return command


def _undisturbed(one: Contender) -> Contender:
    """Before whoever else works on the machine, who would make a longer tail than any server: its session gets the best
    autogroup there is (sched(7)). Among its own threads the server is scheduled as ever."""
    shell = ["sh", "-c", 'echo -20 2>/dev/null >/proc/self/autogroup; exec "$@"', "sh"]
    return replace(one, command=lambda job: [*shell, *one.command(job)])


def _contenders(word: str) -> list[Contender]:
    wanted = [one for one in CONTENDERS if one.name in ("nginx", "tuxpy-uring", "tuxpy-epoll")]
    wanted.insert(1, Contender("nginx-threads", _nginx_threads))
    return [_undisturbed(one) for one in wanted if word in one.name]


@dataclass
class Bench:
    contenders: Sequence[Contender]
    rounds: int
    seconds: int
    end: float  # nothing begins any more
    server_cpu: int
    client_cpu: int
    work: Path
    pace: Path
    samples: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    _next: int = 0

    @property
    def root(self) -> Path:
        return self.work / "www"

    def next_cold(self) -> str:
        """A file that nobody has read for as long as possible; it is thrown out of memory first."""
        self._next += 1
        name = f"{self._next % _DISK.files}.bin"
        make_cold([self.root / "slow" / name])
        return f"/slow/{name}"

    def measure(self, server: Contender, running: Running, scenario: str, turn: int) -> None:
        running.check()
        if scenario == _QUIET:
            self._keep(server, scenario, turn, self._paced(running.port), {})
            return
        if scenario == _UNSEEN:
            with asking(running.port, _SMALL, self.client_cpu, self.seconds) as unseen:
                seen = self._paced(running.port)
            running.check()
            if unseen.load is None or unseen.load.errors:
                raise Unavailable(unseen.fault or "wrk saw errors")
            self._keep(server, scenario, turn, seen, {"others_s": unseen.load.requests * 1e6 / unseen.load.duration_us})
            return
        targets = self.next_cold if scenario == _COLD else lambda: _LARGE
        with fetching(running.port, targets) as fetched:
            before, begun = sum(fetched.bytes), time.monotonic()
            seen = self._paced(running.port)
            rate = (sum(fetched.bytes) - before) / (time.monotonic() - begun)
        running.check()
        if fetched.faults:
            raise Unavailable(fetched.faults[0])
        self._keep(server, scenario, turn, seen, {"others_mb_s": rate / 1e6})

    def _paced(self, port: int) -> dict[str, float]:
        numbers = [str(one) for one in (_PACED_CONNECTIONS, _PACED_RATE, self.seconds)]
        command = [str(self.pace), str(port), _SMALL, *numbers]
        done = subprocess.run(command, capture_output=True, text=True, timeout=self.seconds + 60, check=False)
        if done.returncode:
            raise Unavailable(done.stderr.strip())
        seen: dict[str, float] = json.loads(done.stdout)
        return seen

    def _keep(
        self, server: Contender, scenario: str, turn: int, seen: dict[str, float], others: dict[str, float]
    ) -> None:
        sample = {"server": server.name, "scenario": scenario, "round": turn}
        self.samples.append(sample | {name: round(value, 1) for name, value in others.items()} | seen)


def _run(bench: Bench) -> None:
    with ExitStack() as stack:
        running = {}
        for one in bench.contenders:
            try:
                job = job_for(one, bench.root, bench.work / "runs")
                running[one.name] = stack.enter_context(start(one, job, _SMALL, str(bench.server_cpu)))
            except FAILURES as reason:
                bench.lost.append(f"{one.name}: {reason}")
        for turn in range(bench.rounds):
            for scenario in _SCENARIOS:
                print(f"round {turn + 1} of {bench.rounds}: {scenario}", file=sys.stderr)
                shift = turn % len(bench.contenders)
                for one in (*bench.contenders[shift:], *bench.contenders[:shift]):
                    if one.name not in running:
                        continue
                    if time.monotonic() > bench.end:
                        bench.lost.append(f"{one.name}, {scenario}, round {turn + 1}: the time is over")
                        continue
                    try:
                        bench.measure(one, running[one.name], scenario, turn)
                    except FAILURES as reason:
                        bench.lost.append(f"{one.name}, {scenario}, round {turn + 1}: {reason}")


# --- the table -----------------------------------------------------------------------------------
def _values(results: dict[str, Any], server: str, scenario: str, name: str) -> dict[int, float]:
    return {
        one["round"]: one[name]
        for one in results["samples"]
        if (one["server"], one["scenario"]) == (server, scenario) and name in one
    }


def _row(results: dict[str, Any], server: str, scenario: str) -> list[str]:
    p99 = _values(results, server, scenario, "p99_us")
    if not p99:
        return [scenario, server, "-", "-", "-", "-", "-"]
    quiet = _values(results, server, _QUIET, "p99_us")
    ratios = [p99[turn] / quiet[turn] for turn in p99 if quiet.get(turn)]
    cells = [f"{median(_values(results, server, scenario, name).values()):,.0f}" for name in ("p50_us", "p99_us")]
    most = max(_values(results, server, scenario, "most_us").values())
    spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "-"
    cells += [f"{most:,.0f}", "" if scenario == _QUIET else spread, _others(results, server, scenario)]
    return [scenario, server, *cells]


def _others(results: dict[str, Any], server: str, scenario: str) -> str:
    for name, unit in (("others_mb_s", "MB/s"), ("others_s", "/s")):
        if values := _values(results, server, scenario, name).values():
            return f"{median(values):,.0f} {unit}"
    return ""


def render(results: dict[str, Any]) -> str:
    machine, disk = results["machine"], results["disk"]
    where = f"{machine['processor']}, {machine['processors']} processors, load {machine['load']} before it began"
    slow = f"a disk of {disk['kind']} with {disk['milliseconds']} ms a request, {disk['places']} at a time"
    how = f"{results['rounds']} rounds of {results['seconds']} s, medians; {_PACED_RATE} small requests a second"
    head = [f"{machine['date']}, Linux {machine['kernel']}, {where}, nginx {machine['nginx']}", f"{slow}; {how}"]
    rows = [["", "", "p50 µs", "p99 µs", "longest", "p99 to quiet", "the others get"]]
    rows += [_row(results, server, scenario) for scenario in _SCENARIOS for server in results["servers"]]
    return "\n".join([*head, "", columns(rows, left=2), *(f"not measured: {one}" for one in results["lost"])]) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="p99 of small answers beside cold and beside large files")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument("--seconds", type=int, default=2, help="length of one measurement")
    parser.add_argument("--only", default="", metavar="WORD", help="servers with WORD in their name")
    parser.add_argument("--disk", choices=("ext4", "fuse"), default="ext4", help="what the slow disk is")
    parser.add_argument("--limit", type=int, default=600, metavar="S", help="after S seconds nothing begins any more")
    parser.add_argument("--out", type=Path, default=Path("build/cold.json"), metavar="FILE", help="result file")
    parser.add_argument("--render", type=Path, metavar="FILE", help="print the table of a result file")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    if arguments.render:
        print(render(json.loads(arguments.render.read_text())), end="")
        return
    if not (0 < arguments.rounds <= _ROUNDS_MAX and 0 < arguments.seconds <= _SECONDS_MAX):
        sys.exit(f"at most {_ROUNDS_MAX} rounds of {_SECONDS_MAX} s")
    try:
        apart()
        find("taskset")
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpus[-1]})
        disk = replace(_DISK, kind=arguments.disk)
        with tempfile.TemporaryDirectory(prefix="tuxpy-cold-") as name:
            work = Path(name)
            work.chmod(0o755)
            contenders = _contenders(arguments.only)
            end = time.monotonic() + arguments.limit
            pace = build("pace", work)
            bench = Bench(contenders, arguments.rounds, arguments.seconds, end, cpus[0], cpus[-1], work, pace)
            bench.root.mkdir()
            (bench.root / _SMALL[1:]).write_bytes(os.urandom(1024))
            (bench.root / _LARGE[1:]).write_bytes(os.urandom(_LARGE_BYTES))
            machine = describe()
            with slow_disk(disk, work, bench.root / "slow"):
                _run(bench)
    except FAILURES as reason:
        sys.exit(f"nothing can be measured: {reason}")
    results = {
        "machine": machine,
        "disk": asdict(disk),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "servers": [one.name for one in contenders],
        "lost": bench.lost,
        "samples": bench.samples,
    }
    save(results, arguments.out)
    print(render(results), end="")


if __name__ == "__main__":
    main()
