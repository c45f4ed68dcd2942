"""A server process with its admin listener: what is told while it serves, reloads and drains."""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from support.poll import until

from .processes import Start

ADMIN = re.compile(r"(http://[^\s]+/) tells what happens inside")


def _asked(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _told(url: str) -> Any:
    return json.loads(_asked(url + "status.json")[1])


def test_it_is_told_from_the_start_through_a_reload_to_the_end(start: Start, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("hello")
    file = tmp_path / "a.toml"
    anywhere = 'listen = ["127.0.0.1:0"]\n'
    file.write_text(f'[server]\n{anywhere}workers = 1\n[admin]\n{anywhere}[site]\nroot = "www"\n')
    running = start("-c", str(file))
    running.wait_for("tells what happens inside")
    found = ADMIN.search(running.text)
    assert found
    admin = found[1]
    assert _asked(admin + "health")[0] == 200
    assert _asked(admin + "ready")[0] == 200
    told = _told(admin)
    assert (told["state"], told["configuration"]) == ("running", str(file))
    (served,) = told["urls"]
    assert _asked(served) == (200, b"hello")
    assert until(lambda: _told(admin)["totals"]["requests"] == 1)
    running.process.send_signal(signal.SIGHUP)
    assert until(lambda: _told(admin)["reloads"]["done"] == 1)
    file.write_text("[server]\nnothing = 1\n")
    running.process.send_signal(signal.SIGHUP)
    assert until(lambda: _told(admin)["reloads"]["refused"] == 1)
    assert _asked(served) == (200, b"hello")
    _drain_beside(running, admin, served)


def _drain_beside(running: Any, admin: str, served: str) -> None:
    """A request that is not finished keeps the server, which says that it is not ready any more."""
    host, _, port = served.removeprefix("http://").rstrip("/").rpartition(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        assert until(lambda: _told(admin)["totals"]["connections"] >= 1)
        running.process.send_signal(signal.SIGTERM)
        assert until(lambda: _asked(admin + "ready")[0] == 503)
        assert _asked(admin + "health")[0] == 200
        slow.sendall(b"Host: a\r\n\r\n")
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
    assert running.process.wait(20) == 0
