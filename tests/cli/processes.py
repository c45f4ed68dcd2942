"""Real processes: `tuxpy` as a shell starts it, with its output, its exit code and a deadline."""

from __future__ import annotations

import http.client
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0
_NOT_OURS = ("NO_COLOR", "COLUMNS", "PYTHONUNBUFFERED")  # what changes what a program writes, and when


class Done(NamedTuple):
    status: int
    out: str
    err: str


def environment(**variables: str) -> dict[str, str]:
    """This process's, without what would colour, configure or unbuffer, and with the package under test."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TUXPY_") and k not in _NOT_OURS}
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH", ""), str(REPOSITORY)]))
    return {**kept, "PYTHONPATH": path, **variables}


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "tuxpy", *args]


class Running:
    """A server in its own process; `lines` is what it has written to standard error so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.text = ""

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def ports(self) -> list[int]:
        """The ports of the URLs that stand alone on the first lines."""
        self.wait_for(" serves ")
        return [int(port) for port in re.findall(r"(?m)^(?:\x1b\[1m)?http://\S*:(\d+)/(?:\x1b\[0m)?$", self.text)]

    def get(self, path: str = "/", host: str = "127.0.0.1", port: int | None = None) -> tuple[int, bytes]:
        """Status and body of a request."""
        connection = http.client.HTTPConnection(host, port or self.ports[0], timeout=DEADLINE_S)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait_for(self, words: str) -> str:
        """Everything written, once a whole line with `words` is in it."""
        assert self.process.stderr is not None
        end = time.monotonic() + DEADLINE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stderr, selectors.EVENT_READ)
            while not any(words in line for line in self.text.rpartition("\n")[0].splitlines()):
                assert time.monotonic() < end, f"no {words!r} in {self.text!r}"
                if selector.select(timeout=0.5):
                    more = os.read(self.process.stderr.fileno(), 65536).decode()
                    assert more, f"it ended with {self.process.wait()}, without {words!r}: {self.text!r}"
                    self.text += more
        return self.text

    def wait_for_more(self) -> str:
        """Everything written, once there is more than before."""
        assert self.process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stderr, selectors.EVENT_READ)
            assert selector.select(timeout=DEADLINE_S), f"nothing more than {self.text!r}"
            more = os.read(self.process.stderr.fileno(), 65536).decode()
            assert more, f"it ended with {self.process.wait()}: {self.text!r}"
            self.text += more
        while not self.text.endswith("\n"):
            self.wait_for_more()
        return self.text

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.finish()

    def finish(self) -> int:
        """Wait for the end; the exit code."""
        _, err = self.process.communicate(timeout=DEADLINE_S)
        self.text += (err or b"").decode()
        return self.process.returncode


Run = Callable[..., Done]
Start = Callable[..., Running]
