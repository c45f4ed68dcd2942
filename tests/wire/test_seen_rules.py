"""Where files are looked at for each request, files of rules and the root's name are looked at often, too.

They are looked at beside the requests, so there is a time between: with `look_after` = 0 it is a tenth of a second.
A server that looks every half second needs a quarter on average, and these rounds ask for less than that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.webroot import settle, write

from tuxpy.rules.policy import Policy

ROUNDS: Final = 12
SELDOM_S: Final = 0.5  # between two looks where files are looked at seldom


def _replace(file: Path, content: bytes) -> None:
    write(file.with_name(file.name + ".new"), content)
    file.with_name(file.name + ".new").replace(file)


def _headers(root: Path, number: int) -> None:
    _replace(root / "_headers", b"/file.txt\n  X-Round: %d\n" % number)


def _redirects(root: Path, number: int) -> None:
    _replace(root / "_redirects", b"/moved /to-%d 302\n" % number)


def _has_field(client: Client, number: int) -> bool:
    return client.ask(get("/file.txt"))[b"x-round"] == b"%d" % number


def _leads_there(client: Client, number: int) -> bool:
    return client.ask(get("/moved"))[b"location"].endswith(b"/to-%d" % number)


CASES: Final[dict[str, tuple[Callable[[Path, int], None], Callable[[Client, int], bool]]]] = {
    "headers": (_headers, _has_field),
    "redirects": (_redirects, _leads_there),
}


def _median_s(change: Callable[[int], None], seen: Callable[[int], bool]) -> float:
    """The median: a machine that is busy slows some. Each round begins just after a look, so one that looks seldom
    takes its whole period each time."""
    taken = []
    for number in range(1, ROUNDS + 1):
        began = time.monotonic()
        change(number)
        assert until(lambda number=number: seen(number))  # type: ignore[misc]
        taken.append(time.monotonic() - began)
    return sorted(taken)[ROUNDS // 2]


@pytest.mark.parametrize("name", CASES)
def test_9111_4_2_rules_that_change_are_in_force_soon(
    serve: Serve, connect: Connect, tmp_path: Path, name: str
) -> None:
    change, seen = CASES[name]
    write(tmp_path / "file.txt", b"x")
    change(tmp_path, 0)
    settle()
    client = connect(serve(tmp_path, look_after_s=0.0))
    assert seen(client, 0)
    median_s = _median_s(lambda number: change(tmp_path, number), lambda number: seen(client, number))
    assert median_s < SELDOM_S / 2


def test_9111_4_2_a_root_that_is_led_elsewhere_is_followed_soon(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    for number in range(2):
        write(tmp_path / str(number) / "file.txt", b"%d" % number)
    root = tmp_path / "root"
    root.symlink_to("0")
    settle()
    client = connect(serve(root, look_after_s=0.0))

    def lead(number: int) -> None:
        (tmp_path / "next").symlink_to(str(number % 2))
        (tmp_path / "next").replace(root)

    def seen(number: int) -> bool:
        return client.ask(get("/file.txt")).body == b"%d" % (number % 2)

    assert seen(0)
    assert _median_s(lead, seen) < SELDOM_S / 2


def test_9111_4_2_a_listing_shows_sizes_as_they_are(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """A directory's own date does not change when a file in it grows: a listing is never kept."""
    write(tmp_path / "folder" / "file.txt", b"x")
    settle()
    client = connect(serve(tmp_path, policy=Policy(listing=True)))
    for size in range(2, 40):
        with open(tmp_path / "folder" / "file.txt", "ab", buffering=0) as file:
            file.write(b"x")
        shown = json.loads(client.ask(get("/folder/?format=json")).body)
        assert [entry["size"] for entry in shown["entries"]] == [size]
