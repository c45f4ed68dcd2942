"""The lines of the start: addresses that can be opened, each alone on its line; nothing wider than a terminal."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tuxpy.cli import start_lines as startlines
from tuxpy.config.settings import Address, Config, parse_bind
from tuxpy.config.sites import SiteConfig
from tuxpy.process import privileges
from tuxpy.process.listen import Listener, listen

from .processes import Start

if TYPE_CHECKING:
    from tuxpy.server import Server

LOCAL = {socket.AF_INET: ["192.0.2.7"], socket.AF_INET6: ["2001:db8::7"]}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    monkeypatch.setattr(startlines, "local_addresses", LOCAL.get)
    with ExitStack() as stack:
        yield stack


def at(stack: ExitStack, *binds: str) -> list[Listener]:
    """Listeners as a server opens them, at free ports."""
    addresses = [parse_bind(bind) for bind in binds]
    alone = all(":" in one.host for one in addresses)
    listeners = [listen(one, 1, alone) for one in addresses]
    for one in listeners:
        stack.callback(one.close)
    return listeners


def server(listeners: list[Listener], roots: tuple[str, ...] = ("/srv/www",), **values: object) -> Server:
    """One that is only described."""
    config = Config(sites=tuple(map(SiteConfig, roots)), workers=1, origin="tuxpy.toml")
    told: dict[str, object] = {"config": config, "listeners": listeners, "engines": 1, "backend": "uring", "why": ""}
    return cast("Server", SimpleNamespace(**{**told, "admin_urls": (), **values}))


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def test_the_address_comes_first_and_alone(opened: ExitStack) -> None:
    listeners = at(opened, ":0")
    port = listeners[0].port
    assert startlines.told(server(listeners, engines=2)) == [
        f"http://127.0.0.1:{port}/", "tuxpy 0.1.0 serves /srv/www (2 engines, io_uring)"
    ]  # fmt: skip
    colored = startlines.told(server(listeners), True, 80)
    assert colored[0] == f"\x1b[1mhttp://127.0.0.1:{port}/\x1b[0m"
    assert colored[1] == "tuxpy 0.1.0 serves /srv/www (1 engine, io_uring); Ctrl-C ends it"


def test_a_wildcard_is_told_by_addresses_that_can_be_opened(opened: ExitStack) -> None:
    listeners = at(opened, "0.0.0.0:0")
    port = listeners[0].port
    assert startlines.told(server(listeners))[:-1] == [f"http://127.0.0.1:{port}/", f"http://192.0.2.7:{port}/"]


@needs_ipv6
def test_a_wildcard_of_both_families(opened: ExitStack) -> None:
    """IPV6_V6ONLY of the socket says whether IPv4 comes in as well (RFC 3493 5.3)."""
    (both,) = at(opened, "[::]:0")
    urls = [f"http://{host}:{both.port}/" for host in ("127.0.0.1", "192.0.2.7", "[2001:db8::7]")]
    assert startlines.told(server([both]))[:-1] == urls
    four, six = at(opened, "127.0.0.1:0", "[::]:0")
    urls = [f"http://127.0.0.1:{four.port}/", f"http://[::1]:{six.port}/", f"http://[2001:db8::7]:{six.port}/"]
    assert startlines.told(server([four, six]))[:-1] == urls


def test_a_wildcard_with_very_many_addresses_and_with_none(
    opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    listeners = at(opened, "0.0.0.0:0")
    monkeypatch.setattr(startlines, "local_addresses", lambda _: [f"192.0.2.{number}" for number in range(20)])
    lines = startlines.told(server(listeners))
    assert len(lines) == 7 and lines[5] == "and at 16 more addresses of this machine"
    monkeypatch.setattr(startlines, "local_addresses", lambda _: [])
    lines = startlines.told(server(listeners))
    assert lines[1] == f"and at every other address of this machine, port {listeners[0].port}"


def test_what_no_browser_opens_is_no_url(opened: ExitStack, tmp_path: Path) -> None:
    (proxied,) = at(opened, "proxy:127.0.0.1:0")
    path = tmp_path / "s"
    (unix,) = at(opened, f"unix:{path}")
    assert startlines.told(server([proxied, unix]))[:2] == [f"proxy:127.0.0.1:{proxied.port}", f"unix:{path}"]
    assert unix.stands_for(parse_bind(f"unix:{path}"))


def test_several_sites_are_counted(opened: ExitStack) -> None:
    assert startlines.told(server([], ("/a", "/b", "/c", "/d"))) == [
        "tuxpy 0.1.0 serves 4 sites of tuxpy.toml (1 engine, io_uring)"
    ]


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_no_line_is_wider_than_the_terminal(opened: ExitStack, columns: int) -> None:
    root = "/home/somebody/" + "a-rather-long-name/" * 8 + "dist"
    busy = at(opened, "127.0.0.1:0")
    busy[0].address = Address(port=1)
    notes = {"admin_urls": ("http://127.0.0.1:8001/",), "backend": "uring"}
    lines = startlines.told(server(busy, (root,), engines=16, **notes), columns=columns)
    assert max(map(len, lines)) <= columns
    assert re.search(r"serves /home/.*….*/dist \(16 engines", lines[1])
    assert lines[2:] == [
        "tuxpy: port 1 is taken, so the next free one is used; -p chooses another",
        "tuxpy: http://127.0.0.1:8001/ tells what happens inside",
    ]
    assert root in startlines.told(server(busy, (root,)))[1]  # a log keeps all of it


def test_a_fallback_says_why(opened: ExitStack) -> None:
    lines = startlines.told(server([], backend="epoll", why="a filter forbids it"))
    assert lines[1] == "tuxpy: the kernel refuses io_uring, so epoll waits: a filter forbids it"


# Root.


@pytest.mark.parametrize(
    ("hosts", "warned"),
    [
        (["127.0.0.1"], False), (["::1", "", "127.0.0.2"], False), (["0.0.0.0"], True), (["127.0.0.1", "::"], True),
        (["192.0.2.1"], True),
    ],
)  # fmt: skip
def test_root_is_warned_where_others_come_in(
    hosts: list[str], warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(privileges, "_contained", lambda: False)
    privileges.warn_of_root(Config(workers=1), hosts)
    assert ("the server runs as root" in caplog.text) == warned
    caplog.clear()
    monkeypatch.setattr(privileges, "_contained", lambda: True)
    privileges.warn_of_root(Config(workers=1), hosts)
    assert caplog.text == ""


def test_containers_are_told_by_their_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("container", raising=False)
    top = f"{tmp_path}/"
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "uid_map").write_text("         0          0 4294967295\n")
    assert not privileges._contained(top)
    (tmp_path / "proc" / "self" / "uid_map").write_text("0 100000 65536\n")
    assert privileges._contained(top)
    (tmp_path / "proc" / "self" / "uid_map").unlink()
    assert not privileges._contained(top)
    (tmp_path / ".dockerenv").touch()
    assert privileges._contained(top)


# The end.


@pytest.mark.slow
def test_ctrl_c_says_how_to_end_at_once(start: Start, www: Path) -> None:
    with (www / "large").open("wb") as file:
        file.truncate(64 << 20)
    running = start(str(www), "-p", "0", "-w", "1")
    with socket.create_connection(("127.0.0.1", running.ports[0]), timeout=20) as peer:
        peer.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.recv(4096)
        running.process.send_signal(signal.SIGINT)
        said = running.wait_for("draining")
        assert "draining: 1 connection may finish; press Ctrl-C again to end at once" in said
        assert running.stop(signal.SIGINT) == 130
    quiet = start(str(www), "-p", "0", "-w", "1")
    assert quiet.ports
    assert quiet.stop(signal.SIGINT) == 0
    assert "draining: no connection is open\n" in quiet.text
