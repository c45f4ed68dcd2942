"""rulebook.py: rules of files and of the policy, which of them have the last word, and what is read again when."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuxpy.rules.fields import FieldRule, merged
from tuxpy.rules.policy import Policy
from tuxpy.rules.redirects import RedirectRule
from tuxpy.rules.rulesfiles import DIALECTS, FILE_BYTES_MAX, Dialect
from tuxpy.site.opening import OpenBeneath, walk_beneath
from tuxpy.site.site import Site

STAYS = "the rules read before stay in force"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def opened(root: Path) -> Iterator[Callable[..., Site]]:
    """Opens sites over `root`, which are closed at the end."""
    sites: list[Site] = []

    def open_(policy: Policy | None = None, open_beneath: OpenBeneath = walk_beneath) -> Site:
        sites.append(Site(str(root), open_beneath, policy or Policy()))
        return sites[-1]

    yield open_
    for site in sites:
        site.close()


def fields(site: Site, path: bytes = b"/a", status: int = 200) -> dict[bytes, bytes]:
    return dict(merged((), site.rules.fields, path, status))


def location(site: Site, path: bytes = b"/old") -> bytes | None:
    match = site.rules.redirects.find(path, None)
    return None if match is None else match.location


# Which rules hold.


@pytest.mark.parametrize("dialect", [*DIALECTS, None])
def test_the_files_at_the_top_are_read_as_the_policy_says(
    root: Path, opened: Callable[..., Site], dialect: Dialect | None
) -> None:
    (root / "_headers").write_text("/*\n A: 1\n")
    (root / "_redirects").write_text("/old /new\n")
    site = opened(Policy(rules_files=dialect))
    assert fields(site) == ({} if dialect is None else {b"A": b"1"})
    match = site.rules.redirects.find(b"/old", None)
    assert (match.status if match else None) == {"netlify": 301, "cloudflare": 302, None: None}[dialect]
    assert not site.renew()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_operator_has_the_last_word(root: Path, opened: Callable[..., Site], dialect: Dialect) -> None:
    """Fields: the last rule wins. Redirects: the first one does."""
    (root / "_headers").write_text("/*\n A: file\n B: file\n")
    (root / "_redirects").write_text("/old /file\n/other /file\n")
    policy = Policy(
        rules=(FieldRule.parse("*", [("A", "operator")], remove=["B"]),),
        redirects=(RedirectRule.parse("/old", "/operator"),),
        rules_files=dialect,
    )
    site = opened(policy)
    assert fields(site) == {b"A": b"operator"}
    assert (location(site), location(site, b"/other")) == (b"/operator", b"/file")
    (root / "_headers").unlink()
    (root / "_redirects").unlink()
    assert site.renew()
    assert fields(site) == {b"A": b"operator"}
    assert (location(site), location(site, b"/other")) == (b"/operator", None)


# What is read again.


def test_a_change_is_seen_and_nothing_else_is_one(root: Path, opened: Callable[..., Site]) -> None:
    site = opened()
    assert not site.renew()
    file = root / "_headers"
    file.write_text("/*\n A: 1\n")
    assert site.renew()
    assert fields(site) == {b"A": b"1"}
    assert not site.renew()
    os.utime(file, (1, 1))
    assert not site.renew(), "the same words at another time"
    file.write_text("/*\n A: 2\n")
    os.utime(file, (1, 1))
    assert site.renew(), "other words at the same time: the time of the change tells"
    assert fields(site) == {b"A": b"2"}
    file.unlink()
    assert site.renew()
    assert fields(site) == {}
    assert not site.renew()


def test_one_file_that_changes_does_not_hide_the_other(root: Path, opened: Callable[..., Site]) -> None:
    site = opened()
    (root / "_headers").write_text("/*\n A: 1\n")
    (root / "_redirects").write_text("/old /new\n")
    assert site.renew()
    assert (fields(site), location(site)) == ({b"A": b"1"}, b"/new")
    (root / "_redirects").write_text("/old /newer\n")
    assert site.renew()
    assert (fields(site), location(site)) == ({b"A": b"1"}, b"/newer")


def test_a_root_that_leads_elsewhere_brings_its_own(tmp_path: Path, opened: Callable[..., Site], root: Path) -> None:
    (root / "_headers").write_text("/*\n A: 1\n")
    site = opened()
    root.rename(tmp_path / "old")
    root.mkdir()
    assert site.renew()
    assert fields(site) == {}


# Problems are told once.


def test_a_bad_line_is_told_once(root: Path, opened: Callable[..., Site], caplog: pytest.LogCaptureFixture) -> None:
    (root / "_headers").write_text("/*\n A: 1\n nonsense\n")
    (root / "_redirects").write_text("/old /new 999\n")
    site = opened()
    assert fields(site) == {b"A": b"1"}
    assert [message.split(": ")[0] for message in caplog.messages] == [f"{root}/_headers:3", f"{root}/_redirects:1"]
    site.renew()
    (root / "_redirects").write_text("/old /new 999\n/older /new\n")
    assert site.renew()
    assert len(caplog.messages) == 2, "neither what has not changed, nor what is as wrong as before"
    (root / "_redirects").write_text("\n/old /new 999\n")
    assert site.renew()
    assert caplog.messages[2].startswith(f"{root}/_redirects:2: ")
    (root / "_redirects").write_text("/old /new\n")
    assert site.renew()
    (root / "_redirects").write_text("/old /new 999\n")
    assert site.renew()
    assert len(caplog.messages) == 4, "what was mended and is wrong again is told again"


def test_a_file_that_is_too_long_has_no_rules(
    root: Path, opened: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    (root / "_headers").write_bytes(b"/*\n A: 1\n" + b"#" * FILE_BYTES_MAX)
    assert fields(opened()) == {}
    assert [message.split(": ")[:2] for message in caplog.messages] == [
        [f"{root}/_headers", f"the file has {FILE_BYTES_MAX + 1} bytes"]
    ]


# A file that is there and cannot be read.


def _folder(file: Path) -> None:
    file.mkdir()


def _link_out(file: Path) -> None:
    (file.parent.parent / "outside").write_text("/*\n A: stolen\n")
    file.symlink_to("../outside")


def _loop(file: Path) -> None:
    file.symlink_to(file.name)


def _fifo(file: Path) -> None:
    os.mkfifo(file)


def _closed(file: Path) -> None:
    file.write_text("/*\n A: unread\n")
    file.chmod(0)


UNREADABLE = [_folder, _link_out, _loop, _fifo, _closed]


@pytest.mark.parametrize("make", UNREADABLE)
def test_what_cannot_be_read_keeps_the_rules_and_is_told_once(
    root: Path,
    opened: Callable[..., Site],
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Path], None],
) -> None:
    file = root / "_headers"
    file.write_text("/*\n A: 1\n")
    site = opened()
    file.unlink()
    make(file)
    if make is _closed:
        request.getfixturevalue("unprivileged")
    for _ in range(3):
        assert not site.renew()
        assert fields(site) == {b"A": b"1"}
    assert [STAYS in message and str(file) in message for message in caplog.messages] == [True]


@pytest.mark.parametrize("make", [_folder, _link_out, _loop, _fifo])
def test_what_cannot_be_read_from_the_beginning_has_no_rules(
    root: Path, opened: Callable[..., Site], caplog: pytest.LogCaptureFixture, make: Callable[[Path], None]
) -> None:
    make(root / "_headers")
    assert fields(opened()) == {}
    assert len(caplog.messages) == 1
    assert STAYS in caplog.text


def test_what_can_be_read_again_holds(root: Path, opened: Callable[..., Site]) -> None:
    file = root / "_headers"
    file.write_text("/*\n A: 1\n")
    site = opened()
    file.unlink()
    file.mkdir()
    assert not site.renew()
    file.rmdir()
    file.write_text("/*\n A: 1\n")
    assert not site.renew(), "the same words as ever"
    file.write_text("/*\n A: 2\n")
    assert site.renew()
    assert fields(site) == {b"A": b"2"}


def test_a_dangling_link_is_no_file(root: Path, opened: Callable[..., Site]) -> None:
    file = root / "_headers"
    file.write_text("/*\n A: 1\n")
    site = opened()
    file.unlink()
    file.symlink_to("nothing")
    assert site.renew()
    assert fields(site) == {}


def test_a_shortage_is_not_taken_for_a_change(root: Path, opened: Callable[..., Site]) -> None:
    """The error goes up to whoever keeps the clock; the next look finds the file as changed as before."""
    site = opened()
    (root / "_headers").write_text("/*\n A: 1\n")
    beneath = site.open_beneath

    def short(_root_fd: int, path: bytes) -> int:
        raise OSError(24, "too many open files", path)

    site.open_beneath = short
    with pytest.raises(OSError, match="too many"):
        site.renew()
    site.open_beneath = beneath
    assert site.renew()
    assert fields(site) == {b"A": b"1"}
