"""A file system that hangs, as a network file system does whose server is gone, stops its own site alone."""

from __future__ import annotations

import logging
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import fuse, webroot
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import DEADLINE_S, until
from support.reloading import Changing, descriptors
from support.running import Running

from tuxpy.base import time_limit as patience
from tuxpy.cli.main import main
from tuxpy.config.settings import Config
from tuxpy.config.sites import MassHosting, SiteConfig
from tuxpy.errors import ConfigError
from tuxpy.rules.policy import Policy
from tuxpy.server import Server
from tuxpy.serving import answering, preload, reload

LARGE = b"0123456789abcdef" * (3 << 16)  # sent from its file
NAMES = ("index.html", "large.bin", "a.css", "dir/b.txt")


@pytest.fixture
def sick(tmp_path: Path) -> Iterator[fuse.Hanging]:
    why_not = fuse.why_not()
    if why_not:
        pytest.skip(why_not)
    source = tmp_path / "source"
    for name in NAMES:
        webroot.write(source / name, LARGE if name == "large.bin" else f"sick {name}\n".encode() * 500)
    try:
        one = fuse.Hanging(source, tmp_path / "sick")
    except OSError as error:
        pytest.skip(str(error))
    yield one
    one.close()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    for name in NAMES:
        webroot.write(tmp_path / "good" / name, LARGE if name == "large.bin" else f"good {name}\n".encode() * 500)
    webroot.settle()
    return tmp_path / "good"


@pytest.fixture
def both(serve: Serve, sick: fuse.Hanging, good: Path) -> Iterator[Running]:
    """Two sites, and before the end the sick one is well again, so that nothing is left of it."""
    policy = Policy(listing=True)
    sites = (SiteConfig(str(good), policy, ("good.test",)), SiteConfig(str(sick.path), policy, ("sick.test",)))
    running = serve(sites=sites)
    yield running
    sick.go_on()
    assert until(lambda: running.server._errands.pending == 0)


def ask(client: Client, target: str, host: str, *fields: str) -> bytes:
    answer = client.ask(get(target, *fields, host=host))
    assert answer.status == 200, answer
    return answer.body


def silent(client: Client) -> bool:
    return not select.select([client.socket], [], [], 0)[0]


def test_a_site_on_such_a_file_system_is_served(both: Running, connect: Connect) -> None:
    """Judged and from the cache."""
    client = connect(both)
    for _ in range(3):
        assert ask(client, "/", "sick.test") == b"sick index.html\n" * 500
        assert ask(client, "/large.bin", "sick.test") == LARGE
        assert ask(client, "/large.bin?x", "sick.test", "Accept-Encoding: gzip") == LARGE
        assert b"b.txt" in ask(client, "/dir/", "sick.test")
        assert client.ask(get("/nothing", host="sick.test")).status == 404
        assert client.ask(get("/dir", host="sick.test")).status == 301


def test_one_that_hangs_stops_its_own_site_alone(
    both: Running, sick: fuse.Hanging, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Targets that were never asked for, listings, codings, kept answers that have come of age; by each number of
    clients of the sick one. A signal is obeyed, and all is well when it goes on."""
    client = connect(both)
    for host in ("good.test", "sick.test"):
        for target in ("/", "/large.bin"):
            for _ in range(3):
                ask(client, target, host)
    sick.hang()
    waiting = [connect(both) for _ in range(40)]
    targets = ("/", "/a.css", "/large.bin", "/dir/", "/unseen")
    for number, one in enumerate(waiting):
        query = f"?{number}" if number < 20 else ""  # never asked for before, and kept
        one.send(get(f"{targets[number % 5]}{query}", host="sick.test"))
    began = time.monotonic()
    rounds, late = 0, list[Client]()
    while rounds < 5 or time.monotonic() < began + 2.5:  # long enough for what is kept to come of age
        rounds += 1
        other = connect(both)
        assert ask(other, "/", "good.test") == b"good index.html\n" * 500
        assert ask(other, f"/a.css?{rounds}", "good.test", "Accept-Encoding: gzip")
        assert ask(other, "/large.bin", "good.test") == LARGE
        assert b"b.txt" in ask(other, f"/dir/?{rounds}", "good.test")
        assert other.ask(get(f"/nothing{rounds}", host="good.test")).status == 404
        other.close()
        if time.monotonic() > began + 1.2 and len(late) < 20:  # by now they have come of age, and have to be looked at
            late.append(connect(both))
            late[-1].send(get(("/", "/large.bin")[rounds % 2], host="sick.test"))
    assert all(map(silent, waiting[:20]))
    hung = "its file system does not answer; what was read there before stays in force"
    assert until(lambda: hung in caplog.text)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        f"{sick.path}: {hung}"
    ]
    sick.go_on()
    assert {one.read().status for one in waiting} <= {200, 404}
    assert until(lambda: "answers again" in caplog.text)
    caplog.clear()


def test_9110_15_6_4_those_who_wait_too_long_are_told_to_come_back(
    both: Running,
    sick: fuse.Hanging,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(answering, "_PATIENCE_S", 0.2)
    sick.hang()
    client = connect(both)
    answer = client.ask(get("/unseen", host="sick.test"))
    assert (answer.status, answer[b"retry-after"]) == (503, b"1")
    sick.go_on()
    assert until(lambda: both.server._errands.pending == 0)
    caplog.clear()


def test_a_mount_beneath_a_root_is_no_danger_either(
    serve: Serve, sick: fuse.Hanging, good: Path, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The root is on a disk, one directory in it is not."""
    nested = fuse.Hanging(sick.path.parent / "source", good / "far")
    try:
        running = serve(root=good, policy=Policy(listing=True))
        client = connect(running)
        assert ask(client, "/far/a.css", "a") == b"sick a.css\n" * 500
        nested.hang()
        waiting = [connect(running) for _ in range(10)]
        for number, one in enumerate(waiting):
            one.send(get(f"/far/a.css?{number}"))
        for number in range(20):
            assert ask(client, f"/a.css?{number}", "a") == b"good a.css\n" * 500
        assert all(map(silent, waiting))
        nested.go_on()
        assert {one.read().status for one in waiting} == {200}
        caplog.clear()
    finally:
        nested.go_on()
        nested.close()


def test_hosts_of_a_directory_that_hangs(
    serve: Serve, sick: fuse.Hanging, good: Path, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """host_directories: to look for a host's directory may take for ever, too."""
    sites = (SiteConfig(str(good), Policy(), ("good.test",)), SiteConfig(str(sick.path), mass=MassHosting()))
    running = serve(sites=sites)
    client = connect(running)
    assert client.ask(get("/b.txt", host="dir")).status == 200
    sick.hang()
    waiting = [connect(running) for _ in range(4)]
    for number, one in enumerate(waiting):
        one.send(get(f"/b.txt?{number}", host=("dir", "nothing")[number % 2]))
    for number in range(20):
        assert ask(client, f"/a.css?{number}", "good.test")
    sick.go_on()
    assert [one.read().status for one in waiting] == [200, 421, 200, 421]
    caplog.clear()


def test_one_that_has_died_is_said_once(
    both: Running, sick: fuse.Hanging, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(both)
    ask(client, "/a.css", "sick.test")
    sick.die()
    assert until(lambda: "not connected" in caplog.text)
    looks = 0
    looked = both.server._service.generations.current
    assert looked is not None
    collect = looked.looks.collect

    def counted() -> bool:
        nonlocal looks
        looks += looked.looks._round is not None
        return collect()

    looked.looks.collect = counted  # type: ignore[method-assign]
    assert until(lambda: looks >= 3, DEADLINE_S)
    said = [record for record in caplog.records if "not connected" in record.getMessage()]
    assert len(said) == 3, "the root, and two files of rules, each once"
    assert all(record.exc_info is None for record in said)
    assert ask(connect(both), "/a.css?unseen", "good.test") == b"good a.css\n" * 500
    caplog.clear()


# Reloads, starts and checks, which open every root.


def waiting_threads() -> int:
    return sum(thread.name == "attempt" for thread in threading.enumerate())


def test_a_reload_that_names_one_that_hangs_is_refused_and_stops_nobody(
    both: Running,
    sick: fuse.Hanging,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As often as it is tried; what was opened late is closed."""
    monkeypatch.setattr(reload, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(reload, "_LEFT_MAX", 2)
    change = Changing(both, both.server.config)
    assert change() == "in force"
    held = descriptors()
    sick.hang()
    for tried in (1, 2):
        change.begin()
        assert until(lambda: change.under_way)
        for number in range(5):
            client = connect(both)
            assert ask(client, f"/a.css?{tried}.{number}", "good.test") == b"good a.css\n" * 500
            assert client.ask(get(f"/nothing{tried}.{number}", host="good.test")).status == 404
            client.close()
        assert until(lambda: not change.under_way)
        assert change.outcomes[-1] == str(patience.unanswered(str(sick.path)))
    assert waiting_threads() == 2
    assert "2 reloads before it wait for a file system" in change(), "threads that wait are bounded"
    assert waiting_threads() == 2
    sick.go_on()
    assert until(lambda: waiting_threads() == 0)
    assert change() == "in force"
    assert ask(connect(both), "/a.css?well", "sick.test") == b"sick a.css\n" * 500
    assert until(lambda: descriptors() <= held + 2), f"{descriptors()} > {held} and both ends of the last connection"
    caplog.clear()


def test_signals_are_obeyed_while_a_reload_waits(
    both: Running, sick: fuse.Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    """A second SIGHUP has its turn; SIGTERM abandons what is under way."""
    change = Changing(both, both.server.config)
    sick.hang()
    change.begin()
    assert until(lambda: change.under_way)
    change.begin()
    sick.go_on()
    assert until(lambda: len(change.outcomes) == 2)
    assert change.outcomes == ["in force"] * 2
    sick.hang()
    change.begin()
    assert until(lambda: change.under_way)
    both.stop()
    assert not change.under_way and len(change.outcomes) == 2
    caplog.clear()


def test_neither_a_start_nor_a_check_waits_for_ever(
    sick: fuse.Hanging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(patience, "START_S", 0.3)
    sentence = str(patience.unanswered(str(sick.path)))
    file = tmp_path / "tuxpy.toml"
    file.write_text(f'[site]\nroot = "{sick.path}"\n')
    sick.hang()
    before = descriptors()
    with pytest.raises(ConfigError) as refused:
        Server(Config(sites=(SiteConfig(str(sick.path)),))).open()
    assert str(refused.value) == sentence
    assert main(["check", str(file)]) == 2
    assert sentence in capsys.readouterr().err
    sick.go_on()
    assert until(lambda: waiting_threads() == 0)
    assert until(lambda: descriptors() <= before)


def test_a_site_on_such_a_file_system_is_preloaded(
    serve: Serve, sick: fuse.Hanging, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tuxpy")
    running = serve(root=sick.path, preload=True)
    assert until(lambda: "preloaded 8 of 8 URLs" in caplog.text), caplog.text
    running.wait_for("preloaded")
    client, host = connect(running), f"127.0.0.1:{running.address[1]}"
    assert ask(client, "/", host) == b"sick index.html\n" * 500
    assert ask(client, "/dir/b.txt", host, "Connection: keep-alive", "Accept-Encoding: gzip, deflate, br, zstd")
    assert ask(client, "/large.bin", host) == LARGE
    assert running.metric("judged") == 0


def test_a_preload_that_waits_for_one_that_hangs_stops_nobody(
    serve: Serve, sick: fuse.Hanging, good: Path, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor the end; what is judged late is closed."""
    plain, hung = preload.judge_head, threading.Event()
    with pytest.MonkeyPatch.context() as patch:

        def hanging(sites: Any, *args: Any) -> Any:
            if threading.current_thread().name.startswith("preload") and not hung.is_set():
                hung.set()
                sick.hang()
            return plain(sites, *args)

        patch.setattr(preload, "judge_head", hanging)
        sites = (SiteConfig(str(sick.path), Policy(), ("sick.test",)), SiteConfig(str(good), Policy(), ("good.test",)))
        running = serve(sites=sites, preload=True)
        assert hung.wait(DEADLINE_S)
        for number in range(5):
            assert ask(connect(running), f"/a.css?{number}", "good.test") == b"good a.css\n" * 500
        running.stop()
    sick.go_on()  # the fixture sees that nothing is left
    caplog.clear()
