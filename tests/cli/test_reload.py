"""SIGHUP and `tuxpy reload`: what changes, what does not, and that a mistake changes nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from .processes import Run, Running, Start

pytestmark = pytest.mark.slow

LISTEN = 'listen = ["127.0.0.1:0"]\nworkers = 2\n'
SITE = '[site]\nroot = "www"\n'
FIELD = '[[site.headers]]\npath = "*"\nset = { X-A = "b" }\n'
OLD, NEW = b"<!doctype html>hello\n", b"another\n"


class Operated:
    """A server by a file."""

    def __init__(self, start: Start, folder: Path, text: str = f"[server]\n{LISTEN}{SITE}", *args: str) -> None:
        self.file = folder / "tuxpy.toml"
        self.file.write_text(text)
        self.running: Running = start("-c", str(self.file), *args)
        self.port = self.running.ports[0]

    def reload(self, text: str | None = None, says: str = "is in force") -> str:
        """Signal, wait for the line of the log that tells the outcome; all that was written meanwhile."""
        if text is not None:
            self.file.write_text(text)
        before = len(self.running.text)
        self.running.process.send_signal(signal.SIGHUP)
        while says not in self.running.text[before:]:
            self.running.wait_for_more()
        return self.running.text[before:]

    def get(self, path: str = "/") -> tuple[int, bytes]:
        return self.running.get(path, port=self.port)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    root = tmp_path / "other"
    root.mkdir()
    (root / "index.html").write_bytes(NEW)
    return root


def test_roots_and_rules_change_at_once(start: Start, www: Path, tmp_path: Path, other: Path) -> None:
    server = Operated(start, tmp_path)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as kept:
        assert b"hello" in ask(kept)
        said = server.reload(f'[server]\n{LISTEN}[site]\nroot = "other"\n{FIELD}')
        assert b"another" in (answer := ask(kept)) and b"X-A: b" in answer
        assert said.count("\n") == 1 and re.search(r"info +the new configuration is in force: it serves at http:", said)
        server.reload(f"[server]\n{LISTEN}{SITE}")
        assert b"hello" in (answer := ask(kept)) and b"X-A" not in answer
    assert server.running.stop() == 0


def ask(client: socket.socket, path: str = "/") -> bytes:
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return client.recv(65536)


def test_gates_close_for_connections_that_are_open(start: Start, www: Path, tmp_path: Path) -> None:
    """Also when there were no classes of addresses before, and when their numbers mean something else than before."""
    deny = '[[site.access]]\npath = "/*"\ndeny = ["127.0.0.0/8"]\n'
    swapped = '[[site.access]]\npath = "/docs/*"\nallow = ["127.0.0.1"]\n[[site.access]]\npath = "/*"\ndeny = ["::1"]\n'
    server = Operated(start, tmp_path)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as kept:
        for rules, status in (("", 200), (deny, 403), (swapped, 200), (deny, 403), ("", 200)):
            server.reload(f"[server]\n{LISTEN}{SITE}{rules}")
            for path in ("/", "/docs/", "/", "/docs/"):
                assert ask(kept, path).startswith(b"HTTP/1.1 %d " % status)
    assert server.running.stop() == 0


BAD = {
    "toml": ("[server\n", "this is not TOML"),
    "key": (f"[server]\n{LISTEN}lisen = 1\n{SITE}", "unknown key server.lisen"),
    "two": ("[server]\nworkers = 0\n[site]\nroot = 1\n", "site.root: expected a path"),
    "root": (f'[server]\n{LISTEN}[site]\nroot = "nowhere"\n', "there is no directory"),
    "users": (f'{SITE}[[site.access]]\npath = "*"\npassword_file = "nowhere"\n', "nowhere"),
    "host": (f'[server]\nlisten = ["192.0.2.1:80"]\n{SITE}', "not an address of this machine"),
    "fd": (f'[server]\nlisten = ["fd:web"]\n{SITE}', "inherited no socket fd:web"),
    "many": (f"[server]\nlisten = {[f'unix:@t{n}' for n in range(9)]}\n{SITE}".replace("'", '"'), "too many"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_leaves_everything_as_it_was(start: Start, www: Path, tmp_path: Path, name: str) -> None:
    text, words = BAD[name]
    server = Operated(start, tmp_path, f"[server]\n{LISTEN}{SITE}{FIELD}")
    held = descriptors(server.running)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as kept:
        before = ask(kept)
        said = server.reload(text, "stays in force")
        assert said.count("\n") == 1 and words in said and " error   the new configuration is refused" in said
        assert ask(kept)[-100:] == before[-100:]
        assert server.get() == (200, OLD)
    assert settles(server.running, held)
    assert server.running.stop() == 0


def descriptors(running: Running) -> int:
    return len(os.listdir(f"/proc/{running.process.pid}/fd"))  # noqa: PTH208


def settles(running: Running, held: int) -> bool:
    """No more descriptors than before, soon."""
    end = time.monotonic() + 5
    while descriptors(running) > held and time.monotonic() < end:
        time.sleep(0.05)
    return descriptors(running) <= held


def test_old_sites_are_closed(start: Start, www: Path, tmp_path: Path) -> None:
    server = Operated(start, tmp_path)
    server.get()
    server.reload()
    held = descriptors(server.running)
    for _ in range(10):
        server.get("/big.bin")
        server.reload()
    server.get()
    assert settles(server.running, held + 2)  # files of kept answers
    assert server.running.stop() == 0


def test_listeners_come_and_go(start: Start, www: Path, tmp_path: Path) -> None:
    """A connection of one that goes is served to its end; with all slots of the server it begins again elsewhere."""
    size = 32 << 20
    with (www / "large").open("wb") as file:
        file.truncate(size)
    path = tmp_path / "s"
    one, both, two = (f"[server]\nworkers = 2\nlisten = {listen}\n{SITE}" for listen in (
        '["127.0.0.1:0"]', f'["127.0.0.1:0", "unix:{path}"]', f'["unix:{path}"]'
    ))  # fmt: skip
    server = Operated(start, tmp_path, one)
    assert "and unix:" in server.reload(both)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as download, local(path) as kept:
        assert b"hello" in ask(kept)
        download.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        received = len(download.recv(4096))
        server.reload(two)
        refused_soon(server.port)
        assert b"hello" in ask(kept)
        while more := download.recv(1 << 20):
            received += len(more)
        assert received > size
    server.reload(one)
    assert server.running.stop() == 0
    assert not path.exists()


def local(path: Path) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(10)
    one.connect(str(path))
    return one


def refused_soon(port: int) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError("it still listens")


def test_a_connection_of_a_listener_that_goes_is_told_so(start: Start, www: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = Operated(start, tmp_path, f'[server]\nworkers = 1\nlisten = ["127.0.0.1:0", "unix:{path}"]\n{SITE}')
    with local(path) as kept, local(path) as idle:
        assert b"Connection: close" not in ask(kept)
        kept.sendall(b"GET / HTTP/1.1\r\n")  # so it is not idle, and has all its time
        server.reload(f"[server]\nworkers = 1\n{LISTEN.splitlines()[0]}\n{SITE}")
        kept.sendall(b"Host: a\r\n\r\n")
        assert b"Connection: close" in kept.recv(65536)
        assert kept.recv(1) == b""
        assert idle.recv(1) == b""  # after a moment of grace
    assert server.running.stop() == 0


def test_there_are_never_more_connections_than_asked_for(start: Start, www: Path, tmp_path: Path) -> None:
    """Eight slots for one address, then four each; those that lead connections change over when these are closed."""
    path = tmp_path / "s"
    head = "[server]\nworkers = 1\nmax_connections = 8\n"
    server = Operated(start, tmp_path, f'{head}listen = ["127.0.0.1:0"]\n{SITE}')
    with (www / "large").open("wb") as file:
        file.truncate(64 << 20)
    taken = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(8)]
    for one in taken:  # idle ones would make room
        one.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert one.recv(1)
    server.reload(f'{head}listen = ["127.0.0.1:0", "unix:{path}"]\n{SITE}')
    waiting = local(path)
    waiting.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    taken.pop().close()
    assert b"hello" in waiting.recv(65536)  # once one of the others has made room
    assert sum(is_open(one) for one in taken) <= 7
    for one in (*taken, waiting):
        one.close()
    assert server.running.stop() == 0


def is_open(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1) != b""
    except BlockingIOError:
        return True


def test_what_needs_a_restart_is_named(start: Start, www: Path, tmp_path: Path, other: Path) -> None:
    server = Operated(start, tmp_path)
    said = server.reload(
        '[server]\nlisten = ["127.0.0.1:0"]\nworkers = 1\nmax_connections = 77\nbackend = "epoll"\n'
        '[site]\nroot = "other"\n'
    )
    (warning,) = [line for line in said.splitlines() if " warning " in line]
    assert "server.workers, server.backend, server.max_connections cannot change" in warning
    assert server.get() == (200, NEW)
    assert server.running.stop() == 0


def test_time_limits_and_the_level_of_the_log_change(start: Start, www: Path, tmp_path: Path, other: Path) -> None:
    server = Operated(start, tmp_path)
    server.reload(f'[server]\n{LISTEN}{SITE}[timeouts]\nidle = "200ms"\n')
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as idle:
        ask(idle)
        begun = time.monotonic()
        assert idle.recv(1) == b""
        assert time.monotonic() - begun < 5
    server.file.write_text(f'[server]\n{LISTEN}[site]\nroot = "other"\n[log]\nlevel = "error"\n')
    server.running.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 10
    while server.get() != (200, NEW) and time.monotonic() < end:
        time.sleep(0.01)
    server.reload("[", "stays in force")
    assert server.running.stop() == 0
    assert "draining" not in server.running.text


def test_options_still_win(start: Start, www: Path, tmp_path: Path, other: Path) -> None:
    server = Operated(start, tmp_path, f"[server]\n{LISTEN}{SITE}", str(www), "--header", "X-C: d")
    server.reload(f'[server]\n{LISTEN}[site]\nroot = "other"\n')
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        assert b"hello" in (answer := ask(client)) and b"X-C: d" in answer
    assert server.running.stop() == 0


# The verb.


def test_the_verb(start: Start, run: Run, www: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    server = Operated(start, tmp_path, f'[server]\npid_file = "pid"\n{LISTEN}{SITE}')
    pid = str(server.running.process.pid)
    assert pid_file.read_text() == f"{pid}\n"
    for number, words in enumerate(([str(pid_file)], ["--pid", pid], ["-c", str(server.file)]), 1):
        done = run("reload", *words)
        assert (done.status, done.out, done.err) == (0, "", "")
        while server.running.text.count("is in force") < number:
            server.running.wait_for_more()
    assert server.running.stop() == 0
    assert not pid_file.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no server is named: give its pid file"),
        (["nowhere"], "cannot read the pid file 'nowhere'"),
        (["empty"], "has no process number"),
        (["--pid", "4194305"], "there is no process 4194305"),
    ],
)
def test_the_verb_says_what_is_wrong(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    done = run("reload", *words)
    assert (done.status, done.out) == (2, "") and said in done.err and done.err.count("\n") == 1
