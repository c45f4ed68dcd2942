"""Roots and rules are looked at on a thread: a file system that hangs keeps nobody else's from being seen."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest
from support.poll import DEADLINE_S, until

from tuxpy.site import looking
from tuxpy.site.looking import Looks


class Pretended:
    """A site that is looked at."""

    def __init__(self, root: str) -> None:
        self.root, self.looked, self.taken = root, 0, 0
        self.may = threading.Event()
        self.may.set()
        self.fails: Exception | None = None
        self.version = 0

    def signs(self) -> int:
        return self.version

    def look(self) -> int:
        self.looked += 1
        assert self.may.wait(DEADLINE_S)
        if self.fails is not None:
            raise self.fails
        return self.looked

    def take(self, seen: int) -> bool:
        self.taken = seen
        return True


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Pretended]]:
    monkeypatch.setattr(looking, "LATE_S", 0.05)
    monkeypatch.setattr(looking, "SAID_S", 0.5)
    sites = [Pretended(name) for name in ("/one", "/sick", "/two")]
    yield sites
    for site in sites:
        site.may.set()


def rounds(looks: Looks, site: Pretended, count: int) -> bool:
    """As the judge does it, until the site was taken so often."""

    def turn() -> bool:
        looks.begin()
        looks.collect()
        return site.taken >= count

    return until(turn)


def test_each_site_is_looked_at_again_and_again(sites: list[Pretended]) -> None:
    looks = Looks(sites, lambda: None)
    assert all(rounds(looks, site, 3) for site in sites)
    looks.close()


def test_one_that_hangs_is_left_behind(sites: list[Pretended], caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, after a while, and said when it answers again; it is not looked at meanwhile."""
    caplog.set_level(logging.WARNING)
    looks = Looks(sites, lambda: None)
    one, sick, two = sites
    sick.may.clear()
    began = time.monotonic()
    assert rounds(looks, two, 5)
    assert rounds(looks, one, 5)
    assert (sick.looked, sick.taken) == (1, 0)
    assert until(lambda: looks.begin() or caplog.records)
    assert rounds(looks, two, two.taken + 5)
    assert [record.getMessage() for record in caplog.records] == [
        "/sick: its file system does not answer; what was read there before stays in force"
    ]
    assert time.monotonic() - began < DEADLINE_S
    sick.may.set()
    assert rounds(looks, sick, 3)
    assert caplog.records[1].getMessage() == "/sick: its file system answers again"
    assert len(caplog.records) == 2
    looks.close()


def test_one_that_is_late_once_is_not_told_of(sites: list[Pretended], caplog: pytest.LogCaptureFixture) -> None:
    """A machine that stood still keeps a thread from a file system that is well: the others go on without it."""
    caplog.set_level(logging.WARNING)
    looks = Looks(sites, lambda: None)
    _, late, two = sites
    for count in range(1, 4):
        late.may.clear()
        assert rounds(looks, two, two.taken + 2)
        assert late.taken < count
        late.may.set()
        assert rounds(looks, late, count)
    assert caplog.records == []
    looks.close()


def test_a_fault_is_said_once(sites: list[Pretended], caplog: pytest.LogCaptureFixture) -> None:
    """A disk that has died is no fault of ours: one sentence without a traceback; another fault is said, too."""
    looks = Looks(sites, lambda: None)
    sick = sites[1]
    for error in (OSError(107, "Transport endpoint is not connected"), OSError(5, "Input/output error")):
        caplog.clear()
        sick.fails = error
        before = sites[2].taken
        assert rounds(looks, sites[2], before + 5)
        (said,) = caplog.records
        assert (error.strerror or "") in said.getMessage()
        assert said.exc_info is None
    sick.fails = None
    assert rounds(looks, sick, sick.looked + 1)
    looks.close()


def test_closing_waits_for_no_file_system(sites: list[Pretended]) -> None:
    looks = Looks(sites, lambda: None)
    sites[1].may.clear()
    looks.begin()
    assert until(lambda: sites[1].looked)
    began = time.monotonic()
    looks.close()
    assert time.monotonic() - began < DEADLINE_S / 2


def test_a_glance_begins_a_round_where_there_are_signs_of_a_change(sites: list[Pretended]) -> None:
    looks = Looks(sites, lambda: None)

    def seen(count: int) -> bool:
        looks.glance()
        looks.collect()
        return all(site.taken >= count for site in sites)

    assert until(lambda: seen(1))  # nobody has seen it before
    for _ in range(100):
        looks.glance()
    assert {site.looked for site in sites} == {1}
    sites[1].version += 1
    assert until(lambda: seen(2))
    assert {site.looked for site in sites} == {2}


def test_a_change_in_the_middle_of_a_round_is_seen_by_another(sites: list[Pretended]) -> None:
    looks = Looks(sites, lambda: None)
    sites[2].may.clear()
    looks.glance()
    assert until(lambda: sites[2].looked == 1)
    sites[0].version += 1
    looks.glance()
    sites[2].may.set()

    def seen() -> bool:
        looks.collect()
        looks.glance()
        return sites[0].taken == 2

    assert until(seen)
