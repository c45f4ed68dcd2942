"""Listeners that come and go in every order while connections are busy: each address answers, and no run is lost.

A model walks at random, from a seed that a failure names. It knows which addresses are in service and which connections
are open; the kernel gives the descriptors of listeners that were closed to those that come next, so their numbers come
back all the time.
"""

from __future__ import annotations

import random
import select
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from support.client import Client, get
from support.poll import DEADLINE_S

from tuxpy.atoms import ChainResult, Reason
from tuxpy.config.settings import Address
from tuxpy.engine.http_engine import Miss
from tuxpy.process.listen import Listener, listen
from tuxpy.serving.listeners import Listeners
from tuxpy.site.judge import judge_miss
from tuxpy.site.site import Site

from .rig import HOST, Rig, site_of

SLOTS = 8
IDLE_MS = 20  # for a connection that must go


class World:
    """An engine, the lines under test, and clients; one thread, so that the order of all things is the seed's."""

    def __init__(self, rig: Rig, site: Site, chance: random.Random) -> None:
        self.rig, self.site, self.chance = rig, site, chance
        self.listeners = Listeners()
        self.clients: list[Client] = []
        self.waiting: list[Client] = []  # for an answer that is withheld
        self.withheld: list[Miss] = []
        self.listeners.start([rig.engine], [self.fresh()])

    def close(self) -> None:
        for client in self.clients + self.waiting:
            client.close()
        self.rig.close()
        self.listeners.close()

    @staticmethod
    def fresh() -> Listener:
        return listen(Address(HOST, 0), 1)

    # What the server's loop does.

    def turn(self) -> None:
        for miss in self.rig.engine.misses():
            if b"/withheld" in miss.head[:40]:
                self.withheld.append(miss)
            else:
                self.rig.engine.answer(miss, judge_miss(self.site, miss, time.time()))
        for done in self.rig.engine.completions():
            assert done.reason is Reason.STOP or done.reason is Reason.END, done
            self.listeners.completed(done)
        self.listeners.settle()
        self.listeners.renew()

    def until(self, what: str, reached: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE_S
        while True:
            self.turn()
            if reached():
                return
            assert time.monotonic() < end, f"{what}: {self.state()}"
            select.select([self.rig.notify], [], [], 0.002)

    def state(self) -> str:
        places = [(line.draining, place.number, place.alive, place.leaving)
                  for line in self.listeners._served for place in line.places]  # fmt: skip
        return f"(draining, line, alive, leaving) {places}, {self.rig.engine.metrics()['runs']} runs"

    # What may happen.

    def opens(self) -> None:
        client = Client((HOST, self.chance.choice(list(self.listeners)).port))
        client.send(get("/f"))
        self.clients.append(client)

    def closes(self) -> None:
        if self.clients:
            self.clients.pop(self.chance.randrange(len(self.clients))).close()

    def asks(self) -> None:
        for client in self.clients[-2:]:
            client.send_until_refused(get("/f"))

    def is_busy(self) -> None:
        client = Client((HOST, self.chance.choice(list(self.listeners)).port))
        client.send(get("/withheld"))
        self.waiting.append(client)

    def is_answered(self) -> None:
        for miss in self.withheld:
            self.rig.engine.answer(miss, judge_miss(self.site, miss, time.time()))
        self.withheld.clear()

    def reloads(self, listeners: list[Listener]) -> None:
        self.listeners.check(listeners, 1, SLOTS)
        self.listeners.change(listeners, IDLE_MS)

    def adds(self) -> None:
        if len(list(self.listeners)) < 4 and len(self.listeners._served) < 12:
            self.reloads([*self.listeners, self.fresh()])

    def removes(self) -> None:
        there = list(self.listeners)
        if len(there) > 1:
            there.remove(self.chance.choice(there))
            self.reloads(there)

    def replaces(self) -> None:
        if len(self.listeners._served) < 12:
            self.reloads([self.fresh()])

    def stays(self) -> None:
        self.reloads(list(self.listeners))

    def rests(self) -> None:
        for _ in range(3):
            self.turn()
            time.sleep(0.002)

    def step(self) -> str:
        one = self.chance.choice(
            [self.opens, self.opens, self.closes, self.asks, self.is_busy, self.is_answered, self.adds, self.removes,
             self.replaces, self.stays, self.rests, self.rests]
        )  # fmt: skip
        one()
        self.turn()
        return one.__name__

    # What must hold.

    def is_shared(self) -> bool:
        places = [place for line in self.listeners._served for place in line.places]
        fair = {SLOTS // len(places), -(-SLOTS // len(places))}
        quiet = not any(line.draining for line in self.listeners._served) and not any(place.leaving for place in places)
        alive = [place.alive for place in places]
        return quiet and sum(alive) == SLOTS == self.rig.engine.metrics()["runs"] and set(alive) <= fair

    def comes_to_rest(self) -> None:
        def rests() -> bool:
            self.is_answered()
            return self.is_shared()

        for client in self.clients + self.waiting:
            client.close()
        self.clients.clear()
        self.waiting.clear()
        self.until("the runs are not shared", rests)
        for listener in self.listeners:
            with Client((HOST, listener.port)) as client:
                client.send(get("/f"))
                self.until(
                    f"{listener.url} does not answer",
                    lambda: select.select([client.socket], [], [], 0)[0],
                )
                assert client.read().body == b"content"


@contextmanager
def a_world(backend: str, root: Path, seed: int) -> Iterator[World]:
    (root / "f").write_bytes(b"content")
    with site_of(root) as site, closing(World(Rig(backend, slots=SLOTS), site, random.Random(seed))) as world:
        yield world


@pytest.mark.parametrize("seed", range(12))
def test_listeners_come_and_go_in_every_order(backend: str, tmp_path: Path, seed: int) -> None:
    with a_world(backend, tmp_path, seed) as world:
        done: list[str] = []
        for _ in range(8):
            done += [world.step() for _ in range(14)]
            try:
                world.comes_to_rest()
            except BaseException:
                print("seed", seed, done)
                raise
            done.append("- at rest -")


@pytest.mark.parametrize("busy", [4, 6, 8])
def test_a_listener_that_was_removed_and_comes_back_answers(backend: str, tmp_path: Path, busy: int) -> None:
    """Most of its connections were open when another came, so runs were to be shed that it never let go."""
    with a_world(backend, tmp_path, 0) as world:
        for _ in range(busy):
            world.opens()
        world.until("not all are there", lambda: world.rig.metric("requests") == busy)
        first, second = next(iter(world.listeners)), world.fresh()
        address = first.address, first.port
        world.reloads([first, second])
        world.turn()
        world.reloads([second])
        all_of = world.listeners
        world.until("the first is not gone", lambda: all_of.alive == SLOTS and len(all_of._served) == 1)
        world.reloads([second, listen(Address(HOST, address[1], True), 1)])
        world.comes_to_rest()


def test_a_new_listener_has_runs_though_all_connections_stay(backend: str, tmp_path: Path) -> None:
    """RFC 9112 9.6: they are told in their next answer, or close when they are idle."""
    with a_world(backend, tmp_path, 0) as world, ExitStack() as ends:
        for _ in range(SLOTS):
            world.opens()
        world.until("not all are there", lambda: world.rig.metric("requests") == SLOTS)
        second = world.fresh()
        world.reloads([*world.listeners, second])
        client = ends.enter_context(Client((HOST, second.port)))
        client.send(get("/f"))
        world.until("the new one does not answer", lambda: select.select([client.socket], [], [], 0)[0])
        assert client.read().body == b"content"
        assert world.rig.metric("runs") <= SLOTS


def test_a_run_that_ends_by_itself_comes_back(backend: str, tmp_path: Path) -> None:
    with a_world(backend, tmp_path, 0) as world:
        place = next(place for line in world.listeners._served for place in line.places)
        world.rig.engine.cancel(place.number)
        ended: list[ChainResult] = []

        def all_ended() -> bool:
            ended.extend(world.rig.engine.completions())
            return len(ended) == SLOTS

        end = time.monotonic() + DEADLINE_S
        while not all_ended():
            assert time.monotonic() < end
            select.select([world.rig.notify], [], [], 0.002)
        for one in ended:
            world.listeners.completed(one)
        world.listeners.settle()
        assert world.listeners.alive == 0, "what cannot accept would spin"
        world.comes_to_rest()
