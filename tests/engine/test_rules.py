"""What changes while an engine runs: its rules, and the listeners at which it accepts."""

from __future__ import annotations

import select
import socket
import time
from pathlib import Path

import pytest
from support.client import Client, get
from support.poll import until

from tuxpy.atoms import lifecycle
from tuxpy.engine.http_engine import LEAVING, HttpEngine, Rules
from tuxpy.errors import EngineError
from tuxpy.site.judge import judge_miss
from tuxpy.site.opener import opener
from tuxpy.site.site import Site

from .rig import Rig, listening

HERE = int.from_bytes(b"\0" * 10 + b"\xff\xff" + socket.inet_aton("127.0.0.1"), "big")
CLASSES = [(0, 0), (HERE, 5), (HERE + 1, 0)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "f").write_bytes(b"content")
    time.sleep(0.05)
    return Site(str(tmp_path), opener())


def place(one: socket.socket) -> tuple[str, int]:
    found: tuple[str, int] = one.getsockname()
    return found


def asked(rig: Rig) -> list[tuple[int, int, int]]:
    """(rules, class, flags) of the next misses."""


    def there_are() -> bool:
        rig.withheld.extend(rig.engine.misses())
        return bool(rig.withheld)

    assert until(there_are)
    return [(miss.rules, miss.class_number, miss.flags) for miss in rig.withheld]


def answer_all(rig: Rig, site: Site) -> None:
    while rig.withheld:
        miss = rig.withheld.pop()
        rig.engine.answer(miss, judge_miss(site, miss, time.time()))


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_classes_of_open_connections_are_those_of_the_new_table(backend: str, site: Site) -> None:
    with Rig(backend) as rig, listening() as one, site:
        rig.serve(one, 4)
        with Client(place(one)) as client:
            for number, classes in enumerate([[], CLASSES, [], CLASSES]):
                if number:
                    rig.engine.set_rules(Rules(number, classes=classes))
                client.send(get("/f"))
                assert asked(rig) == [(number, 5 if classes else 0, 0)], "all is forgotten, so it is asked again"
                answer_all(rig, site)
                assert client.read().body == b"content"
                assert client.ask(get("/f")).body == b"content"
                assert not rig.engine.misses(), "it is kept"
                assert until(lambda: rig.engine.settled() == number)  # noqa: B023


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_an_answer_under_older_rules_goes_out_and_is_not_kept(backend: str, site: Site) -> None:
    with Rig(backend) as rig, listening() as one, site:
        rig.serve(one, 4)
        with Client(place(one)) as first, Client(place(one)) as second:
            first.send(get("/f"))
            assert asked(rig) == [(0, 0, 0)]
            rig.engine.set_rules(Rules(1, classes=CLASSES))
            old = rig.withheld.pop()
            second.send(get("/f"))
            assert asked(rig) == [(1, 5, 0)], "it does not join the older question"
            assert rig.engine.settled() == 0
            rig.engine.answer(old, judge_miss(site, old, time.time()))
            assert first.read().body == b"content"
            assert until(lambda: rig.engine.settled() == 1)
            first.send(get("/f"))
            assert asked(rig) == [(1, 5, 0)]
            answer_all(rig, site)
            assert second.read().body == b"content" and first.read().body == b"content"


def test_rules_that_cannot_be() -> None:
    with Rig("epoll") as rig:
        with pytest.raises(EngineError):
            rig.engine.set_rules(Rules(1, [b"x" * 41]))
        with pytest.raises(EngineError):
            rig.engine.set_rules(Rules(1, [b"f%d" % number for number in range(33)]))
        assert rig.engine.settled() == 0


# Listeners.


def begin(engine: HttpEngine, one: socket.socket, counter: int, copies: int, cookie: int) -> None:
    engine.set_shared(counter, 1 << 40)
    engine.submit(lifecycle(counter), {"listener": one.fileno()}, cookie, copies)


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_one_listener_is_drained_alone(backend: str, site: Site) -> None:
    with Rig(backend, site) as rig, listening() as stays, listening() as goes, site:
        begin(rig.engine, stays, 0, 4, cookie=1)
        begin(rig.engine, goes, 1, 4, cookie=2)
        with Client(place(stays)) as at_home, Client(place(goes)) as leaver:
            assert at_home.ask(get("/f")).status == leaver.ask(get("/f")).status == 200
            rig.engine.set_shared(1, 0)
            rig.engine.drain(2, idle_ms=60_000)
            assert {done.cookie for done in rig.results(3)} == {2}
            last = leaver.ask(get("/f"))
            assert last.status == 200 and last.closes and leaver.rest() == b""
            assert [done.cookie for done in rig.results(1)] == [2]
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(place(goes)).close()
            assert not at_home.ask(get("/f")).closes
            with Client(place(stays)) as another:
                assert another.ask(get("/f")).status == 200


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_the_last_answer_is_marked_for_the_judge(backend: str, site: Site) -> None:
    """Pipelined requests are all answered: only the last is the last."""
    with Rig(backend) as rig, listening() as one, site:
        rig.serve(one, 4)
        with Client(place(one)) as client:
            client.send(get("/f"))
            assert asked(rig) == [(0, 0, 0)]
            answer_all(rig, site)
            client.read()
            rig.engine.set_shared(0, 0)
            rig.engine.drain(0, idle_ms=60_000)
            rig.results(3)
            client.send(get("/f") + get("/nothing"))
            assert not client.read().closes
            assert asked(rig) == [(0, 0, LEAVING)]
            answer_all(rig, site)
            answer = client.read()
            assert answer.status == 404 and answer.closes and client.rest() == b""


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_idle_connections_have_a_moment(backend: str, site: Site) -> None:
    with Rig(backend, site) as rig, listening() as one, site:
        rig.serve(one, 2)
        with Client(place(one)) as client:
            client.ask(get("/f"))
            rig.engine.set_shared(0, 0)
            begun = time.monotonic()
            rig.engine.drain(0, idle_ms=300)
            assert client.rest() == b""
            assert time.monotonic() - begun >= 0.29
        rig.results(2)


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_a_listener_that_others_have_too_is_left_as_it_is(backend: str, site: Site) -> None:
    """Also what waits in its queue."""
    with Rig(backend, site) as rig, Rig(backend, site) as other, listening() as one, site:
        rig.serve(one, 2)
        with Client(place(one)) as first:
            assert first.ask(get("/f")).status == 200
        rig.engine.set_shared(0, 0)
        rig.engine.drain(0, shut=False)
        rig.results(2)
        with Client(place(one)) as waiting:
            waiting.send(get("/f"))
            assert not select.select([waiting.socket], [], [], 0.1)[0]
            other.serve(one, 2)
            assert waiting.read().status == 200


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_runs_are_shed(backend: str, site: Site) -> None:
    """Those that are parked at once, those that lead a connection when it ends."""
    with Rig(backend, site) as rig, listening() as one, site:
        rig.serve(one, 4)
        with Client(place(one)) as client, Client(place(one)) as another:
            assert client.ask(get("/f")).status == another.ask(get("/f")).status == 200
            rig.engine.shed(0, 3, idle_ms=60_000)
            rig.results(2)
            assert client.ask(get("/f")).status == another.ask(get("/f")).status == 200
            client.close()
            rig.results(1)
            another.close()
        with Client(place(one)) as last:
            assert last.ask(get("/f")).status == 200
        assert rig.engine.metrics()["runs"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_a_drain_that_is_faster_than_the_start(backend: str) -> None:
    """No run has accepted yet, and each must learn that it need not."""
    for _ in range(8):
        with Rig(backend, slots=512) as rig, listening() as one:
            rig.serve(one, 512)
            rig.engine.set_shared(0, 0)
            rig.engine.drain(0)
            assert len(rig.results(512)) == 512
