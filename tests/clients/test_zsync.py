"""zsync: from an older copy to the new version with only those blocks that differ, by many ranges in one request."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import pytest
from support.webroot import write

from .fixtures import Publish, Run
from .programs import MARKS, program
from .relay import Relay

pytestmark = MARKS

NEW: Final = random.Random(1).randbytes(2 << 20)
_WITHIN_S: Final = 20  # it asks again for ever when it cannot read the answer


@pytest.fixture
def zsync() -> str:
    return program("zsync", package="zsync")


@pytest.fixture
def site(root: Path, publish: Publish, run: Run, zsync: str) -> Relay:
    write(root / "new.bin", NEW)
    zsyncmake = program("zsyncmake", package="zsync")
    run(zsyncmake, "-b", "2048", "-u", "new.bin", "-o", "new.bin.zsync", "new.bin", cwd=root)
    return publish(root)


def _older(places: int) -> bytes:
    """The same, different in so many places."""
    old = bytearray(NEW)
    for place in range(places):
        at = (place + 1) * len(NEW) // (places + 1)
        old[at : at + 3000] = random.Random(place).randbytes(3000)
    return bytes(old)


def _update(site: Relay, zsync: str, run: Run, here: Path, places: int) -> None:
    (here / "old.bin").write_bytes(_older(places))
    run(zsync, "-i", "old.bin", f"{site.url}/new.bin.zsync", within_s=_WITHIN_S)
    assert (here / "new.bin").read_bytes() == NEW
    asked = site.passed("/new.bin")
    assert {one.status for one in asked} == {206}
    assert sum(one.received for one in asked) < places * 10_000


def test_9110_15_3_7_1_one_place_differs(site: Relay, zsync: str, run: Run, here: Path) -> None:
    _update(site, zsync, run, here, 1)
    assert site.one("/new.bin").head["content-range"].endswith(f"/{len(NEW)}")


def test_9110_15_3_7_2_a_few_places_differ(site: Relay, zsync: str, run: Run, here: Path) -> None:
    _update(site, zsync, run, here, 5)
    kind = site.passed("/new.bin")[0].head["content-type"]
    assert kind.startswith("multipart/byteranges; boundary=")


def test_9110_15_3_7_many_places_differ(site: Relay, zsync: str, run: Run, here: Path) -> None:
    _update(site, zsync, run, here, 40)
    assert max(one.request["range"].count(",") for one in site.passed("/new.bin")) == 19
