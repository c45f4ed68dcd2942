"""Who is measured: nginx, h2o, lighttpd, tuxpy and the limit probe, each started alone on one processor.

`start` gives a running process that has answered one request well, or raises Unavailable with the reason, which the
report then prints instead of a figure.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

from meter import free_port, process_tree, wait_first_byte
from scenarios import PLAIN, Setup

_HERE = Path(__file__).resolve().parent
_START_LIMIT_S = 10.0
_STOP_LIMIT_S = 10.0


class Unavailable(Exception):
    """This contender cannot run here; the text says why."""


# What may go wrong with one contender and must not touch the figures of the others.
FAILURES = (Unavailable, OSError, subprocess.SubprocessError)


@dataclass(frozen=True)
class Job:
    """What a server is started for. `run` is a directory for its own files."""

    root: Path
    run: Path
    port: int
    body: int = 1024
    close: bool = False
    setup: Setup = PLAIN

    @property
    def log(self) -> Path:
        """The access log, if there is one."""
        return self.run / "access.log"


@dataclass(frozen=True)
class Contender:
    name: str
    command: Callable[[Job], list[str]]
    probe: bool = False  # its answer is fixed at start, so each scenario starts it anew; one thread, no log
    quick: bool = True


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    port: int
    first_byte_ms: float
    output: Path
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """A dead server is not measured: its port may be another's by now."""
        if self.process.poll() is not None:
            raise Unavailable(f"ended with status {self.process.returncode}{_last_words(self.output)}")


def _probe(backend: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        program = job.run.parent / "probe"
        if not program.exists():
            raise Unavailable("the probe was not built")
        wanted = ["--backend", backend, "--port", str(job.port), "--body", str(job.body)]
        return [str(program), *wanted, *(["--close"] if job.close else [])]

    return command


def _filled(job: Job, name: str, **marks: str) -> Path:
    """The configuration of a peer with everything filled in, among the files of this run."""
    text = (_HERE / "peers" / name).read_text()
    marks |= {"RUN": str(job.run), "ROOT": str(job.root), "PORT": str(job.port)}
    marks |= {"WORKERS": str(job.setup.workers), "CONNECTIONS": str(job.setup.connections)}
    for mark, value in marks.items():
        text = text.replace(f"@{mark}@", value)
    configuration = job.run / name
    configuration.write_text(text)
    return configuration


def _nginx(sending: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        user = "user root;" if os.geteuid() == 0 else ""
        log = f"{job.log} combined buffer=64k flush=1s" if job.setup.log else "off"
        configuration = _filled(job, "nginx.conf", USER=user, SENDING=sending, LOG=log)
        return [find("nginx"), "-p", str(job.run), "-e", "stderr", "-c", str(configuration)]

    return command


def _h2o(job: Job) -> list[str]:
    log = f"access-log: {job.log}" if job.setup.log else ""
    configuration = _filled(job, "h2o.yaml", USER_NAME=getpass.getuser(), LOG=log)
    return [find("h2o"), "-m", "worker", "-c", str(configuration)]


def _lighttpd(job: Job) -> list[str]:
    module, log = ('"mod_accesslog"', f'accesslog.filename = "{job.log}"') if job.setup.log else ("", "")
    workers = str(job.setup.workers if job.setup.workers > 1 else 0)  # 0: no process but this one
    configuration = _filled(job, "lighttpd.conf", MODULES=module, LOG=log, LIGHTTPD_WORKERS=workers)
    return [find("lighttpd"), "-D", "-f", str(configuration)]


def _tuxpy(backend: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        options = ["--port", str(job.port), "--backend", backend, "--workers", str(job.setup.workers)]
        options += ["--max-connections", str(job.setup.connections)]
        options += ["--access-log", str(job.log)] if job.setup.log else []
        return [sys.executable, "-m", "tuxpy", "serve", str(job.root), *options]

    return command


CONTENDERS = (
    Contender("nginx", _nginx("sendfile on; tcp_nopush on;")),
    Contender("nginx-copy", _nginx("sendfile off; output_buffers 2 1m;"), quick=False),
    Contender("h2o", _h2o, quick=False),
    Contender("lighttpd", _lighttpd, quick=False),
    Contender("tuxpy-uring", _tuxpy("uring")),
    Contender("tuxpy-epoll", _tuxpy("epoll")),
    Contender("probe-uring", _probe("uring"), probe=True),
    Contender("probe-epoll", _probe("epoll"), probe=True),
)


_PACKAGES = {"nginx": "nginx-light", "wrk": "wrk", "taskset": "util-linux", "h2o": "h2o", "lighttpd": "lighttpd"}


def provide(program: str) -> None:
    """Install a tool of the measurement from Debian's packages where that is possible; else say what is missing."""
    try:
        find(program)
        return
    except Unavailable:
        package = _PACKAGES[program]
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise Unavailable(f"{program} is missing: install the package {package}") from None
    # RUNLEVEL=1: Debian then starts no service of what it installs
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, check=False, stdout=subprocess.DEVNULL)
    find(program)


def find(program: str) -> str:
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise Unavailable(f"{program} is not installed")
    return found


def build_probe(directory: Path) -> None:
    sources = sorted(str(path) for path in (_HERE / "probe").glob("*.c"))
    flags = ["-std=c11", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra"]
    command = [os.environ.get("CC", "cc"), *flags, *sources, "-o", str(directory / "probe")]
    subprocess.run(command, check=True, timeout=60)


@contextmanager
def start(contender: Contender, job: Job, path: str, cpus: str) -> Iterator[Running]:
    """Run the server bound to these processors (taskset(1)) until the block ends."""
    job.run.mkdir(parents=True, exist_ok=True)
    command = ["taskset", "-c", cpus, *contender.command(job)]
    # the tuxpy beside this directory is measured, whatever else is installed
    environment = os.environ | {"PYTHONPATH": str(_HERE.parent)}
    output = job.run / "output"
    with output.open("wb") as sink:
        begin = time.monotonic()
        # in a session of its own, since lighttpd signals all of its group
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment, start_new_session=True
        )
    try:
        fault = wait_first_byte(job.port, path, process, _START_LIMIT_S)
        took_ms = (time.monotonic() - begin) * 1000
        running = Running(process, job.port, took_ms, output, job.log)
        if fault:
            raise Unavailable(fault + _last_words(output))
        running.check()
        yield running
    finally:
        _end(process, contender.name)


def _end(process: subprocess.Popen[bytes], name: str) -> None:
    """Ask the process to end; one that does not is killed with its children, each by its number."""
    process.terminate()
    try:
        process.wait(timeout=_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        print(f"{name} did not end within {_STOP_LIMIT_S:.0f} s and is killed", file=sys.stderr)
        members = [process.pid]
        with suppress(OSError):
            members = list(process_tree(process.pid))
        for member in members:
            with suppress(OSError):
                os.kill(member, SIGKILL)
        process.wait()


def job_for(
    contender: Contender, root: Path, runs: Path, body: int = 0, close: bool = False, setup: Setup = PLAIN
) -> Job:
    return Job(root, runs / (contender.name + setup.name), free_port(), body, close, setup)


def _last_words(output: Path) -> str:
    words = output.read_text(errors="replace").strip().rpartition("\n")[2].strip()
    return f": {words}" if words else ""
