"""The benchmark of the announcement of 2007: open, read and close a thousand small random files. ASYNC.md has the rest.

python loadtest/async_test.py [--rounds N] [--files N] [--directory DIR] [--cached] [--json FILE] [--plot FILE]
python loadtest/async_test.py --render FILE
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import async_variants as v
from async_report import Results, draw, render
from machine import describe

from tuxpy import Chain, Engine, EngineError

_DROP = Path("/proc/sys/vm/drop_caches")
_UNCACHED_ROUNDS_MAX = 7  # a pass takes long, and everybody's caches go
_REPEAT, _CALLS = 15, 2000
_BATCH = 64


def why_no_dropping(directory: Path) -> str | None:
    """Why there is no uncached case here; None when there is."""
    if not os.access(_DROP, os.W_OK):
        return f"{_DROP} cannot be written: run as root on a machine of its own"
    probe = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=False)
    if probe.stdout.strip() in ("tmpfs", "ramfs"):
        return f"{directory} is kept in memory: choose one on a disk with --directory"
    return None


def drop_caches() -> None:
    os.sync()
    _DROP.write_text("3")


def variants(ends: ExitStack, names: list[str], directory: Path) -> dict[str, v.Pass]:
    """Those that this machine can do, by the names that the results have."""
    enter = ends.enter_context
    found = {"sync_c": enter(v.in_c(v.compiled("sync.c", directory), names))}
    backends = [name for name in ("uring", "epoll") if _has(name)]
    for name in backends:
        found[f"syslets_{name}"] = enter(v.syslets(names, name))
    found["syslets_kept"] = enter(v.syslets(names, backends[0], keep=True))
    found["syslets_one_processor"] = enter(v.on_one_processor(v.syslets(names, backends[0])))
    found["python_loop"] = enter(v.python_loop(names))
    found["thread_pool"] = enter(v.thread_pool(names))
    found["asyncio_threads"] = enter(v.asyncio_threads(names))
    return found


def _has(backend: str) -> bool:
    try:
        Engine(slots=8, workers=1, backend=backend).close()
    except EngineError:
        return False
    return True


def interleaved(passes: dict[str, v.Pass], rounds: int, before: Callable[[], None]) -> dict[str, list[float]]:
    """Milliseconds of every pass. Each round begins with another variant, and nothing runs beside it."""
    samples: dict[str, list[float]] = {name: [] for name in passes}
    names = list(passes)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            before()
            samples[name].append(passes[name]())
    return samples


def summary(samples: dict[str, list[float]]) -> dict[str, float]:
    """Medians; `syslets_ms` is the better back-end where there are two, which is the one that "auto" takes."""
    found = {f"{name}_ms": round(median(times), 4) for name, times in samples.items()}
    found["syslets_ms"] = found.get("syslets_uring_ms", found["syslets_epoll_ms"])
    return found


def null_calls(directory: Path) -> list[dict[str, float]]:
    """What an atom costs in C, by the length of the chain."""
    program = v.compiled("null.c", directory, *v.engine_sources())
    told = subprocess.run([program, "100"], capture_output=True, text=True, check=True, timeout=120).stdout
    rows = [line.split() for line in told.splitlines()]
    return [{"atoms": int(row[0]), "bare_ns": float(row[1]), "atom_ns": float(row[2])} for row in rows]


def from_python() -> dict[str, float]:
    """Microseconds of one call as Python sees it, plain and by an engine, one at a time and 64 at a time."""
    c = Chain("null")
    c.getpid()
    null = c.freeze()
    with Engine() as engine, open(__file__, "rb") as file:
        fd = file.fileno()

        def batch() -> None:
            engine.submit_many(null, [{}] * _BATCH, keep=False)
            engine.wait(min=_BATCH)

        def best(work: Callable[[], Any], calls: int = _CALLS, each: int = 1) -> float:
            return round(median(timeit.repeat(work, number=calls, repeat=_REPEAT)) / calls / each * 1e6, 3)

        return {
            "os.getpid": best(os.getpid),
            "call getpid": best(lambda: engine.call("getpid")),
            "submit_many getpid, each": best(batch, _CALLS // _BATCH, _BATCH),
            "os.pread": best(lambda: os.pread(fd, 100, 0)),
            "call pread": best(lambda: engine.call("pread", fd, 100, 0)),
        }


def measure(directory: Path, files: int, rounds: int, cached_only: bool) -> Results:
    results: Results = {"machine": describe(), "files": files, "rounds": rounds}
    names = v.make_files(directory, files)
    with tempfile.TemporaryDirectory() as programs, ExitStack() as ends:
        passes = variants(ends, names, Path(programs))
        interleaved(passes, 3, lambda: None)  # warm up
        cached = interleaved(passes, rounds, lambda: None)
        results["cached"] = summary(cached)
        skipped = "left out by --cached" if cached_only else why_no_dropping(directory)
        if skipped:
            results["uncached"] = {"skipped": skipped}
        else:
            uncached = interleaved(passes, min(rounds, _UNCACHED_ROUNDS_MAX), drop_caches)
            results["uncached"] = summary(uncached)
            results["samples_uncached"] = uncached
        results["samples_cached"] = cached
        results["null"] = null_calls(Path(programs))
    results["python_us"] = from_python()
    return results


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31, help="passes of every variant, cached (31)")
    parser.add_argument("--files", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--directory", type=Path, default=Path(), help="where they are made, on a disk (here)")
    parser.add_argument("--cached", action="store_true", help="only that, and leave the machine's caches alone")
    parser.add_argument("--json", type=Path, help="write the medians and all samples there")
    parser.add_argument("--plot", type=Path, help="draw them there, as .svg or .png; needs matplotlib")
    parser.add_argument("--render", type=Path, help="measure nothing: the table of an earlier --json")
    chosen = parser.parse_args(words)
    if not (1 <= chosen.rounds <= 1000 and 1 <= chosen.files <= 4096):
        parser.error("1 to 1000 rounds, 1 to 4096 files")
    if chosen.render:
        results: Results = json.loads(chosen.render.read_text())
    else:
        with tempfile.TemporaryDirectory(dir=chosen.directory, prefix="async_test.") as directory:
            results = measure(Path(directory).resolve(), chosen.files, chosen.rounds, chosen.cached)
    sys.stdout.write(render(results))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")
    if chosen.plot:
        draw(results, chosen.plot)


if __name__ == "__main__":
    main(sys.argv[1:])
