"""Measuring a server from outside: processor time, memory, time to the first byte, and load by wrk.

Only loopback addresses are ever used, and every loop ends by time or by count.
"""

from __future__ import annotations

import http.client
import json
import re
import resource
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_WRK_SCRIPTS = Path(__file__).parent / "wrk"
_LIMIT_S = 5.0
_LOG_LIMIT_S = 10.0
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw, and the processor time it took itself; times in microseconds."""

    requests: int
    bytes: int
    duration_us: int
    p50_us: int
    p99_us: int
    errors: int
    client_cpu_us: float


# --- processor time and memory -----------------------------------------------------------------
def process_tree(pid: int) -> Iterator[int]:
    """The process and its living descendants (a server may have a master and workers)."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = (task / "children").read_text().split()
        except FileNotFoundError:  # a thread that ended meanwhile; its time is with the process
            continue
        for child in children:
            yield from process_tree(int(child))


def cpu_times(pid: int) -> dict[int, float]:
    """User and system seconds so far of every process of the tree.

    This is the kernel's CPU clock of the process, in nanoseconds. It sums all threads: those that run now, up to
    this moment, those that have ended, and the kernel's io_uring workers, which are threads of the process too.
    /proc/PID/stat has the same sum in ticks of 10 ms, a percent of a short round. /proc/PID/schedstat is the first
    thread alone, and the sum over /proc/PID/task loses a worker that ended, as idle io_uring workers do after 5 s.
    """
    return {member: time.clock_gettime(_cpu_clock(member)) for member in process_tree(pid)}


def _cpu_clock(pid: int) -> int:
    """What clock_getcpuclockid(3) gives; Python offers it for threads only. 2 is the kernel's CPUCLOCK_SCHED."""
    return (~pid << 3) | 2


def cpu_spent(before: dict[int, float], after: dict[int, float]) -> float:
    """Seconds between two looks at a tree. The time of a process that ended is lost, so that is refused."""
    if not before.keys() <= after.keys():
        raise OSError("a process of the server ended while it was measured")
    return sum(after.values()) - sum(before.values())


def memory_kib(pid: int, *kinds: str) -> int:
    """Sum over the tree of lines of /proc/PID/smaps_rollup: Rss, Private_Dirty, ..."""
    total = 0
    for member in process_tree(pid):
        text = Path(f"/proc/{member}/smaps_rollup").read_text()
        found = re.findall(r"^(\w+): +(\d+) kB$", text, re.M)
        total += sum(int(size) for kind, size in found if kind in kinds)
    return total


def private_kib(pid: int) -> int:
    return memory_kib(pid, "Private_Clean", "Private_Dirty")


def idle_connection_kib(pid: int, port: int, path: str, count: int) -> float:
    """Private memory the server takes for each of `count` connections that wait."""
    before = private_kib(pid)
    with idle_connections(port, path, count):
        time.sleep(0.3)
        return (private_kib(pid) - before) / count


@contextmanager
def idle_connections(port: int, path: str, count: int) -> Iterator[None]:
    """So many that have had one answer and ask for nothing more."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((HOST, port), timeout=_LIMIT_S))
            # reset in the end: some ten thousand in TIME_WAIT and there are no ports left
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if not _exchange(connection, path):
                raise OSError("the server closed an idle connection")
        yield


# --- the access log ----------------------------------------------------------------------------
def wait_lines(log: Path, count: int) -> None:
    """Until the server has written so many; OSError when it does not, since then it does less than the others."""
    end, seen = time.monotonic() + _LOG_LIMIT_S, 0
    with log.open("rb") as file:
        while seen < count:
            piece = file.read(1 << 20)
            seen += piece.count(b"\n")
            if not piece and time.monotonic() > end:
                raise OSError(f"{seen} lines in the access log after {count} requests")
            if not piece:
                time.sleep(0.05)


# --- single requests ---------------------------------------------------------------------------
def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _exchange(connection: socket.socket, path: str) -> bytes:
    """The first bytes of the answer to a GET; empty when the server closed instead."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    return connection.recv(65536)


def wait_first_byte(port: int, path: str, process: subprocess.Popen[bytes], limit_s: float) -> str | None:
    """Ask until an answer begins, and be it a refusal; None, or why there is no good answer."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection((HOST, port), timeout=limit_s) as connection:
                first = _exchange(connection, path)
        except OSError:
            first = b""
        if first:
            return None if first.startswith(b"HTTP/1.1 200 ") else f"answered {first[:40]!r}"
        time.sleep(0.001)
    return f"no answer within {limit_s:.0f} s" if process.poll() is None else "ended at start"


def fetch(port: int, path: str, fields: dict[str, str]) -> tuple[int, bytes]:
    """Status and body of one complete answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_LIMIT_S)
    try:
        connection.request("GET", path, headers=fields)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"not an HTTP answer: {error!r}") from error
    finally:
        connection.close()


# --- load --------------------------------------------------------------------------------------
def wrk(url: str, seconds: int, connections: int, script: str, close: bool, cpus: str, threads: int) -> Load:
    """One run of wrk on these processors (taskset(1)); `script` is a file of loadtest/wrk/."""
    command = ["taskset", "-c", cpus, "wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s"]
    command += ["-s", script, *(["-H", "Connection: close"] if close else []), url]
    before = _children_seconds()
    run = subprocess.run(command, cwd=_WRK_SCRIPTS, capture_output=True, text=True, timeout=seconds + 30, check=False)
    report = re.search(r"^REPORT (.*)$", run.stdout, re.M)
    if run.returncode != 0 or report is None:
        words = (run.stderr or run.stdout).strip().rpartition("\n")[2]
        raise OSError(f"wrk failed with status {run.returncode}: {words}")
    seen = Load(**json.loads(report[1]), client_cpu_us=(_children_seconds() - before) * 1e6)
    if seen.requests == 0:
        raise OSError("not one request was answered")
    return seen


def _children_seconds() -> float:
    """The time of all children that have ended; between two looks only wrk does."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
