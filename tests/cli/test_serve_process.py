"""`tuxpy serve` as real processes: where it listens, what it says, how it ends."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .processes import Run, Start

pytestmark = pytest.mark.slow


@contextmanager
def taken(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that somebody else listens at."""
    with socket.socket() as other:
        other.bind((host, port))
        other.listen()
        yield other.getsockname()[1]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


# Where, and what is said of it.


@pytest.mark.parametrize("backend", ["auto", "uring", "epoll"])
def test_it_serves_and_says_so(start: Start, www: Path, backend: str) -> None:
    server = start(str(www), "-p", "0", "-w", "2", "--backend", backend)
    first, second = server.wait_for(" serves ").splitlines()[:2]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", first)
    found = re.fullmatch(r"tuxpy \S+ serves (.*) \(2 engines, (?:io_)?(uring|epoll)\)", second)
    assert found and found[1] == str(www)
    assert backend in ("auto", found[2])
    assert server.get() == (200, b"<!doctype html>hello\n")
    assert server.get("/nothing")[0] == 404
    assert server.stop() == 0


def test_the_environment_stands_for_options(start: Start, www: Path) -> None:
    server = start(
        env={
            "TUXPY_DIR": str(www), "TUXPY_SERVE_PORT": "0", "TUXPY_PORT": "1", "TUXPY_BACKEND": "epoll",
            "TUXPY_WORKERS": "1", "TUXPY_LOG_LEVEL": "INFO",
        }
    )  # fmt: skip
    assert "(1 engine, epoll)" in server.wait_for(" serves ")
    assert server.get()[0] == 200
    assert server.stop() == 0


def test_several_addresses(start: Start, www: Path) -> None:
    binds = ["-b", "127.0.0.1:0", "-b", "127.0.0.2"] + (["-b", "[::1]"] if has_ipv6() else [])
    server = start(str(www), "-p", "0", "-w", "1", *binds)
    hosts = ["127.0.0.1", "127.0.0.2", "::1"]
    assert len(server.ports) == len(binds) // 2
    for host, port in zip(hosts, server.ports, strict=False):
        assert server.get(host=host, port=port)[0] == 200
    assert server.stop() == 0


def test_the_next_free_port_when_none_was_asked_for(start: Start, www: Path) -> None:
    first = start(str(www), "-w", "1")
    second = start(str(www), "-w", "2")
    ports = [first.ports[0], second.ports[0]]
    assert len(set(ports)) == 2
    assert all(8000 <= port < 8100 for port in ports)
    for server, port in zip((first, second), ports, strict=True):
        server.wait_for(" serves ")
        assert ("port 8000 is taken" in server.text) == (port != 8000)
        assert server.get()[0] == 200
        assert server.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_was_asked_for_and_is_taken(run: Run, www: Path, workers: str) -> None:
    with taken() as port:
        for args in (["-p", str(port)], ["-b", f"127.0.0.1:{port}"]):
            done = run("serve", str(www), "-w", workers, *args)
            assert (done.status, done.out) == (2, "")
            assert f"port {port}" in done.err and "taken" in done.err and "--port" in done.err
            assert done.err.count("\n") == 1


def test_a_port_taken_by_another_of_us(start: Start, run: Run, www: Path) -> None:
    server = start(str(www), "-p", "0", "-w", "2")
    done = run("serve", str(www), "-p", str(server.ports[0]), "-w", "2")
    assert done.status == 2 and "taken" in done.err
    assert server.stop() == 0


def test_a_wildcard_says_what_becomes_reachable(start: Start, www: Path) -> None:
    server = start(str(www), "-b", "0.0.0.0:0", "-w", "1")
    assert "http://127.0.0.1:" in server.wait_for(" serves ")
    assert "0.0.0.0" not in server.text.partition(" serves ")[0]
    assert server.get()[0] == 200
    assert server.stop() == 0


def test_a_host_that_is_not_ours(run: Run, www: Path) -> None:
    done = run("serve", str(www), "-b", "192.0.2.1:8000")
    assert done.status == 2
    assert "192.0.2.1 is not an address of this machine" in done.err and done.err.count("\n") == 1


# Without rights.


def without_rights() -> list[str]:
    """A tuxpy whose process is nobody's, with everything imported before the rights are gone."""
    script = (
        "import difflib, encodings.idna, os, sys, tuxpy.cli.serving, tuxpy.config.doubts, tuxpy.config.loading\n"
        "from tuxpy.cli.main import main\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(main())"
    )
    return [sys.executable, "-c", script]


def test_a_directory_that_may_not_be_entered(run: Run) -> None:
    closed = "/root" if os.getuid() == 0 else "/proc/1/fd"
    if os.getuid() == 0 and stat.S_IMODE(Path(closed).stat().st_mode) & 0o007:
        pytest.skip("everybody may enter /root here")
    done = run("serve", closed, program=without_rights())
    assert (done.status, done.out) == (2, "")
    assert f"no right to enter '{closed}'" in done.err and done.err.count("\n") == 1


def test_a_port_that_only_root_may_take(run: Run) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("everybody may take port 80 here")
    done = run("serve", "/usr", "-p", "80", program=without_rights())
    assert (done.status, done.out) == (2, "")
    assert "port 80 may only be taken by root" in done.err and done.err.count("\n") == 1


# The end.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_well(start: Start, www: Path, number: int) -> None:
    server = start(str(www), "-p", "0", "-w", "2")
    with socket.create_connection(("127.0.0.1", server.ports[0]), timeout=10) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
        begun = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - begun < 5  # an idle connection keeps nobody waiting
        assert idle.recv(1) == b""
    assert "Traceback" not in server.text


def test_a_signal_right_behind_the_line_of_the_start(start: Start, www: Path) -> None:
    for _ in range(5):
        server = start(str(www), "-p", "0", "-w", "1")
        server.wait_for(" serves ")
        assert server.stop() == 0


def test_a_download_is_finished_before_the_end(start: Start, www: Path) -> None:
    size = 64 << 20
    with (www / "large").open("wb") as file:
        file.truncate(size)
    server = start(str(www), "-p", "0", "-w", "1")
    with socket.create_connection(("127.0.0.1", server.ports[0]), timeout=20) as peer:
        peer.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = len(peer.recv(4096))
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        while more := peer.recv(1 << 20):
            received += len(more)
    assert received > size
    assert server.finish() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_at_once(start: Start, www: Path, number: int, status: int) -> None:
    size = 64 << 20
    with (www / "large").open("wb") as file:
        file.truncate(size)
    server = start(str(www), "-p", "0", "-w", "1")
    with socket.create_connection(("127.0.0.1", server.ports[0]), timeout=20) as peer:
        peer.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.recv(4096)
        server.process.send_signal(number)
        server.wait_for("draining")
        assert server.stop(number) == status
    assert "Traceback" not in server.text


# What it writes, and where to.


def test_above_info_a_start_is_silent(start: Start, www: Path) -> None:
    with taken() as port:
        pass
    server = start(str(www), "-p", str(port), "-w", "1", "--log-level", "warning")
    wait_for_port(port)
    assert server.get(port=port)[0] == 200
    assert server.stop() == 0
    assert [line for line in server.lines if "the server runs as root" not in line] == []


def wait_for_port(port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)


@pytest.mark.parametrize(
    ("choice", "variables", "colored"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {}, False),
    ],
)
def test_colours_on_a_terminal(
    start: Start, www: Path, choice: str, variables: dict[str, str], colored: bool
) -> None:
    ours, theirs = pty.openpty()
    try:
        args = [str(www), "-p", "0", "-w", "1", "--color", choice]
        server = start(*args, env={"TERM": "xterm", **variables}, stderr=theirs)
        said = b""
        while b" serves " not in said or not said.endswith(b"\n"):
            said += os.read(ours, 4096)
        assert server.stop() == 0
        said += os.read(ours, 4096)  # that it drains
    finally:
        os.close(ours)
        os.close(theirs)
    assert (b"\x1b[" in said) == colored


def test_without_a_terminal_there_are_no_colours(start: Start, www: Path) -> None:
    server = start(str(www), "-p", "0", "-w", "1")
    server.wait_for(" serves ")
    assert server.stop() == 0
    assert "\x1b" not in server.text
    coloured = start(str(www), "-p", "0", "-w", "1", "--color", "always")
    assert "\x1b[1mhttp://" in coloured.wait_for(" serves ")
    assert coloured.stop() == 0


def test_a_standard_error_that_nobody_reads_stops_nobody(start: Start, www: Path) -> None:
    with taken() as port:
        pass
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        server = start(str(www), "-p", str(port), "-w", "1", stderr=theirs)
    finally:
        os.close(theirs)
    wait_for_port(port)
    assert server.get(port=port)[0] == 200
    assert server.stop() == 0
