"""Measuring a server from outside: processor time, memory, time to the first byte, and load by wrk.

Only loopback addresses are ever used, and every loop ends by time or by count.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_WRK_SCRIPTS = Path(__file__).parent / "wrk"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw; times in microseconds."""

    requests: int
    duration_us: int
    p50_us: int
    p99_us: int
    errors: int


def process_tree(pid: int) -> Iterator[int]:
    """The process and its living descendants (a server may have a master and workers)."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from process_tree(int(child))


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree so far, all threads, also the kernel's io_uring workers."""
    ticks = 0
    for member in process_tree(pid):
        # proc_pid_stat(5): utime and stime are fields 14 and 15; the name may hold spaces
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def memory_kib(pid: int, *kinds: str) -> int:
    """Sum over the tree of lines of /proc/PID/smaps_rollup: Rss, Private_Dirty, ..."""
    total = 0
    for member in process_tree(pid):
        text = Path(f"/proc/{member}/smaps_rollup").read_text()
        found = re.findall(r"^(\w+): +(\d+) kB$", text, re.M)
        total += sum(int(size) for kind, size in found if kind in kinds)
    return total


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def exchange(connection: socket.socket, path: str) -> bytes:
    """The first bytes of the answer to a GET; empty when the server closed instead."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    return connection.recv(65536)


def wait_first_byte(port: int, path: str, process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Ask until the first answer begins; False when the process ended or the limit passed."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection((HOST, port), timeout=limit_s) as connection:
                if exchange(connection, path):
                    return True
        except OSError:
            time.sleep(0.001)
    return False


def idle_connection_kib(pid: int, port: int, path: str, count: int) -> float:
    """Private memory the server takes for each of `count` connections that wait."""
    private = ("Private_Clean", "Private_Dirty")
    before = memory_kib(pid, *private)
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((HOST, port), timeout=5))
            if not exchange(connection, path):
                raise OSError("the server closed an idle connection")
        time.sleep(0.3)
        return (memory_kib(pid, *private) - before) / count


def wrk(url: str, seconds: int, connections: int, script: str, close: bool, cpu: int) -> Load:
    """One run of wrk on one processor; `script` is a file of loadtest/wrk/."""
    command = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["-s", script, *(["-H", "Connection: close"] if close else []), url]
    run = subprocess.run(
        command, cwd=_WRK_SCRIPTS, capture_output=True, text=True, timeout=seconds + 30, check=True
    )
    report = re.search(r"^REPORT (.*)$", run.stdout, re.M)
    if report is None:
        raise OSError(f"wrk made no report: {run.stdout} {run.stderr}")
    return Load(**json.loads(report[1]))
