"""A server that gets no more memory: RLIMIT_AS a little above what it has, and a flood of targets it has not seen."""

from __future__ import annotations

import http.client
import resource
import threading
from collections import Counter
from pathlib import Path

import pytest

from .processes import DEADLINE_S, Running, Start

pytestmark = pytest.mark.slow

SPARE = 8 << 20
CLIENTS, QUESTIONS = 8, 150
QUERY = 6_000  # bytes: each question and what is kept of its answer takes as much, several times
BODY = b"<!doctype html>hello\n"


def size_of(pid: int) -> int:
    """Bytes of address space, as RLIMIT_AS counts them (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmSize:"))


class Client(threading.Thread):
    """Asks for what nobody has asked for, and begins again with another connection when its own has ended."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__()
        self.port, self.number = port, number
        self.got: Counter[str] = Counter()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        for turn in range(QUESTIONS):
            try:
                connection.request("GET", f"/?{self.number}-{turn}-{'q' * QUERY}")
                response = connection.getresponse()
                body = response.read()
                right = response.status == 503 or (response.status, body) == (200, BODY)
                self.got[str(response.status) if right else f"wrong: {response.status} {body[:80]!r}"] += 1
            except (ConnectionError, http.client.BadStatusLine):
                self.got["closed"] += 1
                connection.close()
            except OSError as error:
                self.got[f"wrong: {error!r}"] += 1
                connection.close()
        connection.close()


@pytest.mark.parametrize("backend", ["uring", "epoll"])
@pytest.mark.parametrize("spare", [0, SPARE], ids=["none", "8MiB"])
def test_a_server_without_memory_survives_and_is_right_again(
    start: Start, www: Path, backend: str, spare: int
) -> None:
    server: Running = start(str(www), "-p", "0", "-w", "2", "--backend", backend)
    port = server.ports[0]
    for path in ("/", "/docs/", "/nothing"):
        server.get(path, port=port)
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (size_of(pid) + spare, before[1]))
    clients = [Client(port, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    got = sum((client.got for client in clients), Counter[str]())
    assert server.process.poll() is None, server.finish()
    assert set(got) <= {"200", "503", "closed"}, got
    resource.prlimit(pid, resource.RLIMIT_AS, before)
    for number in range(2 * CLIENTS):
        assert server.get(f"/?after-{number}", port=port) == (200, BODY)
    assert server.get("/docs/", port=port) == (200, b"docs\n")
    assert server.stop() == 0
    assert "Traceback" not in server.text, server.text
