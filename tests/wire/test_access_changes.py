"""Password files that change while the server runs: seen within one second, on every connection."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support import webroot
from support.access import basic, hashed, write_lines, write_users
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.renewal import SEEN_S, seen_within_a_second
from support.running import Running

from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy
from tuxpy.serving import service as service_module

DEEP, LARGE = "/docs/deep/a.css", "/large.bin"
ANN, BOB, NEW = basic("ann", "right"), basic("bob", "also"), basic("ann", "new")

pytestmark = pytest.mark.slow


@pytest.fixture
def users(tmp_path: Path) -> Path:
    write_users(tmp_path / "users", ann="right", bob="also")
    return tmp_path / "users"


def gates(users: Path) -> Policy:
    return Policy(gates=(Gate.parse("/{docs,large.bin}/*", login=Login(str(users))),))


@pytest.fixture
def gated(serve: Serve, users: Path) -> Running:
    return serve(policy=gates(users))


def status(client: Client, shown: str, target: str = DEEP) -> int:
    return client.ask(get(target, shown, method="HEAD")).status


def within_a_second(running: Running, wanted: int, client: Client, shown: str, target: str = DEEP) -> bool:
    """Whether the status is what it should be, one second from now at the latest."""
    return seen_within_a_second(running, lambda: status(client, shown, target) == wanted)


@pytest.mark.parametrize("target", [DEEP, LARGE])
def test_9110_11_4_a_new_password_counts_within_a_second(
    gated: Running, connect: Connect, users: Path, target: str
) -> None:
    """The old one is refused on old connections, whose answers were kept, and on new ones; other users stay."""
    old = [connect(gated) for _ in range(3)]
    for client in old:
        assert [status(client, ANN, target) for _ in range(3)] == [200] * 3
    assert status(old[0], NEW, target) == 401
    write_users(users, ann="new", bob="also")
    assert within_a_second(gated, 401, old[0], ANN, target)
    assert [status(client, ANN, target) for client in (*old, connect(gated))] == [401] * 4
    assert [status(client, NEW, target) for client in (*old, connect(gated))] == [200] * 4
    assert status(old[1], BOB, target) == 200


def test_9110_11_4_a_user_who_is_taken_out_is_refused_within_a_second(
    gated: Running, connect: Connect, users: Path
) -> None:
    """Also when nobody asks while the file changes; and one who is put in again may pass."""
    old, quiet = connect(gated), connect(gated)
    assert (status(old, ANN), status(quiet, ANN), status(old, BOB)) == (200, 200, 200)
    write_users(users, bob="also")
    assert within_a_second(gated, 401, old, ANN)
    assert (status(quiet, ANN), status(quiet, BOB)) == (401, 200)
    write_users(users, ann="right")
    assert within_a_second(gated, 200, old, ANN)
    assert (status(quiet, ANN), status(quiet, BOB)) == (200, 401)


def test_a_change_in_place_is_seen_too(gated: Running, connect: Connect, users: Path) -> None:
    client = connect(gated)
    assert status(client, ANN) == 200
    users.write_text(f"ann:{hashed('new')}\n")
    assert within_a_second(gated, 200, client, NEW)
    assert status(client, ANN) == 401


def test_a_connection_forgets_what_the_cache_had_no_room_for(
    serve: Serve, connect: Connect, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of a connection's previous head goes with the rules that it was made by."""
    limits = service_module.limits_of
    monkeypatch.setattr(service_module, "limits_of", lambda config: replace(limits(config), cache_entries_max=4))
    running = serve(policy=gates(users))
    old, other = connect(running), connect(running)
    assert [status(old, ANN) for _ in range(3)] == [200] * 3

    def pushed_out() -> bool:
        for number in range(64):
            for _ in range(2):
                other.ask(get(f"/notes.txt?{number}", method="HEAD"))
        return running.metric("evictions") >= 16

    assert until(pushed_out)
    write_users(users, bob="also")
    assert within_a_second(running, 401, connect(running), ANN)
    assert status(old, ANN) == 401


def _broken(users: Path) -> None:
    write_lines(users, [f"ann:{hashed('new')}", "bob:plain"])


def _gone(users: Path) -> None:
    users.unlink()


def _no_text(users: Path) -> None:
    fresh = users.with_name("users.new")
    fresh.write_bytes(b"ann:\xff\n")
    fresh.replace(users)  # a file that is cut and then written to would have been empty, which is good


@pytest.mark.parametrize("harm", [_broken, _gone, _no_text])
def test_a_file_that_is_no_good_keeps_the_users(
    gated: Running, connect: Connect, users: Path, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None]
) -> None:
    """The log says so once; when it is mended, what it says then counts."""
    client = connect(gated)
    assert (status(client, ANN), status(client, BOB)) == (200, 200)
    harm(users)

    def errors() -> list[str]:
        return [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.WARNING]

    looks = _count_looks(gated)
    assert until(errors)
    at = len(looks)
    assert until(lambda: len(looks) >= at + 2), "the file is looked at no more"
    assert len(errors()) == 1, errors()
    assert "the users read before stay in force" in errors()[0]
    assert (status(client, ANN), status(client, BOB), status(client, NEW)) == (200, 200, 401)
    write_users(users, ann="new")
    assert within_a_second(gated, 200, client, NEW)
    assert (status(client, ANN), status(client, BOB)) == (401, 401)
    assert len(errors()) == 1
    caplog.clear()


def _count_looks(running: Running) -> list[float]:
    """When the rules were looked at, from now on."""
    sites, looks = running.server._sites, list[float]()
    assert sites is not None
    (site,) = sites._opened
    look = site.look

    def counting() -> object:
        looks.append(time.monotonic())
        return look()

    site.look = counting  # type: ignore[assignment, method-assign]
    return looks


def test_a_touched_file_changes_nothing(gated: Running, connect: Connect, users: Path) -> None:
    """The same users again: what was kept stays kept."""
    client = connect(gated)
    assert status(client, ANN) == 200
    looks = _count_looks(gated)
    users.touch()
    assert until(lambda: len(looks) >= 2)
    before = gated.metric("judged")
    assert status(client, ANN) == 200
    assert gated.metric("judged") == before


@pytest.mark.parametrize("clients", [4])
def test_9110_11_4_under_load_nobody_passes_with_the_old_password(
    gated: Running, connect: Connect, users: Path, clients: int
) -> None:
    """Connections that ask all the while, so that judgements are under way when the file changes."""
    last_good = [0.0] * clients
    stop = threading.Event()

    def asks(number: int, client: Client) -> None:
        asked = 0
        while not stop.is_set():
            asked += 1
            began = time.monotonic()
            if status(client, ANN, f"{DEEP}?{asked % 50}") == 200:
                last_good[number] = began

    threads = [threading.Thread(target=asks, args=(number, connect(gated))) for number in range(clients)]
    for thread in threads:
        thread.start()
    watcher = connect(gated)
    try:
        assert until(lambda: all(last_good))
        write_users(users, ann="new")
        changed = time.monotonic()
        assert until(lambda: status(watcher, ANN) == 401)
        refused = time.monotonic()
        assert until(lambda: time.monotonic() > refused + 0.3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert max(last_good) < max(changed + SEEN_S, refused)


def test_every_site_has_its_own_file(serve: Serve, connect: Connect, root: Path, tmp_path: Path) -> None:
    """A deploy that leads the root elsewhere takes no password with it."""
    for name in ("one", "two"):
        webroot.write(tmp_path / name / "docs" / "deep" / "a.css", name.encode())
    (tmp_path / "www").symlink_to("one")
    webroot.settle()
    users = write_users(tmp_path / "users", ann="right")
    running = serve(tmp_path / "www", policy=gates(Path(users)))
    client = connect(running)
    assert (client.ask(get(DEEP, ANN)).body, status(client, BOB)) == (b"one", 401)
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "www")
    assert seen_within_a_second(running, lambda: client.ask(get(DEEP, ANN)).body == b"two")
    assert (status(client, BOB), client.ask(get(DEEP)).status) == (401, 401)
