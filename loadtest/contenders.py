"""Who is measured: the limit probe, nginx and tuxpy, each started alone on one processor.

`start` gives a running process that has answered one request, or raises Unavailable with the
reason, which the report then prints instead of a figure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meter import free_port, wait_first_byte

_HERE = Path(__file__).parent
_START_LIMIT_S = 10.0


class Unavailable(Exception):
    """This contender cannot run here; the text says why."""


@dataclass(frozen=True)
class Job:
    """What a server is started for. `run` is a directory for its own files."""

    root: Path
    run: Path
    port: int
    body: int = 1024
    close: bool = False


@dataclass(frozen=True)
class Contender:
    name: str
    command: Callable[[Job], list[str]]
    per_scenario: bool = False  # its answer is fixed at start, so each scenario starts it anew


@dataclass(frozen=True)
class Running:
    pid: int
    port: int
    first_byte_ms: float


def _probe(backend: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        wanted = ["--backend", backend, "--port", str(job.port), "--body", str(job.body)]
        return [str(job.run.parent / "probe"), *wanted, *(["--close"] if job.close else [])]

    return command


def _nginx(job: Job) -> list[str]:
    text = (_HERE / "peers" / "nginx.conf").read_text()
    filled = {
        "@USER@": "user root;" if os.geteuid() == 0 else "",
        "@RUN@": str(job.run),
        "@ROOT@": str(job.root),
        "@PORT@": str(job.port),
    }
    for mark, value in filled.items():
        text = text.replace(mark, value)
    configuration = job.run / "nginx.conf"
    configuration.write_text(text)
    return [_find("nginx"), "-p", str(job.run), "-e", "stderr", "-c", str(configuration)]


def _tuxpy(backend: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        options = ["--port", str(job.port), "--backend", backend, "--workers", "1"]
        return [sys.executable, "-m", "tuxpy", "serve", str(job.root), *options]

    return command


CONTENDERS = (
    Contender("nginx", _nginx),
    Contender("tuxpy-uring", _tuxpy("uring")),
    Contender("tuxpy-epoll", _tuxpy("epoll")),
    Contender("probe-uring", _probe("uring"), per_scenario=True),
    Contender("probe-epoll", _probe("epoll"), per_scenario=True),
)


def _find(program: str) -> str:
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise Unavailable(f"{program} is not installed")
    return found


def provide(program: str, package: str) -> None:
    """Install a tool of the measurement where that is possible; else say what is missing."""
    try:
        _find(program)
        return
    except Unavailable:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise Unavailable(f"{program} is missing: install the package {package}") from None
    # RUNLEVEL=1: Debian starts no service of a package that is installed so
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["apt-get", "-qq", "update"], check=False)
    install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", package]
    if subprocess.run(install, env=environment, check=False).returncode != 0:
        raise Unavailable(f"{program} is missing and {package} could not be installed")


def build_probe(directory: Path) -> None:
    sources = sorted(str(path) for path in (_HERE / "probe").glob("*.c"))
    flags = ["-std=c11", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra"]
    command = [os.environ.get("CC", "cc"), *flags, *sources, "-o", str(directory / "probe")]
    subprocess.run(command, check=True)


@contextmanager
def start(contender: Contender, job: Job, path: str, cpu: int) -> Iterator[Running]:
    """Run the server pinned to one processor until the block ends."""
    job.run.mkdir(parents=True, exist_ok=True)
    output = job.run / "output"
    with output.open("wb") as sink:
        command = ["taskset", "-c", str(cpu), *contender.command(job)]
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL)
    try:
        ready = wait_first_byte(job.port, path, process, _START_LIMIT_S)
        took_ms = (time.monotonic() - begin) * 1000
        if not ready:
            raise Unavailable(_last_line(output))
        yield Running(process.pid, job.port, took_ms)
    finally:
        process.terminate()
        try:
            process.wait(timeout=_START_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def job_for(contender: Contender, root: Path, runs: Path, body: int, close: bool) -> Job:
    return Job(root, runs / contender.name, free_port(), body, close)


def _last_line(output: Path) -> str:
    lines = output.read_text(errors="replace").strip().split("\n")
    return lines[-1].strip() or "it ended without a word"
